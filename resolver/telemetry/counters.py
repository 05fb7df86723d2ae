"""Plain counters of one node.

Rules: counting is an addition to an int; nothing here formats, locks or allocates on the way of a
request that was seen before. ``exposition`` turns the counters into metrics when somebody scrapes.
What upstreams are called is their business who ask them; there must not be many names.
"""

from bisect import bisect_left
from typing import Final

from resolver.model.codes import OpCode, ResponseCode

BUCKETS: Final = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds, in seconds, of the latency histograms: 10 µs to 10 s."""

OTHER: Final = -1
"""Stands for every response code that is not of the protocol: a foreign server can send four
billion of them, and each would be a counter and a label."""

UNNAMED: Final = "other"
"""Stands for every upstream and prefix that the topology does not name."""

_KNOWN: Final = frozenset(map(int, ResponseCode))
_RESOLVE: Final = int(OpCode.RESOLVE)
_SUCCESS: Final = int(ResponseCode.SUCCESS)
_OPERATIONS: Final = frozenset(map(int, OpCode))


class Histogram:
    """Durations by bucket; the last bucket is for what is longer than all bounds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts: list[int] = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def observe_all(self, number: int, seconds: float) -> None:
        """Count so many durations, all the same."""
        self.counts[bisect_left(BUCKETS, seconds)] += number
        self.total += number * seconds


class Counters:
    """Everything one node counts.

    Attributes:
        requests: (operation, transport, response code) → number; ``OTHER`` in place of either code.
        durations: (transport, path) → histogram; the path is ``ready`` (repeated), ``local``
            (answered here, at once) or ``forwarded`` (others had to be asked).
        cache_lookups: (class, result) → number.
        upstream_requests: (upstream, response code, ``OTHER``, ``"timeout"`` or ``"error"``) →
            number.
        upstream_durations: upstream → of exchanges with it.
        upstream_retries: (upstream, reason) → requests sent once more: their answer was ``late``,
            or the first way has ``failed``.
        coalesced: requests that joined a resolution already under way.
        running: resolutions and changes under way now.
        malformed: (transport, reason) → number.
        shed: reason → number of requests turned away, or answers cut, so that others get theirs.
        auth: (kind of proof, result) → number.
        commits: durations of the transactions that made changes durable.
        fsyncs: of these and all others, the time the disk took.
        write_failures: transactions that could not be written.
    """

    def __init__(self) -> None:
        self.requests: dict[tuple[int, str, int], int] = {}
        self.durations: dict[tuple[str, str], Histogram] = {}
        self.cache_lookups: dict[tuple[str, str], int] = {}
        self.upstream_requests: dict[tuple[str, int | str], int] = {}
        self.upstream_durations: dict[str, Histogram] = {}
        self.upstream_retries: dict[tuple[str, str], int] = {}
        self.coalesced = 0
        self.running = 0
        self.malformed: dict[tuple[str, str], int] = {}
        self.shed: dict[str, int] = {}
        self.auth: dict[tuple[str, str], int] = {}
        self.commits = Histogram()
        self.fsyncs = Histogram()
        self.write_failures = 0

    def request(self, operation: int, transport: str, code: int, path: str, seconds: float) -> None:
        """Count one answered request."""
        if operation not in _OPERATIONS:
            operation = OTHER
        key = (operation, transport, code if code in _KNOWN else OTHER)
        self.requests[key] = self.requests.get(key, 0) + 1
        histogram = self.durations.get((transport, path))
        if histogram is None:
            histogram = self.durations[transport, path] = Histogram()
        histogram.observe(seconds)

    def ready(self, transport: str, number: int, cached: int, seconds: float) -> None:
        """Count ready answers that went out together; ``cached`` of them from the cache."""
        key = (_RESOLVE, transport, _SUCCESS)
        self.requests[key] = self.requests.get(key, 0) + number
        histogram = self.durations.get((transport, "ready"))
        if histogram is None:
            histogram = self.durations[transport, "ready"] = Histogram()
        histogram.observe_all(number, seconds)
        if cached:
            self.cache_lookups["leaf", "hit"] = self.cache_lookups.get(("leaf", "hit"), 0) + cached

    def cache_lookup(self, class_: str, result: str) -> None:
        """Count one look into a cache: class ``route``, ``leaf`` or ``negative``."""
        key = (class_, result)
        self.cache_lookups[key] = self.cache_lookups.get(key, 0) + 1

    def upstream_finished(self, upstream: str, code: int | str, seconds: float) -> None:
        """An exchange ended with a response code, ``timeout`` or ``error``."""
        key = (upstream, code if isinstance(code, str) or code in _KNOWN else OTHER)
        self.upstream_requests[key] = self.upstream_requests.get(key, 0) + 1
        histogram = self.upstream_durations.get(upstream)
        if histogram is None:
            histogram = self.upstream_durations[upstream] = Histogram()
        histogram.observe(seconds)

    def upstream_retried(self, upstream: str, reason: str) -> None:
        """A request went out once more, for a reason of ``upstream_retries``."""
        key = (upstream, reason)
        self.upstream_retries[key] = self.upstream_retries.get(key, 0) + 1

    def proof(self, kind: str, result: str) -> None:
        """Somebody proved who they are, or did not."""
        key = (kind, result)
        self.auth[key] = self.auth.get(key, 0) + 1

    def rejected(self, transport: str, reason: str) -> None:
        """Count a message or connection that was turned away."""
        key = (transport, reason)
        self.malformed[key] = self.malformed.get(key, 0) + 1
