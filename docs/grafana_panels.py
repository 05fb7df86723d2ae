"""What a dashboard of Grafana consists of here, and the expressions that come again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NET: Final = 'network=~"$network"'
ROLE: Final = f'{NET}, role="$role"'
NODE: Final = f'{NET}, node=~"$node"'
ERRORS: Final = 'code=~"error|server_busy|recursion_too_high"'

Query = tuple[str, str]
"""An expression, and what its rows are called."""


@dataclass(frozen=True, slots=True)
class P:
    """A panel: a graph over time, or the present value if it is ``now``."""

    title: str
    unit: str
    queries: Sequence[Query]
    text: str = ""
    now: bool = False
    span: int = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """What can be chosen at the top of a dashboard."""

    name: str
    label: str
    query: str
    several: bool


NETWORK: Final = Variable("network", "Network", "label_values(wuhan_build_info, network)", True)
TIER: Final = Variable(
    "role", "Tier", 'label_values(wuhan_build_info{network=~"$network"}, role)', False
)
NODES: Final = Variable(
    "node", "Node", 'label_values(wuhan_build_info{network=~"$network"}, node)', True
)
ONE_NODE: Final = Variable("node", "Node", NODES.query, False)


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels, each with its title."""

    uid: str
    title: str
    text: str
    variables: Sequence[Variable]
    rows: Sequence[tuple[str, Sequence[P]]]


def rate(metric: str, where: str, by: str = "") -> str:
    """Per second, added up."""
    total = f"sum by ({by})" if by else "sum"
    return f"{total} (rate({metric}{{{where}}}[$__rate_interval]))"


def quantile(q: float, metric: str, where: str, by: str = "") -> str:
    """Of a histogram."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', where, labels)})"


def ratio(part: str, whole: str) -> str:
    """One sum as a share of another."""
    return f"{part} / {whole}"


def or_none(expression: str) -> str:
    """0 where nothing of the kind was ever counted."""
    return f"({expression}) or vector(0)"


LATENCY: Final = "wuhan_request_duration_seconds"
LEAF: Final = 'class=~"leaf|negative"'
