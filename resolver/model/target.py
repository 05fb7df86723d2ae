"""What the network is to reach."""

from typing import Final

TARGET: Final = 2_000_000_000
"""Resolutions: the volume that the Wuhan node has announced, 20 亿次, without a period."""
