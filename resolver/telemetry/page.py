"""A page of metrics in Prometheus' text format 0.0.4, made when somebody scrapes.

Rules: a page holds each family once, with the rows of all nodes below it, so that pages can be put
together. A row costs a microsecond: a network of 115 nodes has some 20,000, and the client library,
which makes objects of them first, takes ten times as long.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from resolver.telemetry.counters import BUCKETS, Histogram

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"

_BOUNDS: Final = tuple(f'le="{bound}"' for bound in (*BUCKETS, "+Inf"))
_HEAD: Final = b"# HELP "
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


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
    _starts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_starts", tuple(f',{label}="' for label in self.labels))

    def pairs(self, owner: str, values: Iterable[str]) -> str:
        """The labels of a row: those of its owner (``labels_of``), and the family's own."""
        pairs = owner
        for start, value in zip(self._starts, values, strict=True):
            pairs += start + value.translate(_ESCAPES) + '"'
        return pairs


class Page:
    """What one scrape gets."""

    def __init__(self) -> None:
        self._rows: Final[dict[str, list[str]]] = {}

    def add(self, family: Family, owner: str, values: Iterable[str], number: float) -> None:
        """A row of a counter or a gauge."""
        told = repr(number) if isinstance(number, int) else _told(number)
        self._of(family).append(f"{family.name}{{{family.pairs(owner, values)}}} {told}\n")

    def add_histogram(
        self, family: Family, owner: str, values: Iterable[str], histogram: Histogram
    ) -> None:
        """The rows of a histogram."""
        rows, pairs = self._of(family), family.pairs(owner, values)
        start, running = f"{family.name}_bucket{{{pairs},", 0
        for bound, number in zip(_BOUNDS, histogram.counts, strict=True):
            running += number
            rows.append(f"{start}{bound}}} {running}\n")
        rows.append(f"{family.name}_count{{{pairs}}} {running}\n")
        rows.append(f"{family.name}_sum{{{pairs}}} {_told(histogram.total)}\n")

    def octets(self) -> bytes:
        """The page."""
        return "".join("".join(rows) for rows in self._rows.values()).encode()

    def _of(self, family: Family) -> list[str]:
        rows = self._rows.get(family.name)
        if rows is None:
            head = f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.kind}\n"
            rows = self._rows[family.name] = [head]
        return rows


def labels_of(**labels: str) -> str:
    """The labels that all rows of a node or a process have."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())


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


def _told(number: float) -> str:
    if number == float("inf"):
        return "+Inf"
    return repr(number)
