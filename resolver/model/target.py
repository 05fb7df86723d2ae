"""What the network is to reach, and when it will."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

TARGET: Final = 2_000_000_000
"""Resolutions: the volume that the Wuhan node has announced, 20 亿次, without a period."""


def remaining_s(requests: int, rate: float, average: float, target: int = TARGET) -> float:
    """Seconds until so many requests are ``target``: at the ``rate`` of the last minutes, or, if
    nothing was asked in these, at the day's ``average``; infinite if nobody knows."""
    left, speed = max(0, target - requests), rate or average
    if not left:
        return 0.0
    return left / speed if speed else float("inf")


def together(trees: Sequence[Mapping[str, Any]], target: int = TARGET) -> dict[str, Any]:
    """What several trees say (call ``target`` of the control plane), as of one: ``requests``,
    ``successes``, ``rate``, ``average``, and ``remaining_s``, None where that is infinite."""
    keys = ("requests", "successes", "rate", "average")
    found: dict[str, Any] = {key: sum(tree[key] for tree in trees) for key in keys}
    left = remaining_s(found["requests"], found["rate"], found["average"], target)
    return {**found, "remaining_s": None if left == float("inf") else left}
