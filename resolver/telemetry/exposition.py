"""One node's counters as Prometheus metrics, made when they are scraped.

Names: prefix ``wuhan_``, base units, ``_total`` for counters. Labels are bounded: operations and
response codes by their names, transports, cache classes; never identifiers or client addresses.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from resolver.__about__ import __version__
from resolver.model.codes import OpCode, ResponseCode
from resolver.telemetry.counters import BUCKETS, OTHER, Counters, Histogram


class CacheFigures(Protocol):
    """What a cache says about itself."""

    @property
    def entries(self) -> int:
        """Entries now."""

    @property
    def bytes(self) -> int:
        """Bytes counted against the budget."""

    @property
    def evictions(self) -> int:
        """Since the start."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a node's figures come from.

    Attributes:
        counters: of all processes of the node, read at the scrape like all others.
        caches: by class (``route``, ``leaf``), read at the scrape.
        records: number of records in the store.
        store_bytes: size of the store's file.
    """

    node: str
    role: str
    counters: Callable[[], Counters]
    caches: Callable[[], Mapping[str, CacheFigures]]
    records: Callable[[], int]
    store_bytes: Callable[[], int]


class NodeCollector(Collector):
    """Turns the counters of one node into metric families."""

    def __init__(self, sources: Sources) -> None:
        self._sources: Final = sources
        self._counters = Counters()

    def collect(self) -> Iterable[Metric]:
        """All families of the node, with their present values."""
        self._counters = self._sources.counters()
        yield from self._requests()
        yield from self._caches()
        yield from self._upstreams()
        yield from self._store()
        yield from self._rest()

    def _requests(self) -> Iterator[Metric]:
        source = self._sources
        requests = CounterMetricFamily(
            "wuhan_requests",
            "Requests answered, by operation, transport and response code",
            labels=("node", "role", "op", "transport", "code"),
        )
        for (op, transport, code), number in list(self._counters.requests.items()):
            labels = (source.node, source.role, _op_name(op), transport, _code_name(code))
            requests.add_metric(labels, number)
        yield requests
        durations = HistogramMetricFamily(
            "wuhan_request_duration_seconds",
            "Time from a whole request to its answer; path ready, local or forwarded",
            labels=("node", "role", "transport", "path"),
        )
        for (transport, path), histogram in list(self._counters.durations.items()):
            _add(durations, (source.node, source.role, transport, path), histogram)
        yield durations

    def _caches(self) -> Iterator[Metric]:
        source = self._sources
        lookups = CounterMetricFamily(
            "wuhan_cache_lookups",
            "Looks into a cache, by class and result",
            labels=("node", "class", "result"),
        )
        for (class_, result), number in list(self._counters.cache_lookups.items()):
            lookups.add_metric((source.node, class_, result), number)
        yield lookups
        entries = GaugeMetricFamily(
            "wuhan_cache_entries", "Entries in a cache", labels=("node", "class")
        )
        octets = GaugeMetricFamily(
            "wuhan_cache_bytes", "Bytes a cache counts against its budget", labels=("node", "class")
        )
        evictions = CounterMetricFamily(
            "wuhan_cache_evictions",
            "Entries that left a full cache before they expired",
            labels=("node", "class"),
        )
        for class_, statistics in source.caches().items():
            labels = (source.node, class_)
            entries.add_metric(labels, statistics.entries)
            octets.add_metric(labels, statistics.bytes)
            evictions.add_metric(labels, statistics.evictions)
        yield from (entries, octets, evictions)

    def _upstreams(self) -> Iterator[Metric]:
        source, counters = self._sources, self._counters
        requests = CounterMetricFamily(
            "wuhan_upstream_requests",
            "Requests sent to other nodes, by the outcome",
            labels=("node", "code"),
        )
        for code, number in list(counters.upstream_requests.items()):
            requests.add_metric((source.node, _code_name(code)), number)
        yield requests
        durations = HistogramMetricFamily(
            "wuhan_upstream_request_duration_seconds",
            "Time from sending a request to another node to its reply or failure",
            labels=("node",),
        )
        _add(durations, (source.node,), counters.upstream_durations)
        yield durations
        yield _gauge(
            source.node,
            "wuhan_upstream_in_flight",
            "Requests to other nodes without a reply yet",
            counters.upstream_in_flight,
        )

    def _store(self) -> Iterator[Metric]:
        source, counters = self._sources, self._counters
        records, octets = source.records(), source.store_bytes()
        yield _gauge(source.node, "wuhan_store_records", "Records in the node's store", records)
        yield _gauge(source.node, "wuhan_store_bytes", "Size of the node's store file", octets)
        commits = HistogramMetricFamily(
            "wuhan_store_commit_duration_seconds",
            "Time of a transaction that made changes durable, the disk's included",
            labels=("node",),
        )
        _add(commits, (source.node,), counters.commits)
        yield commits
        failures = CounterMetricFamily(
            "wuhan_store_write_failures",
            "Transactions that could not be written: disk full, read-only, damaged",
            labels=("node",),
        )
        failures.add_metric((source.node,), counters.write_failures)
        yield failures

    def _rest(self) -> Iterator[Metric]:
        source, counters = self._sources, self._counters
        coalesced = CounterMetricFamily(
            "wuhan_coalesced_requests",
            "Requests that joined a resolution already under way",
            labels=("node",),
        )
        coalesced.add_metric((source.node,), counters.coalesced)
        yield coalesced
        malformed = CounterMetricFamily(
            "wuhan_malformed_messages",
            "Messages and connections turned away, by transport and reason",
            labels=("node", "transport", "reason"),
        )
        for (transport, reason), number in list(counters.malformed.items()):
            malformed.add_metric((source.node, transport, reason), number)
        yield malformed
        shed = CounterMetricFamily(
            "wuhan_admission_rejected",
            "Requests turned away, or answers cut, so that others get theirs, by reason",
            labels=("node", "reason"),
        )
        for reason, number in list(counters.shed.items()):
            shed.add_metric((source.node, reason), number)
        yield shed
        build = GaugeMetricFamily(
            "wuhan_build_info",
            "Always 1; what runs here stands in the labels",
            labels=("node", "role", "version", "python"),
        )
        build.add_metric((source.node, source.role, __version__, platform.python_version()), 1)
        yield build


def registry_of(sources: Sources) -> CollectorRegistry:
    """A registry with the node's metrics and those of the process it lives in."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(sources))
    ProcessCollector(registry=registry)
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """The registry in Prometheus' text format."""
    return generate_latest(registry)


def _op_name(op: int) -> str:
    return OpCode(op).name.lower()


def _code_name(code: int | str) -> str:
    if isinstance(code, str):
        return code
    return "other" if code == OTHER else ResponseCode(code).name.lower()


def _gauge(node: str, name: str, text: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=("node",))
    gauge.add_metric((node,), value)
    return gauge


def _add(family: HistogramMetricFamily, labels: tuple[str, ...], histogram: Histogram) -> None:
    buckets, running = [], 0
    for bound, number in zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True):
        running += number
        buckets.append((bound, running))
    family.add_metric(labels, buckets, sum_value=histogram.total)
