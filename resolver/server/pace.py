"""How quickly the figures grow that a node's children report.

Rule: a row that is heard for the first time adds nothing to the pace, as nobody knows when it was
counted.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

WINDOW_S: Final = 300.0
"""The pace is of so many seconds."""

MAX_KNOWN: Final = 100_000

Row = tuple[str, int, str, int, int, int, int]
"""Node, day, prefix, and its requests, successes, created and deleted records."""


class Pace:
    """Requests a second that children have reported lately."""

    def __init__(self) -> None:
        self._known: Final[dict[tuple[str, int, str], int]] = {}
        self._steps: Final[deque[tuple[float, int]]] = deque()
        self._since: float | None = None

    def heard(self, rows: Iterable[Row], now: float) -> None:
        """Take rows of a report in, at a moment."""
        if self._since is None:
            self._since = now
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        grown = 0
        for node, day, prefix, requests, *_ in rows:
            key = (node, day, prefix)
            grown += requests - self._known.get(key, requests)
            self._known[key] = requests
        if grown > 0:
            self._steps.append((now, grown))
        self._forget(now)

    def rate(self, now: float) -> float:
        """Requests a second in the last ``WINDOW_S``, or since the first report."""
        if self._since is None or now <= self._since:
            return 0.0
        # A copy: others may be reporting while a thread asks.
        lately = sum(grown for at, grown in list(self._steps) if at > now - WINDOW_S)
        return lately / min(WINDOW_S, now - self._since)

    def _forget(self, now: float) -> None:
        steps = self._steps
        while steps and steps[0][0] <= now - WINDOW_S:
            steps.popleft()
