"""``wuhan top``: who answers how much, how fast, at what cost; live in a terminal.

Rules: rates, latency and hit ratios are what two readings of a node's ``/metrics`` differ by; CPU
is that of its processes, which nodes may share. Nothing is asked of a node besides.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import click
import psutil

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cluster.state import NodeState, data_paths, running_network
from resolver.console.rates import Rates
from resolver.model.codes import ResponseCode
from resolver.telemetry.counters import BUCKETS, OTHER

TIMEOUT_S: Final = 3.0
_AT_ONCE: Final = 32
_REQUEST: Final = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_SAMPLE: Final = re.compile(r"(\w+)\{(.*)\} (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_HEADERS: Final = ("NODE", "ROLE", "ANSWERS/S", "ERRORS/S", "P99", "HITS", "CPU", "STATE")
_SORTS: Final = {"rate": 0, "errors": 1, "p99": 2, "cpu": 3}


@dataclass(slots=True)
class _Row:
    """One node between two readings."""

    node: NodeState
    rates: Rates = field(default_factory=Rates)
    cpu: float = 0.0
    answers: bool = False

    def take(self, text: str | None, now: float) -> None:
        """Take in what stands at ``/metrics``; None if nobody answered."""
        self.answers = text is not None
        if text is None:
            self.rates.stop()
        else:
            self.rates.take(figures_in(text), now)

    def told(self) -> dict[str, Any]:
        """For ``--json``."""
        answers, failures, p99 = self.rates.told()
        return {
            "node": self.node.name,
            "role": self.node.role,
            "answers_per_second": answers,
            "errors_per_second": failures,
            "p99_ms": p99,
            "hit_ratios": self.rates.hit_ratios(),
            "cpu": round(self.cpu, 4),
            "answering": self.answers,
        }


@click.command()
@click.argument("names", metavar="NODE…", nargs=-1)
@click.option("--role", "roles", multiple=True, help="Only nodes of this tier.")
@click.option("--every", type=click.FloatRange(0.2, 60), default=2.0, show_default=True)
@click.option("--sort", type=click.Choice(list(_SORTS)), default="rate", show_default=True)
@click.option("--once", is_flag=True, help="One reading, then end.")
@click.option("--json", "as_json", is_flag=True, help="Print one reading as JSON.")
@data_option
def top(
    names: tuple[str, ...],
    roles: tuple[str, ...],
    every: float,
    sort: str,
    once: bool,
    as_json: bool,
    data: str,
) -> None:
    """Show answers a second, errors, p99, cache hits and CPU of NODEs, or of all; Ctrl-C ends it.

    CPU is in cores, of all processes of the node; nodes that share a process show the same.
    """
    state = running_network(data_paths(data))
    nodes = [state.node(name) for name in names] or state.nodes
    rows = [_Row(node) for node in nodes if not roles or node.role in roles]
    if not rows:
        raise click.UsageError(f"the network has no nodes of the tier {', '.join(roles)}")
    readings = _readings(rows, every)
    next(readings)
    if as_json:
        next(readings)
        output.emit_json([row.told() for row in _sorted(rows, sort)])
    elif once or not output.console().is_terminal:
        next(readings)
        output.table(_HEADERS, [_cells(row) for row in _sorted(rows, sort)], right=_HEADERS[2:7])
    else:
        _live(rows, sort, readings, state.network)


def figures_in(text: str) -> dict[str, Any]:
    """What ``Rates.take`` wants, out of metrics in Prometheus' text format."""
    answers: dict[int, int] = {}
    below: dict[str, int] = {}
    lookups: dict[tuple[str, str], int] = {}
    for line in text.splitlines():
        if not line.startswith(
            ("wuhan_requests_total", "wuhan_request_duration_seconds_b", "wuhan_cache_lookups_t")
        ):
            continue
        found = _SAMPLE.fullmatch(line)
        if found is None:
            continue
        labels, number = dict(_LABEL.findall(found[2])), int(float(found[3]))
        if found[1] == "wuhan_requests_total":
            code = _code_of(labels["code"])
            answers[code] = answers.get(code, 0) + number
        elif found[1] == "wuhan_request_duration_seconds_bucket":
            below[labels["le"]] = below.get(labels["le"], 0) + number
        else:
            key = labels["class"], labels["result"]
            lookups[key] = lookups.get(key, 0) + number
    running = [below.get(bound, 0) for bound in (*map(str, BUCKETS), "+Inf")]
    return {
        "answers": list(answers.items()),
        "durations": [b - a for a, b in zip([0, *running], running, strict=False)],
        "lookups": [[*key, number] for key, number in lookups.items()],
    }


