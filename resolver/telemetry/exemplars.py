"""Exemplars: with each bucket of a histogram of durations, the trace of one request that fell into
it, the latest.

Rule: only requests that are recorded in a trace leave any, so where none is recorded there is
nothing here.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final, NamedTuple

from resolver.telemetry.counters import BUCKETS

NONE: Final[Mapping[int, "Exemplar"]] = {}


class Exemplar(NamedTuple):
    """One request: the id of its trace, its duration, and the unix time when it was answered."""

    trace: str
    seconds: float
    unix: float


class Exemplars:
    """Those of one process of a node, by door and path as in ``Counters.durations``."""

    def __init__(self) -> None:
        self._by_labels: Final[dict[tuple[str, str], dict[int, Exemplar]]] = {}

    def note(self, transport: str, path: str, exemplar: Exemplar) -> None:
        """Remember this one."""
        buckets = self._by_labels.setdefault((transport, path), {})
        buckets[bisect_left(BUCKETS, exemplar.seconds)] = exemplar

    def of(self, labels: tuple[str, str]) -> Mapping[int, Exemplar]:
        """By number of the bucket."""
        return self._by_labels.get(labels, NONE)
