"""``wuhan bench run``: what is typed, and how it ends.

Exit status: 0 all thresholds are met, 1 usage or configuration, 3 network or load failed, 4 a
threshold is missed, 130 interrupted (what was measured until then is still reported).
"""

import importlib.util
import os
import signal
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

import click

from bench.run.baseline import compare, cpu_change, load_baseline
from bench.run.network import network_for
from bench.run.results import Results, document
from bench.run.session import LOAD, Plan, Session, session
from bench.run.show import live, summary, verdict_line
from bench.run.slices import Slice
from bench.run.thresholds import Threshold, parse_thresholds
from bench.workloads.arrivals import factor_at
from bench.workloads.model import DEFAULT, Workload, load_workload, workload_names
from resolver.cli import output
from resolver.cli.options import data_option
from resolver.model.errors import ConfigError
from resolver.topology.units import parse_duration

FAILED: Final = 3
MISSED: Final = 4
INTERRUPTED: Final = 130
_BREAK_SLICES: Final = 3
_BUSY: Final = 0.8
"""Share of a core from which on the load delays its own questions."""


def _duration(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--{parameter.name}: {error}") from None
    if seconds <= 0:
        raise ConfigError(f"--{parameter.name}: {text} is too short")
    return seconds


@click.command("run")
@click.argument("workload", default=DEFAULT)
@click.option("--list", "listing", is_flag=True, help="List the workloads that come along.")
@click.option("--start", is_flag=True, help="Start a network for the run, on free ports.")
@click.option("--config", metavar="FILE|wuhan|minimal", help="The network that --start starts.")
@click.option("--seconds", "-t", "seconds", metavar="TIME", callback=_duration, help="As 30s, 5m.")
@click.option("--users", "-u", type=click.IntRange(1, 100_000), help="Client applications.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Arrivals a second, of all.")
@click.option("--seed", type=int, help="Other questions at other times.")
@click.option(
    "--threshold", "-e", "thresholds", multiple=True, metavar="EXPRESSION",
    help="As p99<10ms, errors<0.1%; instead of the workload's own.",
)  # fmt: skip
@click.option(
    "--baseline", type=click.Path(path_type=Path), help="report.json of an earlier run, to compare."
)
@click.option(
    "--output", "folder", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for report.json, .csv, .html and junit.xml.",
)  # fmt: skip
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Of Locust; by default one for each free core."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@data_option
def run(
    workload: str,
    listing: bool,
    start: bool,
    config: str | None,
    seconds: float | None,
    users: int | None,
    rate: float | None,
    seed: int | None,
    thresholds: tuple[str, ...],
    baseline: Path | None,
    folder: Path | None,
    processes: int | None,
    as_json: bool,
    data: str,
) -> int:
    """Run a workload with Locust against a network, and judge it by thresholds.

    WORKLOAD is the name of one that comes along (--list), or a TOML file. The network is the one
    that runs in the data folder; --start starts another for the run.
    """
    if listing:
        _list()
        return 0
    if importlib.util.find_spec("locust") is None:
        raise ConfigError(
            "load tests need Locust, which is not installed: pip install wuhan[bench]"
        )
    if config and not start:
        raise ConfigError("--config names a network to start; add --start")
    loaded = adjusted(load_workload(workload), seconds=seconds, rate=rate, seed=seed)
    known = [name for c in loaded.client for name in (c.name, c.tier, c.transport)]
    judged = parse_thresholds(thresholds or loaded.thresholds, known)
    breaking = parse_thresholds(loaded.arrival.break_at, known)
    before = load_baseline(baseline) if baseline else None
    if any(threshold.metric == "cpu_change" for threshold in judged) and before is None:
        raise ConfigError("cpu_change compares with an earlier run; name it: --baseline FILE")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # A cancelled job ends as Ctrl-C does, with its network.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="wuhan-load-") as scratch,
        network_for(loaded, data, start=start, config=config) as (state, network_data),
    ):
        work = folder or Path(scratch)
        (work / "figures.jsonl").unlink(missing_ok=True)
        source = work / f"{loaded.name}.workload.json"
        source.write_text(loaded.model_dump_json(indent=1), encoding="utf-8")
        plan = Plan(
            workload=loaded,
            source=str(source),
            seconds=loaded.seconds,
            users=users or loaded.users,
            processes=processes or free_cores(),
            data=network_data,
            folder=work,
        )
        roles = {node.process: node.role for node in state.nodes}
        started = time.time()
        with session(plan, state) as running:
            slices, notes, interrupted = _watch(running, breaking)
        report = _report(
            Results(loaded, _counted(slices, loaded.warm_up, notes), roles),
            judged, before, notes, network=state.network, started=started, users=plan.users,
        )  # fmt: skip
    if folder is not None:
        from bench.report import write_reports

        write_reports(folder, report)
    if as_json:
        output.emit_json(report)
    else:
        summary(report)
        if folder is not None:
            click.echo(f"reports: {folder}/report.html, report.json, report.csv, junit.xml")
    if interrupted:
        return INTERRUPTED
    if not report["totals"]["codes"]:
        output.error("nothing was answered at all; whether the nodes do says: wuhan status")
        return FAILED
    missed = [verdict for verdict in report["thresholds"] if not verdict["met"]]
    for verdict in missed:
        output.error(verdict_line(verdict))
    return MISSED if missed else 0


