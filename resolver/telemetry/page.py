"""A page of metrics in Prometheus' text format, or in OpenMetrics', made when somebody scrapes.

Rules: a page holds each family once, with the rows of all nodes below it, so that pages can be put
together. The client library writes it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_open
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as WrittenExemplar
from prometheus_client.samples import Sample, Timestamp

from resolver.telemetry.counters import BUCKETS, Histogram
from resolver.telemetry.exemplars import NONE, Exemplar

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"

_BOUNDS: Final = tuple(str(bound) for bound in (*BUCKETS, "+Inf"))
_HEAD: Final = b"# HELP "
_OPEN: Final = cast(Callable[[CollectorRegistry], bytes], generate_open)
"""The library's function, which has no types."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: as it stands in samples, ``_total`` and all; of a histogram without its suffixes.
        labels: of each row, besides those of the node or the process.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()


class Page(Collector):
    """What one scrape gets."""

    def __init__(self, *, is_open: bool = False) -> None:
        """``is_open``: in the format of OpenMetrics, which has exemplars."""
        self._is_open: Final = is_open
        self._metrics: Final[dict[str, Metric]] = {}

    def add(
        self, family: Family, owner: Mapping[str, str], values: Iterable[str], number: float
    ) -> None:
        """A row of a counter or a gauge; ``owner``: the labels of the node or the process."""
        labels = {**owner, **dict(zip(family.labels, values, strict=True))}
        self._of(family).samples.append(Sample(family.name, labels, number))

    def add_histogram(
        self,
        family: Family,
        owner: Mapping[str, str],
        values: Iterable[str],
        histogram: Histogram,
        exemplars: Mapping[int, Exemplar] = NONE,
    ) -> None:
        """The rows of a histogram, with ``exemplars`` by number of the bucket."""
        labels = {**owner, **dict(zip(family.labels, values, strict=True))}
        samples, running = self._of(family).samples, 0
        for bucket, (bound, number) in enumerate(zip(_BOUNDS, histogram.counts, strict=True)):
            running += number
            found = exemplars.get(bucket) if self._is_open else None
            samples.append(
                Sample(
                    f"{family.name}_bucket",
                    {**labels, "le": bound},
                    running,
                    exemplar=None if found is None else _written(found),
                )
            )
        samples.append(Sample(f"{family.name}_count", labels, running))
        samples.append(Sample(f"{family.name}_sum", labels, histogram.total))

    def collect(self) -> Iterator[Metric]:
        """See the client library."""
        yield from self._metrics.values()

    def octets(self) -> bytes:
        """The page."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return _OPEN(registry) if self._is_open else generate_latest(registry)

    def _of(self, family: Family) -> Metric:
        metric = self._metrics.get(family.name)
        if metric is None:
            # The library puts the suffix of a counter behind the name by itself.
            name = family.name.removesuffix("_total") if family.kind == COUNTER else family.name
            metric = self._metrics[family.name] = Metric(name, family.text, family.kind)
        return metric


def _written(exemplar: Exemplar) -> WrittenExemplar:
    labels = {"trace_id": exemplar.trace}
    seconds, rest = divmod(exemplar.unix, 1)
    return WrittenExemplar(labels, exemplar.seconds, Timestamp(int(seconds), int(rest * 1e9)))


def merged(pages: Iterable[bytes]) -> bytes:
    """Several pages as one, each family once."""
    found: dict[bytes, list[bytes]] = {}
    for page in pages:
        for family in page.split(_HEAD)[1:]:
            name, _, rest = family.partition(b" ")
            rows = found.get(name)
            if rows is None:
                found[name] = [_HEAD, family]
            else:
                # The first line is the rest of the help, the second is the type.
                rows.append(rest.split(b"\n", 2)[2])
    return b"".join(b"".join(rows) for rows in found.values())
