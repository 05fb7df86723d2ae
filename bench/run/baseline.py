"""This run beside an earlier one: CPU for an answer, and hit ratios, with confidence intervals.

Rates and latencies of two machines, or of one on two days, do not compare; what an answer costs in
CPU does, as far as the processor is the same, and hit ratios do anywhere. Both are ratios of sums
over slices; their errors come from how much the slices differ (the delta method for a ratio of
sums), and the interval of the quotient of two runs from both. Slices are taken as independent,
which is generous for short runs.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from resolver.model.errors import ConfigError

CONFIDENCE: Final = 0.95
_Z: Final = 1.96
_FEWEST: Final = 4
"""Slices of a run that can be compared."""

_LATEST_FORMAT: Final = 1

Pair = tuple[float, float]
"""Numerator and denominator of one slice."""


def load_baseline(path: Path) -> dict[str, Any]:
    """The document of an earlier run.

    Raises:
        ConfigError: the file is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}: no report of a run ({error})") from None
    if not isinstance(found, dict) or "slices" not in found or "format" not in found:
        raise ConfigError(f"{path}: no report of a run; take the report.json of an earlier one")
    if found["format"] != _LATEST_FORMAT:
        raise ConfigError(f"{path}: of the format {found['format']}, which is not known here")
    return found


def compare(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The comparison of two documents, for the newer one.

    Each row has both figures, their quotient (CPU) or difference (hits) as ``change``, its interval
    ``least`` to ``most``, all in percent, and a verdict: ``more``, ``less`` or ``the same``, which
    is what an interval that holds 0 is called.
    """
    roles = [role for role in now["cpu_us"] if role in before["cpu_us"]]
    rows = [_quotient(f"cpu {role}", _cpu(before, role), _cpu(now, role)) for role in roles]
    rows += [
        _difference(f"hits {kind}", _hits(before, kind), _hits(now, kind))
        for kind in ("route", "leaf")
    ]
    same_workload = now["workload"] == before["workload"]
    return {
        "started": before["started"],
        "wuhan": before["wuhan"],
        "machine": before["machine"],
        "confidence": CONFIDENCE,
        "same_machine": now["machine"] == before["machine"],
        "same_workload": same_workload,
        "rows": [row for row in rows if row],
    }


def cpu_change(comparison: dict[str, Any] | None) -> float | None:
    """How much more CPU an answer costs than in the baseline, in percent."""
    rows = comparison["rows"] if comparison else []
    return next((row["change"] for row in rows if row["what"] == "cpu all"), None)


def ratio_of_sums(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Sum of numerators over sum of denominators, and the standard error of that."""
    above, below = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    ratio, n = above / below, len(pairs)
    squares = sum((a - ratio * b) ** 2 for a, b in pairs)
    return ratio, math.sqrt(squares * n / (n - 1)) / below


def _quotient(what: str, before: list[Pair], now: list[Pair]) -> dict[str, Any] | None:
    if not _enough(before) or not _enough(now):
        return None
    (old, old_error), (new, new_error) = ratio_of_sums(before), ratio_of_sums(now)
    if not old or not new:
        return None
    spread = _width(before, now) * math.hypot(old_error / old, new_error / new)
    quotient = new / old
    least, most = quotient * math.exp(-spread), quotient * math.exp(spread)
    changes = ((value - 1) * 100 for value in (quotient, least, most))
    return _row(what, old * 1e6, new * 1e6, *changes)


def _difference(what: str, before: list[Pair], now: list[Pair]) -> dict[str, Any] | None:
    if not _enough(before) or not _enough(now):
        return None
    (old, old_error), (new, new_error) = ratio_of_sums(before), ratio_of_sums(now)
    spread = _width(before, now) * math.hypot(old_error, new_error)
    change = new - old
    changes = (value * 100 for value in (change, change - spread, change + spread))
    return _row(what, old * 100, new * 100, *changes)


def _width(before: Sequence[Pair], now: Sequence[Pair]) -> float:
    """Standard errors on each side of an interval: Student's t by its expansion about the normal
    distribution, with the degrees of freedom of the shorter run."""
    z, free = _Z, min(len(before), len(now)) - 1
    first = (z**3 + z) / 4 / free
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / 96 / free**2


def _row(
    what: str, before: float, now: float, change: float, least: float, most: float
) -> dict[str, Any]:
    verdict = "more" if least > 0 else "less" if most < 0 else "the same"
    return {
        "what": what,
        "before": before,
        "now": now,
        "change": change,
        "least": least,
        "most": most,
        "verdict": verdict,
    }


def _enough(pairs: list[Pair]) -> bool:
    return len(pairs) >= _FEWEST and sum(below for _, below in pairs) > 0


def _cpu(document: dict[str, Any], role: str) -> list[Pair]:
    """CPU seconds and answers of each slice."""
    return [
        (
            sum(part["cpu"].values()) - part["cpu"].get("load", 0.0)
            if role == "all"
            else part["cpu"].get(role, 0.0),
            part["answers"],
        )
        for part in document["slices"]
    ]


def _hits(document: dict[str, Any], kind: str) -> list[Pair]:
    """Hits and looks of each slice."""
    found = [part["lookups"].get(kind, (0.0, 0.0)) for part in document["slices"]]
    return [(hits, hits + misses) for hits, misses in found]
