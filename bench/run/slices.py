"""Slices: what happened in about a second of a run, as Locust and the nodes told it.

Rule: times are seconds since the load began. What a slice does not know it leaves out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.histogram import Histogram, merged


@dataclass(slots=True)
class Tally:
    """The answers to one client application, or several.

    Attributes:
        us: histogram of the latencies of right answers, in microseconds.
        codes: response code → answers.
        failures: reason → answers that were wrong or missing.
    """

    us: Counter[int] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    octets: int = 0

    @property
    def answers(self) -> int:
        """Right ones."""
        return self.us.total()

    @property
    def failed(self) -> int:
        """Wrong or missing ones."""
        return self.failures.total()

    def add(self, series: Mapping[str, Any]) -> None:
        """Add what a line of figures says (``bench.users.feed``)."""
        self.us.update({int(lower): count for lower, count in series["us"].items()})
        self.codes.update({int(code): count for code, count in series["codes"].items()})
        self.failures.update(series["failures"])
        self.octets += series["octets"]


def together(tallies: Iterable[Tally]) -> Tally:
    """All of them."""
    tallies = list(tallies)
    total = Tally(us=merged(tally.us for tally in tallies))
    for tally in tallies:
        total.codes.update(tally.codes)
        total.failures.update(tally.failures)
        total.octets += tally.octets
    return total


@dataclass(slots=True)
class Slice:
    """About a second.

    Attributes:
        start, seconds: when, and how long.
        clients: name of the client application → its answers.
        offered: answers a second that the workload meant for this time; 0 in a closed loop.
        cpu: name of a process → seconds of CPU.
        lookups: class of the recursive node's cache → (hits, misses).
    """

    start: float
    seconds: float
    clients: dict[str, Tally] = field(default_factory=dict)
    offered: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    lookups: dict[str, tuple[float, float]] = field(default_factory=dict)

    def absorb(self, later: "Slice") -> None:
        """Make what happened right after this slice a part of it."""
        self.seconds += later.seconds
        for name, tally in later.clients.items():
            self.clients[name] = together([self.clients.get(name, Tally()), tally])
        for name, seconds in later.cpu.items():
            self.cpu[name] = self.cpu.get(name, 0.0) + seconds
        for name, (hits, misses) in later.lookups.items():
            old_hits, old_misses = self.lookups.get(name, (0.0, 0.0))
            self.lookups[name] = (old_hits + hits, old_misses + misses)

    def total(self) -> Tally:
        """Of all clients."""
        return together(self.clients.values())

    def answers(self) -> int:
        """Right ones, of all clients."""
        return sum(tally.answers for tally in self.clients.values())

    def latencies(self) -> Histogram:
        """Of all clients."""
        return merged(tally.us for tally in self.clients.values())
