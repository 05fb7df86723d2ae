"""Thresholds: what a run must keep, as expressions.

``metric{scope} operator value``: ``p99<10ms``, ``errors<0.1%``, ``rate>20000``,
``p95{web}<20ms``, ``cpu{recursive}<40us``, ``hits{leaf}>90%``. The scope is a client's name, its
tier or its transport; for ``cpu`` a role of nodes, for ``hits`` a class of the cache.

Rule: whatever is no threshold is a ConfigError that says what is known.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from resolver.model.errors import ConfigError
from resolver.topology.nearest import did_you_mean

_FORM: Final = re.compile(
    r"\s*([A-Za-z_]+)([0-9.]*)\s*(?:\{\s*([^}]*?)\s*\})?\s*(<=|>=|<|>)\s*"
    r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ%/]*)\s*"
)
_EXAMPLES: Final = "p99<10ms, errors<0.1%, rate>20000, p95{web}<20ms, cpu{recursive}<40us"

_TIMES: Final = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1000.0}
_MICROSECONDS: Final = {"us": 1.0, "µs": 1.0, "ms": 1000.0}
_SHARES: Final = {"%": 1.0}
_COUNTS: Final = {"": 1.0, "/s": 1.0}
_WHOLE: Final = {"": 1.0}

OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

CLIENTS: Final = "clients"
ROLES: Final = ("root", "top-level", "secondary", "enterprise", "recursive")
CLASSES: Final = ("route", "leaf")


@dataclass(frozen=True, slots=True)
class Metric:
    """What a threshold may be about.

    Attributes:
        units: unit → factor to the metric's own unit, which is the one of factor 1.
        scopes: what may stand in braces: names, ``CLIENTS`` for those of the workload, or none.
    """

    text: str
    units: Mapping[str, float]
    scopes: str | tuple[str, ...] = CLIENTS


METRICS: Final = {
    "p": Metric("a percentile of latency, p50 or p99.9", _TIMES),
    "mean": Metric("mean latency", _TIMES),
    "max": Metric("longest latency", _TIMES),
    "errors": Metric("share of answers that were wrong or missing", _SHARES),
    "failures": Metric("number of answers that were wrong or missing", _WHOLE),
    "rate": Metric("right answers a second", _COUNTS),
    "answers": Metric("right answers", _WHOLE),
    "hits": Metric("hit ratio of the recursive node's cache", _SHARES, CLASSES),
    "cpu": Metric("CPU of the nodes for an answer", _MICROSECONDS, ROLES),
    "cpu_change": Metric("CPU for an answer, more than the baseline's", _SHARES, ()),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """One of them.

    Attributes:
        text: as it was given.
        share: of a percentile, 0 to 1.
        bound: in the metric's own unit.
    """

    text: str
    metric: str
    scope: str
    operator: str
    bound: float
    unit: str
    share: float = 0.0

    def is_met(self, value: float | None) -> bool:
        """Whether ``value`` keeps it; a figure that there is none of does not."""
        return value is not None and OPERATORS[self.operator](value, self.bound)

    def verdict(self, value: float | None) -> dict[str, Any]:
        """For the document."""
        return {
            "threshold": self.text,
            "metric": self.metric + (f"{self.share * 100:g}" if self.metric == "p" else ""),
            "scope": self.scope,
            "value": value,
            "bound": self.bound,
            "unit": self.unit,
            "met": self.is_met(value),
        }


def parse_thresholds(texts: Iterable[str], clients: Iterable[str]) -> tuple[Threshold, ...]:
    """The thresholds in ``texts``, each of which may hold several with commas between them.

    Args:
        clients: names, tiers and transports of the workload.

    Raises:
        ConfigError: one is none.
    """
    known = sorted(set(filter(None, clients)))
    parts = [part for text in texts for part in text.split(",") if part.strip()]
    return tuple(_parse(part.strip(), known) for part in parts)


def _parse(text: str, clients: list[str]) -> Threshold:
    found = _FORM.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is no threshold; thresholds look like {_EXAMPLES}")
    name, number, scope, sign, value, unit = found.groups()
    scope = scope or ""
    metric = METRICS.get(name)
    if metric is None or bool(number) != (name == "p"):
        given = name + number
        words = [*METRICS, "p50", "p90", "p95", "p99"]
        words.remove("p")
        raise ConfigError(
            f"{text!r}: there is no metric {given!r}{did_you_mean(given, words)}; known are "
            f"p50 to p99.99, {', '.join(word for word in METRICS if word != 'p')}"
        )
    share = _share(text, number) if name == "p" else 0.0
    if unit not in metric.units:
        wanted = " or ".join(unit or "no unit" for unit in metric.units)
        raise ConfigError(f"{text!r}: {metric.text} takes {wanted}, not {unit or 'no unit'!r}")
    scopes = clients if metric.scopes == CLIENTS else list(metric.scopes)
    if scope and scope not in scopes:
        tells = f"known are {', '.join(scopes)}" if scopes else "it has none"
        raise ConfigError(
            f"{text!r}: {name} has no scope {scope!r}{did_you_mean(scope, scopes)}; {tells}"
        )
    own = next(unit for unit, factor in metric.units.items() if factor == 1.0)
    return Threshold(text, name, scope, sign, float(value) * metric.units[unit], own, share)


def _share(text: str, number: str) -> float:
    try:
        share = float(number) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ConfigError(f"{text!r}: p{number} is no percentile; p50, p99 and p99.9 are")
    return share
