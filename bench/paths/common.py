"""What the measurements of the paths share: rounds of a load at a node, and the report."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.goals import Goal
from bench.machine import client_core, cpu_seconds
from bench.native import (
    Figures,
    Load,
    NativeError,
    Requests,
    run_load,
    write_numbered,
)
from bench.network import DIGITS, PREFIX, handle
from bench.speech import handle_request
from resolver.cluster.state import NodeState

PATIENCE_S = 3600.0
"""For filling a cache."""


@dataclass(frozen=True, slots=True)
class Options:
    """What all measurements may be told.

    Attributes:
        names: different identifiers that are asked for.
        records: that ``authoritative`` asks for in all, each once.
        cached: that ``growth`` has in the cache at the end.
    """

    names: int = 10_000
    rounds: int = 3
    seconds: float = 2.0
    records: int = 300_000
    cached: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of figures.

    Attributes:
        work: units of work done for each second of CPU of the node.
        cpu_us: microseconds of that for each.
        least, most: of ``cpu_us`` in the rounds.
        rate: units a second that were seen.
    """

    title: str
    unit: str
    work: float
    cpu_us: float
    least: float
    most: float
    rate: float
    p50_us: float
    p99_us: float


@dataclass(slots=True)
class Report:
    """What one measurement found.

    Attributes:
        left_out: why it could not be made; nothing else is there then.
        notes: what else is to be told, a line each.
    """

    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    left_out: str = ""

    @property
    def met(self) -> bool:
        """Whether all that was measured is as it should be."""
        return not self.troubles and all(goal.met for goal in self.goals)


Measure = Callable[[Path, Options], Report]


def address(node: NodeState) -> tuple[str, int]:
    """Where a node is asked over UDP and TCP."""
    return "127.0.0.1", node.port


def numbered(path: Path, count: int) -> Requests:
    """Requests for the records 0 to ``count`` of ``bench.network``."""
    request = handle_request(handle(0))
    assert request.name.decode() == f"{PREFIX}/p-{DIGITS}"
    return write_numbered(path, request, DIGITS.encode(), count)


def fill(node: NodeState, requests: Requests, start: int = 0) -> Figures:
    """Ask ``node`` for everything from number ``start`` on, once.

    Raises:
        NativeError: an answer was not right.
    """
    load = Load(
        seconds=PATIENCE_S,
        count=requests.count - start,
        skip=start,
        timeout=10.0,
        core=client_core(),
    )
    figures = run_load("udp", address(node), requests, load)
    if figures.trouble():
        raise NativeError(f"{figures.trouble()} while the cache was filled")
    return figures


def rounds(
    report: Report,
    title: str,
    pids: Sequence[int],
    loads: Sequence[Callable[[], Figures]],
    *,
    unit: str = "answers",
    units: int = 1,
) -> Row:
    """Run loads one after the other and add the medians of what they cost to ``report``.

    Args:
        units: of work in each answer.
    """
    found: list[tuple[float, Figures]] = []
    for load in loads:
        before = cpu_seconds(pids)
        figures = load()
        found.append((cpu_seconds(pids) - before, figures))
        if figures.trouble():
            report.troubles.append(f"{title}: {figures.trouble()}")
    each = [spent / max(1, figures.right * units) * 1e6 for spent, figures in found]
    cpu_us = statistics.median(each)
    row = Row(
        title,
        unit,
        1e6 / cpu_us,
        cpu_us,
        min(each),
        max(each),
        statistics.median(figures.rate * units for _, figures in found),
        statistics.median(figures.latency_us["p50"] for _, figures in found),
        statistics.median(figures.latency_us["p99"] for _, figures in found),
    )
    report.rows.append(row)
    return row


def told(report: Report) -> dict[str, Any]:
    """A report for JSON."""
    if report.left_out:
        return {"left_out": report.left_out}
    return {
        "rows": [{name: getattr(row, name) for name in Row.__slots__} for row in report.rows],
        "goals": [goal.told() for goal in report.goals],
        "notes": report.notes,
        "troubles": report.troubles,
        "met": report.met,
    }