def _code_of(name: str) -> int:
    known = ResponseCode.__members__.get(name.upper())
    return OTHER if known is None else int(known)


def _readings(rows: Sequence[_Row], every: float) -> Iterator[None]:
    """Readings of all nodes, one at once and then one after each pause."""
    began = time.monotonic()
    used = _cpu_of(rows)
    while True:
        texts = asyncio.run(_read_all([row.node for row in rows]))
        now = time.monotonic()
        for row, text in zip(rows, texts, strict=True):
            row.take(text, now)
        before, used = used, _cpu_of(rows)
        seconds = max(now - began, 0.001)
        began = now
        for row in rows:
            row.cpu = sum(used.get(pid, 0.0) - before.get(pid, 0.0) for pid in row.node.pids)
            row.cpu = max(0.0, row.cpu / seconds)
        yield
        time.sleep(max(0.0, every - (time.monotonic() - now)))


def _cpu_of(rows: Sequence[_Row]) -> dict[int, float]:
    """CPU seconds of all processes."""
    used = {}
    for pid in {pid for row in rows for pid in row.node.pids}:
        try:
            times = psutil.Process(pid).cpu_times()
        except (psutil.Error, ValueError):
            continue
        used[pid] = times.user + times.system
    return used


async def _read_all(nodes: Sequence[NodeState]) -> list[str | None]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(node: NodeState) -> str | None:
        async with gate:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    return await _read(node)
            except (OSError, TimeoutError):
                return None

    return list(await asyncio.gather(*map(one, nodes)))


async def _read(node: NodeState) -> str | None:
    reader, writer = await asyncio.open_connection(node.address, node.http_port)
    try:
        writer.write(_REQUEST)
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return body.decode("utf-8", "replace") if b" 200 " in head[:20] else None


def _sorted(rows: Sequence[_Row], sort: str) -> list[_Row]:
    def key(row: _Row) -> tuple[float, str]:
        figures = (*row.rates.told(), row.cpu)
        return (-(figures[_SORTS[sort]] or 0.0), row.node.name)

    return sorted(rows, key=key)


def _cells(row: _Row) -> tuple[str, ...]:
    answers, failures, p99 = row.rates.told()
    hits = row.rates.hit_ratios()
    shown = [f"{name} {hits[name]:.1%}" for name in ("leaf", "route") if name in hits]
    return (
        row.node.name,
        row.node.role,
        f"{answers or 0:,.1f}",
        f"{failures:,.1f}" if failures else "",
        "" if p99 is None else f"{p99:,.3f} ms",
        "  ".join(shown),
        f"{row.cpu:.2f}",
        row.node.state if row.answers else "no answer",
    )


def _live(rows: list[_Row], sort: str, readings: Iterator[None], network: str) -> None:
    """Draw until Ctrl-C."""
    from rich.live import Live
    from rich.table import Table

    console = output.console()

    def drawn() -> Table:
        total = sum(row.rates.answers for row in rows)
        cores = sum({tuple(row.node.pids): row.cpu for row in rows}.values())
        table = Table(
            title=f"{network}: {total:,.0f} answers/s, {cores:.2f} cores · Ctrl-C ends",
            box=None,
            title_justify="left",
        )
        for name in _HEADERS:
            table.add_column(name, justify="right" if name in _HEADERS[2:7] else "left")
        for row in _sorted(rows, sort)[: max(1, console.height - 4)]:
            table.add_row(*_cells(row), style=None if row.answers else "red")
        return table

    try:
        with Live(drawn(), console=console, screen=True, auto_refresh=False) as live:
            for _ in readings:
                live.update(drawn(), refresh=True)
    except KeyboardInterrupt:
        return
