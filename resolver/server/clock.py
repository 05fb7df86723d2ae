"""The only place where the time of day enters; everything below is told what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """A clock for lifetimes and one for the wire."""

    def now(self) -> float:
        """Seconds that only go forward."""

    def unix(self) -> int:
        """Seconds since 1970, as they stand in messages and values."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """``time.monotonic``."""
        return time.monotonic()

    def unix(self) -> int:
        """``time.time`` in whole seconds."""
        return int(time.time())
