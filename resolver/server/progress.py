"""How far a tree of nodes is on its way to the target: what it has resolved by day and by prefix,
how quickly it goes on, and when it will be there.

This is the one place where that is worked out: ``wuhan_target_*`` of the metrics, ``wuhan target``
and the console all say what stands here.

Rules: requests and successes stand apart. Figures come from the store alone, so none of them ever
goes down; the days are those of China. Days that are over do not change any more and are added up
once; a report may come late, so yesterday counts as not over.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from resolver.model.handle import fold, is_under
from resolver.model.target import TARGET, remaining_s
from resolver.server.clock import Clock
from resolver.server.family import Family
from resolver.storage import Figures, Ledger, day_of, second_of_day
from resolver.telemetry.exposition import Target

MAX_DAYS: Final = 400
"""Told one by one; those before count in the totals only."""

ELSEWHERE: Final = "*"
"""Stands for all prefixes that are not below the tree's top."""

Rows = Callable[[int], Iterable[tuple[int, str, Figures]]]
"""(day, prefix, figures) from a day on."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted until now.

    Attributes:
        by_prefix, today: of all days, and of this one.
        by_day: of all prefixes.
    """

    by_prefix: dict[str, Figures] = field(default_factory=dict)
    today: dict[str, Figures] = field(default_factory=dict)
    by_day: dict[int, Figures] = field(default_factory=dict)

    def add(self, day: int, prefix: str, figures: Figures, today: int) -> None:
        """Count a row."""
        self.by_prefix[prefix] = self.by_prefix.get(prefix, _NOTHING) + figures
        self.by_day[day] = self.by_day.get(day, _NOTHING) + figures
        if day == today:
            self.today[prefix] = self.today.get(prefix, _NOTHING) + figures


class Totals:
    """Figures of all days together."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows: Final = rows
        self._clock: Final = clock
        self._since = -1
        self._over = Sums()

    def by_prefix(self) -> dict[str, Figures]:
        """What was counted until now."""
        return self.sums().by_prefix

    def sums(self) -> Sums:
        """The same, by day too."""
        today = day_of(self._clock.unix())
        since = today - 1
        if since != self._since:
            over = Sums()
            for day, prefix, figures in self._rows(0):
                if day < since:
                    over.add(day, prefix, figures, today)
            self._over, self._since = over, since
        found = Sums(dict(self._over.by_prefix), {}, dict(self._over.by_day))
        for day, prefix, figures in self._rows(since):
            found.add(day, prefix, figures, today)
        return found


class Progress:
    """How far a tree is, seen from its top."""

    def __init__(self, family: Family, clock: Clock) -> None:
        def rows(since: int) -> Iterable[tuple[int, str, Figures]]:
            for _, day, prefix, *numbers in family.rows(since):
                yield day, prefix, Figures(*numbers)

        self._family: Final = family
        self._totals: Final = Totals(rows, clock)
        self._clock: Final = clock

    def by_prefix(self) -> dict[str, Figures]:
        """What the tree has counted, each where the identifiers live."""
        return self._totals.by_prefix()

    def target(self) -> Target:
        """Where the tree is, and when it will be there: what ``told`` tells, for the metrics."""
        sums = self._totals.sums()
        found = sum(sums.by_day.values(), _NOTHING)
        rate, average = self.rates(sums)
        return Target(
            TARGET, found.requests, found.successes, remaining_s(found.requests, rate, average)
        )

    def told(self) -> dict[str, Any]:
        """What the tree has counted, for the control plane.

        Returns:
            ``requests`` and ``successes`` in all; ``rate``, requests a second in the last minutes,
            and ``average``, of today so far; ``days``: [day, requests, successes], and ``today``,
            which of them that is; ``below``: [prefix, requests, successes, requests today] by the
            prefixes one label below what the tree's top delegates.
        """
        sums = self._totals.sums()
        found = sum(sums.by_day.values(), _NOTHING)
        rate, average = self.rates(sums)
        zones = tuple(self._family.state.delegates)
        below: dict[str, list[int]] = {}
        for prefix, figures in sums.by_prefix.items():
            part = below.setdefault(_part_of(prefix, zones), [0, 0, 0])
            part[0] += figures.requests
            part[1] += figures.successes
            part[2] += sums.today.get(prefix, _NOTHING).requests
        days = sums.by_day
        return {
            "requests": found.requests,
            "successes": found.successes,
            "today": day_of(self._clock.unix()),
            "rate": rate,
            "average": average,
            "days": [
                [day, days[day].requests, days[day].successes] for day in sorted(days)[-MAX_DAYS:]
            ],
            "below": [[prefix, *below[prefix]] for prefix in sorted(below)],
        }

    def rates(self, sums: Sums) -> tuple[float, float]:
        """Requests a second: in the last minutes, and today on average."""
        unix = self._clock.unix()
        of_today = sums.by_day.get(day_of(unix), _NOTHING).requests
        return (
            self._family.pace.rate(self._clock.now()),
            of_today / max(1.0, second_of_day(unix)),
        )


def totals_of(ledger: Ledger, clock: Clock) -> Totals:
    """The figures of one store."""
    return Totals(ledger.figures, clock)


def _part_of(prefix: str, zones: Sequence[str]) -> str:
    """The prefix next below one of ``zones`` that ``prefix`` is, or is below."""
    for zone in zones:
        if prefix != fold(zone) and is_under(prefix, fold(zone)):
            labels = zone.count(".") + 1 if zone else 0
            return ".".join(prefix.split(".")[: labels + 1])
    return ELSEWHERE


_NOTHING: Final = Figures()
