"""How far a tree of nodes is towards its target of resolutions: by day, by the prefixes next below
its top, and how quickly.

Rules: requests and successes stand apart. The days are those of China, as in the figures. The pace
is of the last minutes, from what children reported; a child that is heard for the first time adds
to the figures but not to the pace, as nobody knows when it counted what it tells.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from resolver.model.handle import fold, is_under

WINDOW_S: Final = 300.0
"""The pace is of so many seconds."""

MAX_DAYS: Final = 400
"""Told one by one; those before count in the totals only."""

MAX_KNOWN: Final = 100_000
ELSEWHERE: Final = "*"
"""Stands for all prefixes that are not below the tree's top."""

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
        self._forget(now)
        if self._since is None or now <= self._since:
            return 0.0
        return sum(grown for _, grown in self._steps) / min(WINDOW_S, now - self._since)

    def _forget(self, now: float) -> None:
        steps = self._steps
        while steps and steps[0][0] <= now - WINDOW_S:
            steps.popleft()


def summed(rows: Iterable[Row], zones: Sequence[str], today: int, rate: float) -> dict[str, Any]:
    """What a tree has counted, for the control plane.

    Args:
        zones: what its top delegates, as ``88``; figures are told by the prefixes one label below.

    Returns:
        ``requests`` and ``successes`` in all; ``days``: [day, requests, successes]; ``below``:
        [prefix, requests, successes, requests today]; ``today`` and ``rate``.
    """
    days: dict[int, list[int]] = {}
    below: dict[str, list[int]] = {}
    for _, day, prefix, requests, successes, *_ in rows:
        place = days.setdefault(day, [0, 0])
        place[0] += requests
        place[1] += successes
        part = below.setdefault(_part_of(prefix, zones), [0, 0, 0])
        part[0] += requests
        part[1] += successes
        if day == today:
            part[2] += requests
    return {
        "requests": sum(requests for requests, _ in days.values()),
        "successes": sum(successes for _, successes in days.values()),
        "today": today,
        "rate": rate,
        "days": [[day, *days[day]] for day in sorted(days)[-MAX_DAYS:]],
        "below": [[prefix, *below[prefix]] for prefix in sorted(below)],
    }


def _part_of(prefix: str, zones: Sequence[str]) -> str:
    """The prefix next below one of ``zones`` that ``prefix`` is, or is below."""
    for zone in zones:
        if prefix != fold(zone) and is_under(prefix, fold(zone)):
            labels = zone.count(".") + 1 if zone else 0
            return ".".join(prefix.split(".")[: labels + 1])
    return ELSEWHERE
