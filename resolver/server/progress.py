"""What was resolved and registered since the store was made, and how far the network is on its way
to the target.

Rules: figures come from the store alone, so all processes of a node say the same, and none of it
ever goes down. Days that are over do not change any more and are added up once; a report may come
late, so yesterday counts as not over.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from resolver.model.target import TARGET
from resolver.server.clock import Clock
from resolver.server.family import Family
from resolver.storage import Figures, Ledger, day_of
from resolver.telemetry.exposition import Target

WINDOW_S: Final = 300.0
"""The present rate is that of so many seconds."""

_LEAST_S: Final = 5.0
"""Between two moments that are remembered, and at least so much for a rate."""

Rows = Callable[[int], Iterable[tuple[int, str, Figures]]]
"""(day, prefix, figures) from a day on."""


class Totals:
    """Figures by prefix, of all days together."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows: Final = rows
        self._clock: Final = clock
        self._day = -1
        self._over: dict[str, Figures] = {}

    def by_prefix(self) -> dict[str, Figures]:
        """What was counted until now."""
        since = day_of(self._clock.unix()) - 1
        if since != self._day:
            self._over = _added({}, (row for row in self._rows(0) if row[0] < since))
            self._day = since
        return _added(dict(self._over), self._rows(since))


class Progress:
    """How far the network is, seen from its top."""

    def __init__(self, family: Family, clock: Clock) -> None:
        def rows(since: int) -> Iterable[tuple[int, str, Figures]]:
            for _, day, prefix, *numbers in family.rows(since):
                yield day, prefix, Figures(*numbers)

        self._totals: Final = Totals(rows, clock)
        self._clock: Final = clock
        self._seen: Final[deque[tuple[float, int]]] = deque()

    def target(self) -> Target:
        """Where the network is, and when it will be there."""
        found = sum(self._totals.by_prefix().values(), Figures())
        return Target(TARGET, found.requests, found.successes, self._remaining(found.requests))

    def _remaining(self, requests: int) -> float:
        left = max(0, TARGET - requests)
        if not left:
            return 0.0
        now, seen = self._clock.now(), self._seen
        while len(seen) > 1 and seen[1][0] <= now - WINDOW_S:
            seen.popleft()
        if not seen or now - seen[-1][0] >= _LEAST_S:
            seen.append((now, requests))
        began, before = seen[0]
        if now - began < _LEAST_S or requests <= before:
            return float("inf")
        return left * (now - began) / (requests - before)


def totals_of(ledger: Ledger, clock: Clock) -> Totals:
    """The figures of one store."""
    return Totals(ledger.figures, clock)


def _added(
    totals: dict[str, Figures], rows: Iterable[tuple[int, str, Figures]]
) -> dict[str, Figures]:
    """``totals`` with ``rows`` added."""
    for _, prefix, figures in rows:
        totals[prefix] = totals.get(prefix, Figures()) + figures
    return totals
