"""One node's figures as rows of a page, made when somebody scrapes.

Rules: nothing is counted here. What a node is asked for at a scrape it must have at hand, or find
with a look into its store.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from resolver.__about__ import __version__
from resolver.model.codes import OpCode, ResponseCode
from resolver.telemetry import families as f
from resolver.telemetry.counters import OTHER, UNNAMED, Counters
from resolver.telemetry.exemplars import NONE, Exemplars
from resolver.telemetry.page import Family, Page
from resolver.telemetry.states import NodeStates, ProcessStates

NEVER: Final = float("inf")


class CacheFigures(Protocol):
    """What a cache says about itself."""

    @property
    def entries(self) -> int:
        """Entries now."""

    @property
    def bytes(self) -> int:
        """Bytes counted against the budget."""

    @property
    def budget(self) -> int:
        """What it may take."""

    @property
    def evictions(self) -> int:
        """Since the start."""


class PrefixFigures(Protocol):
    """What was counted under a prefix, over restarts."""

    @property
    def requests(self) -> int:
        """Resolutions asked for."""

    @property
    def successes(self) -> int:
        """Those that found something."""

    @property
    def created(self) -> int:
        """Records made."""

    @property
    def deleted(self) -> int:
        """Records deleted."""


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """A node's store: records, octets of its file, number of the last entry of the journal; of the
    disk it is on, octets free and in all (0 and 0 if it is on none)."""

    records: int
    octets: int
    journal: int
    disk_free: int = 0
    disk_size: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """How far the network is: resolutions it is to reach, those so far, those that found something,
    and the seconds left at the present rate (infinite if there is none)."""

    resolutions: int
    requests: int
    successes: int
    remaining_s: float


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a node's figures come from; all are read at the scrape.

    Attributes:
        process: the name of the process that the node lives in.
        counters: of all processes of the node.
        caches: by class (``route``, ``leaf``).
        states: of all processes of the node.
        store: its figures; None if they cannot be read, here and in the next.
        figures: by prefix.
        prefixes: those that may be labels; the others count together.
        target: how far the network is; None but at its top.
        exemplars: of the durations of requests.
    """

    node: str
    role: str
    counters: Callable[[], Counters]
    caches: Callable[[], Mapping[str, CacheFigures]]
    store: Callable[[], StoreFigures | None]
    process: str = ""
    states: Callable[[], NodeStates] = NodeStates
    figures: Callable[[], Mapping[str, PrefixFigures] | None] = dict
    prefixes: Callable[[], frozenset[str]] = frozenset
    target: Callable[[], Target | None] = lambda: None
    exemplars: Exemplars | None = None


