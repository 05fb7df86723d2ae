"""What came of a run, as one document: what ``--json`` prints and ``report.json`` holds.

Its keys are stable. Latencies are milliseconds, CPU microseconds for an answer, ratios percent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bench.histogram import mean, middle, percentile
from bench.machine import machine_line
from bench.run.session import LOAD
from bench.run.slices import Slice, Tally, together
from bench.run.thresholds import Threshold
from bench.workloads.model import Workload, describe
from resolver.__about__ import __version__

FORMAT: Final = 1
SHARES: Final = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)


@dataclass(frozen=True, slots=True)
class Results:
    """The slices that count, and what is figured from them.

    Attributes:
        roles: process → role of its nodes.
    """

    workload: Workload
    slices: Sequence[Slice]
    roles: Mapping[str, str]

    @property
    def seconds(self) -> float:
        """How long the slices took together."""
        return sum(part.seconds for part in self.slices)

    def tally(self, scope: str = "") -> Tally:
        """The answers to the clients of that name, tier or transport; to all without one."""
        names = {
            client.name
            for client in self.workload.client
            if not scope or scope in (client.name, client.tier, client.transport)
        }
        return together(
            tally for part in self.slices for name, tally in part.clients.items() if name in names
        )

    def cpu_us(self, role: str = "") -> float | None:
        """Microseconds of CPU of the nodes of a role, or of all, for an answer."""
        answers = sum(part.answers() for part in self.slices)
        spent = sum(
            seconds
            for part in self.slices
            for process, seconds in part.cpu.items()
            if process != LOAD and (not role or self.roles.get(process) == role)
        )
        return spent / answers * 1e6 if answers else None

    def hits(self, kind: str = "") -> float | None:
        """Hit ratio of a class of the recursive node's cache, in percent."""
        found = [
            counts
            for part in self.slices
            for name, counts in part.lookups.items()
            if not kind or name == kind
        ]
        hits = sum(hit for hit, _ in found)
        looks = hits + sum(miss for _, miss in found)
        return hits / looks * 100 if looks else None

    def value(self, threshold: Threshold, cpu_change: float | None = None) -> float | None:
        """The figure that a threshold is about; None if there is none."""
        match threshold.metric:
            case "cpu":
                return self.cpu_us(threshold.scope)
            case "cpu_change":
                return cpu_change
            case "hits":
                return self.hits(threshold.scope)
        tally = self.tally(threshold.scope)
        return latency_or_count(tally, threshold, self.seconds)


def latency_or_count(tally: Tally, threshold: Threshold, seconds: float) -> float | None:
    """The figure of a threshold about clients."""
    asked = tally.answers + tally.failed
    match threshold.metric:
        case "errors":
            return tally.failed / asked * 100 if asked else None
        case "failures":
            return float(tally.failed)
        case "answers":
            return float(tally.answers)
        case "rate":
            return tally.answers / seconds if seconds else None
    if not tally.answers:
        return None
    match threshold.metric:
        case "mean":
            return mean(tally.us)
        case "max":
            return middle(max(tally.us)) / 1e3
    return percentile(tally.us, threshold.share)


def document(
    results: Results,
    *,
    network: str,
    started: float,
    users: int,
    verdicts: Iterable[Mapping[str, Any]],
    baseline: Mapping[str, Any] | None,
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """The whole document.

    Args:
        started: unix time.
        verdicts: of the thresholds.
        baseline: the comparison with an earlier run.
        notes: what a reader has to know.
    """
    seconds = results.seconds
    judged = list(verdicts)
    roles = sorted(set(results.roles.values()))
    return {
        "format": FORMAT,
        "wuhan": __version__,
        "machine": machine_line(),
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "network": network,
        "workload": describe(results.workload),
        "users": users,
        "seconds": round(seconds, 3),
        "met": all(verdict["met"] for verdict in judged),
        "thresholds": judged,
        "totals": figures(results.tally(), seconds),
        "clients": {
            client.name: {
                "tier": client.tier,
                "transport": client.transport,
                **figures(results.tally(client.name), seconds),
            }
            for client in results.workload.client
        },
        "cpu_us": {"all": results.cpu_us()} | {role: results.cpu_us(role) for role in roles},
        "hits": {"route": results.hits("route"), "leaf": results.hits("leaf")},
        "baseline": baseline,
        "notes": list(notes),
        "histogram_us": _text_keys(results.tally().us),
        "slices": [_slice(part, results.roles) for part in results.slices],
    }


def figures(tally: Tally, seconds: float) -> dict[str, Any]:
    """What is told of some answers."""
    asked = tally.answers + tally.failed
    return {
        "answers": tally.answers,
        "failures": tally.failed,
        "errors": tally.failed / asked * 100 if asked else 0.0,
        "rate": tally.answers / seconds if seconds else 0.0,
        "latency_ms": {
            "mean": mean(tally.us),
            **{f"p{share * 100:g}": percentile(tally.us, share) for share in SHARES},
            "max": middle(max(tally.us)) / 1e3 if tally.us else 0.0,
        },
        "octets": tally.octets,
        "codes": _text_keys(tally.codes),
        "reasons": dict(tally.failures.most_common()),
    }


def _slice(part: Slice, roles: Mapping[str, str]) -> dict[str, Any]:
    total = part.total()
    cpu: dict[str, float] = {}
    for process, seconds in part.cpu.items():
        role = roles.get(process, process)
        cpu[role] = cpu.get(role, 0.0) + seconds
    return {
        "start": round(part.start, 3),
        "seconds": round(part.seconds, 3),
        "answers": total.answers,
        "failures": total.failed,
        "offered": round(part.offered, 3),
        "latency_ms": {
            f"p{share * 100:g}": percentile(total.us, share) for share in (0.5, 0.95, 0.99)
        },
        "us": _text_keys(total.us),
        "codes": _text_keys(total.codes),
        "cpu": {role: round(seconds, 6) for role, seconds in cpu.items()},
        "cpu_processes": {name: round(seconds, 6) for name, seconds in part.cpu.items()},
        "lookups": {name: list(counts) for name, counts in part.lookups.items()},
    }


def _text_keys(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(key): counts[key] for key in sorted(counts)}
