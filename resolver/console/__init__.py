"""The console: the network in a browser, live, at the top-level node's HTTP port."""

from typing import Final

SHOWN_BY: Final = "top-level"
"""The role whose nodes show the console."""

PATH: Final = "/console"