@dataclass(slots=True)
class NodeFigures:
    """Writes the figures of one node on a page."""

    sources: Sources
    _owner: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._owner = {"node": self.sources.node, "role": self.sources.role}

    def write(self, page: Page) -> None:
        """All rows of the node, with their present values."""
        counters = self.sources.counters()
        self._requests(page, counters)
        self._caches(page, counters)
        self._upstreams(page, counters)
        self._store(page, counters)
        self._prefixes(page)
        self._rest(page, counters)

    def _add(self, page: Page, family: Family, number: float, *values: str) -> None:
        page.add(family, self._owner, values, number)

    def _requests(self, page: Page, counters: Counters) -> None:
        owner = self._owner
        for (op, transport, code), number in list(counters.requests.items()):
            self._add(page, f.REQUESTS, number, _op_name(op), transport, _code_name(code))
        for labels, histogram in list(counters.durations.items()):
            known = self.sources.exemplars
            exemplars = NONE if known is None else known.of(labels)
            page.add_histogram(f.REQUEST_DURATION, owner, labels, histogram, exemplars)
        self._add(page, f.COALESCED, counters.coalesced)
        self._add(page, f.RUNNING, counters.running)
        for labels, number in list(counters.malformed.items()):
            page.add(f.MALFORMED, owner, labels, number)
        for reason, number in list(counters.shed.items()):
            self._add(page, f.REJECTED, number, reason)
        for labels, number in list(counters.auth.items()):
            page.add(f.AUTH, owner, labels, number)

    def _caches(self, page: Page, counters: Counters) -> None:
        for labels, number in list(counters.cache_lookups.items()):
            page.add(f.CACHE_LOOKUPS, self._owner, labels, number)
        for class_, statistics in self.sources.caches().items():
            self._add(page, f.CACHE_ENTRIES, statistics.entries, class_)
            self._add(page, f.CACHE_BYTES, statistics.bytes, class_)
            self._add(page, f.CACHE_BUDGET, statistics.budget, class_)
            self._add(page, f.CACHE_EVICTIONS, statistics.evictions, class_)

    def _upstreams(self, page: Page, counters: Counters) -> None:
        for (upstream, code), number in list(counters.upstream_requests.items()):
            self._add(page, f.UPSTREAM_REQUESTS, number, upstream, _code_name(code))
        for upstream, histogram in list(counters.upstream_durations.items()):
            page.add_histogram(f.UPSTREAM_DURATION, self._owner, (upstream,), histogram)
        for labels, number in list(counters.upstream_retries.items()):
            page.add(f.UPSTREAM_RETRIES, self._owner, labels, number)

    def _store(self, page: Page, counters: Counters) -> None:
        store = self.sources.store()
        if store is not None:
            self._add(page, f.STORE_RECORDS, store.records)
            self._add(page, f.STORE_BYTES, store.octets)
            self._add(page, f.JOURNAL, store.journal)
        if store is not None and store.disk_size:
            self._add(page, f.DISK_FREE, store.disk_free)
            self._add(page, f.DISK_SIZE, store.disk_size)
        self._add(page, f.STORE_COMMITS, sum(counters.fsyncs.counts))
        self._add(page, f.STORE_FAILURES, counters.write_failures)
        page.add_histogram(f.STORE_FSYNC, self._owner, (), counters.fsyncs)
        page.add_histogram(f.STORE_COMMIT, self._owner, (), counters.commits)

    def _prefixes(self, page: Page) -> None:
        """Those that may be labels, and all the others together."""
        named = self.sources.prefixes()
        totals: dict[str, list[int]] = {}
        for prefix, found in (self.sources.figures() or {}).items():
            counts = (found.requests, found.successes, found.created, found.deleted)
            total = totals.setdefault(prefix if prefix in named else UNNAMED, [0, 0, 0, 0])
            for number, count in enumerate(counts):
                total[number] += count
        for prefix, (requests, successes, created, deleted) in totals.items():
            self._add(page, f.RESOLUTIONS, requests, prefix)
            self._add(page, f.RESOLUTIONS_SUCCESS, successes, prefix)
            if created or deleted:
                self._add(page, f.REGISTRATIONS, created, prefix, "create")
                self._add(page, f.REGISTRATIONS, deleted, prefix, "delete")
        target = self.sources.target()
        if target is not None:
            self._add(page, f.TARGET, target.resolutions)
            self._add(page, f.TARGET_REQUESTS, target.requests)
            self._add(page, f.TARGET_SUCCESSES, target.successes)
            self._add(page, f.TARGET_REMAINING, target.remaining_s)

    def _rest(self, page: Page, counters: Counters) -> None:
        states = self.sources.states()
        for name, upstream in states.upstreams.items():
            self._add(page, f.UPSTREAM_IN_FLIGHT, upstream.in_flight, name)
            self._add(page, f.UPSTREAM_BREAKER, upstream.breaker, name)
            if upstream.rtt_s:
                self._add(page, f.UPSTREAM_RTT, upstream.rtt_s, name)
        for kind, number in states.sessions.items():
            self._add(page, f.SESSIONS, number, kind)
        for child, age in states.heard.items():
            self._add(page, f.HEARTBEAT_AGE, NEVER if age is None else age, child)
        if states.sync_lag_s is not None:
            self._add(page, f.ROUTE_SYNC_LAG, states.sync_lag_s)
        self._add(page, f.BUILD, 1, self.sources.process, __version__, platform.python_version())


def write_process(page: Page, name: str, states: ProcessStates) -> None:
    """The rows of a process on a page."""
    owner = {"process": name}
    for family, number in (
        (f.CPU, states.cpu_s),
        (f.RESIDENT, states.resident),
        (f.VIRTUAL, states.virtual),
        (f.OPEN_FILES, states.open_files),
        (f.MOST_FILES, states.most_files),
        (f.THREADS, states.threads),
        (f.STARTED, states.started_at),
    ):
        page.add(family, owner, (), number)
    for generation, (collections, collected, lost) in enumerate(states.gc):
        values = (str(generation),)
        page.add(f.GC_COLLECTIONS, owner, values, collections)
        page.add(f.GC_COLLECTED, owner, values, collected)
        page.add(f.GC_UNCOLLECTABLE, owner, values, lost)
    page.add_histogram(f.LOOP_LAG, owner, (), states.loop_lag)


def _op_name(op: int) -> str:
    return UNNAMED if op == OTHER else OpCode(op).name.lower()


def _code_name(code: int | str) -> str:
    if isinstance(code, str):
        return code
    return UNNAMED if code == OTHER else ResponseCode(code).name.lower()
