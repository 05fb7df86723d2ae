"""What a run shows while it goes on, and the summary at its end; all on stderr but the summary.

On a terminal there is a progress bar with the figures of the last second and the CPU of the busiest
processes; a pipe gets a line every few seconds.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import click

from bench.histogram import percentile
from bench.run.slices import Slice
from resolver.cli import output

_EVERY_S: Final = 5.0
_BUSIEST: Final = 4
_PERCENT_PER_CORE: Final = 100


class Tell(Protocol):
    """Shows a slice."""

    def __call__(self, part: Slice) -> None: ...


@contextmanager
def live(title: str, seconds: float) -> Iterator[Tell]:
    """Show the slices of a run that takes so long."""
    if sys.stderr.isatty():
        with _bar(title, seconds) as tell:
            yield tell
        return
    last = time.monotonic()

    def tell_now_and_then(part: Slice) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_S:
            last = time.monotonic()
            end = part.start + part.seconds
            output.notice(f"{end:6.0f} s  {slice_line(part)}")

    yield tell_now_and_then


@contextmanager
def _bar(title: str, seconds: float) -> Iterator[Tell]:
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    task = progress.add_task(title, total=seconds)
    with Live(progress, console=output.console(stderr=True)) as screen:

        def tell(part: Slice) -> None:
            progress.update(task, completed=part.start + part.seconds)
            screen.update(Group(progress, *slice_lines(part)), refresh=True)

        yield tell


def slice_line(part: Slice) -> str:
    """A slice in one line."""
    return "  ".join(slice_lines(part))


def slice_lines(part: Slice) -> list[str]:
    """A slice: rate and latencies; errors and hits; CPU."""
    total = part.total()
    asked = total.answers + total.failed
    first = [f"{total.answers / part.seconds:,.0f}/s"]
    first += [
        f"p{share * 100:g} {percentile(total.us, share):.2f} ms" for share in (0.5, 0.95, 0.99)
    ]
    second = [f"errors {total.failed / asked * 100 if asked else 0.0:.2f} %"]
    for kind, (hits, misses) in sorted(part.lookups.items()):
        if hits + misses:
            second.append(f"{kind} hits {hits / (hits + misses) * 100:.1f} %")
    busiest = sorted(part.cpu.items(), key=lambda item: -item[1])[:_BUSIEST]
    third = (f"{name} {s / part.seconds * _PERCENT_PER_CORE:.0f} %" for name, s in busiest)
    return ["  ".join(first), "  ".join(second), "CPU " + " ".join(third)]


def summary(report: Mapping[str, Any]) -> None:
    """The end of a run, for people."""
    click.echo(f"{report['workload']['title']}: {report['seconds']:.1f} s counted")
    rows = [("all", report["totals"]), *report["clients"].items()]
    output.table(
        ("CLIENT", "ANSWERS", "RATE", "P50 MS", "P95 MS", "P99 MS", "MAX MS", "ERRORS"),
        [_row(name, found) for name, found in rows],
        right=("ANSWERS", "RATE", "P50 MS", "P95 MS", "P99 MS", "MAX MS", "ERRORS"),
    )
    cpu = {role: us for role, us in report["cpu_us"].items() if us}
    if cpu:
        told = ", ".join(f"{role} {us:.1f}" for role, us in cpu.items())
        click.echo(f"CPU for an answer in µs: {told}")
    hits = {kind: share for kind, share in report["hits"].items() if share is not None}
    if hits:
        told = ", ".join(f"{kind} {share:.2f} %" for kind, share in hits.items())
        click.echo(f"hits of the recursive node's cache: {told}")
    for reason, count in report["totals"]["reasons"].items():
        click.echo(f"  {count:,} × {reason}")
    for note in report["notes"]:
        click.echo(note)
    for row in (report["baseline"] or {}).get("rows", ()):
        click.echo(
            f"beside the baseline, {row['what']}: {row['now']:.2f} after {row['before']:.2f}, "
            f"{row['change']:+.1f} % ({row['least']:+.1f} to {row['most']:+.1f}): {row['verdict']}"
        )
    for verdict in report["thresholds"]:
        click.echo(verdict_line(verdict))


def verdict_line(verdict: Mapping[str, Any]) -> str:
    """A threshold and what came of it."""
    value = verdict["value"]
    told = "no figure" if value is None else f"{value:,.4g}{verdict['unit']}"
    return f"threshold {verdict['threshold']}: {told}, {'met' if verdict['met'] else 'MISSED'}"


def _row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    latency = found["latency_ms"]
    return (
        name,
        f"{found['answers']:,}",
        f"{found['rate']:,.0f}",
        *(f"{latency[key]:.2f}" for key in ("p50", "p95", "p99", "max")),
        f"{found['errors']:.3f} %",
    )