def adjusted(
    workload: Workload,
    *,
    seconds: float | None = None,
    rate: float | None = None,
    seed: int | None = None,
) -> Workload:
    """The workload with what the command line says otherwise.

    Raises:
        ConfigError: a rate for clients that have none.
    """
    changes: dict[str, Any] = {}
    if seconds is not None:
        # Of a short run a tenth is warm-up enough.
        changes |= {"seconds": seconds, "warm_up": min(workload.warm_up, seconds / 5)}
    if seed is not None:
        changes["seed"] = seed
    if rate is not None:
        planned = sum(client.rate * client.count for client in workload.client)
        if not planned or any(not client.rate for client in workload.client):
            raise ConfigError(
                f"--rate: clients of {workload.name} ask again as soon as they are answered, "
                "and have no rate to change; --users is how many there are"
            )
        changes["client"] = tuple(
            client.model_copy(update={"rate": client.rate * rate / planned})
            for client in workload.client
        )
    return workload.model_copy(update=changes)


def free_cores() -> int:
    """Cores for the load: half of them, as the nodes need the others."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def _watch(
    running: Session, breaking: tuple[Threshold, ...]
) -> tuple[list[Slice], list[str], bool]:
    """The slices of a run, notes about it, and whether somebody interrupted it."""
    workload = running.plan.workload
    slices: list[Slice] = []
    notes: list[str] = []
    recent: deque[Slice] = deque(maxlen=_BREAK_SLICES)
    try:
        with live(workload.title, workload.seconds) as tell:
            for part in running.slices():
                slices.append(part)
                recent.append(part)
                tell(part)
                if not notes and _broken(workload, recent, breaking):
                    notes.append(_broke_at(workload, part, running.plan.users))
                    running.stop()
    except KeyboardInterrupt:
        notes.append(f"interrupted after {slices[-1].start if slices else 0:.0f} s")
        return slices, notes, True
    if breaking and not notes:
        notes.append("the ramp did not break anything: no threshold of break_at was missed")
    notes.extend(_busy_load(workload, slices, running.plan.processes))
    return slices, notes, False


def _broken(workload: Workload, recent: deque[Slice], breaking: tuple[Threshold, ...]) -> bool:
    """Whether one of the thresholds was missed in each of the last slices."""
    if len(recent) < _BREAK_SLICES or recent[0].start < workload.warm_up:
        return False
    each = [Results(workload, [part], {}) for part in recent]
    return any(
        all(not threshold.is_met(one.value(threshold)) for one in each) for threshold in breaking
    )


def _broke_at(workload: Workload, part: Slice, users: int) -> str:
    factor = factor_at(workload.arrival, part.start)
    return (
        f"broke where {part.offered:,.0f} answers a second were due "
        f"({factor:.2f} times the workload's rate, "
        f"{users} clients, after {part.start:.0f} s)"
    )


def _busy_load(workload: Workload, slices: list[Slice], processes: int) -> list[str]:
    """Whether the load of an open loop was so busy that latencies are its own, in words."""
    seconds = sum(part.seconds for part in slices) * processes
    share = sum(part.cpu.get(LOAD, 0.0) for part in slices) / seconds if seconds else 0.0
    if share < _BUSY or not all(client.rate for client in workload.client):
        return []
    return [
        f"the load itself was busy {share:.0%} of the time, so latencies are in part its own; "
        "ask for less, or with more --processes"
    ]


def _counted(slices: list[Slice], warm_up: float, notes: list[str]) -> list[Slice]:
    """The slices that are not warm-up."""
    counted = [part for part in slices if part.start >= warm_up - 0.01]
    if not counted and slices:
        notes.append("the run was too short to leave the warm-up out")
        return slices
    return counted


def _report(
    results: Results,
    thresholds: tuple[Threshold, ...],
    before: dict[str, Any] | None,
    notes: list[str],
    *,
    network: str,
    started: float,
    users: int,
) -> dict[str, Any]:
    given: dict[str, Any] = {"network": network, "started": started, "users": users, "notes": notes}
    draft = document(results, verdicts=(), baseline=None, **given)
    comparison = compare(draft, before) if before else None
    if comparison and not comparison["rows"]:
        notes.append("one of the two runs is too short to be compared with the other")
    change = cpu_change(comparison)
    verdicts = [t.verdict(results.value(t, change)) for t in thresholds]
    return document(results, verdicts=verdicts, baseline=comparison, **given)


def _list() -> None:
    rows = []
    for name in workload_names():
        workload = load_workload(name)
        rate = sum(client.answers_a_second for client in workload.client)
        told = f"{rate:,.0f}/s" if rate else "closed"
        rows.append((name, str(workload.users), told, workload.title))
    output.table(("WORKLOAD", "CLIENTS", "RATE", "WHAT"), rows, right=("CLIENTS", "RATE"))
