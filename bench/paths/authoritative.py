"""Answers from the store that were never asked for before: every record once, in no order."""

from functools import partial
from pathlib import Path
from typing import Final

from bench.goals import Goal
from bench.machine import client_core
from bench.native import Load, run_load
from bench.network import minimal_network, url_records
from bench.paths.common import PATIENCE_S, Options, Report, address, numbered, rounds

GOAL_US: Final = 15.0
STRIDE: Final = 7919
"""Prime: goes through all records, from one to another far from it."""


def measure(folder: Path, options: Options) -> Report:
    """Answers of the enterprise node; each round asks for records of its own."""
    report = Report()
    share = max(1, options.records // options.rounds)
    with minimal_network(folder, url_records(options.records)) as network:
        node = network.enterprise
        pids = network.measure(node)
        requests = numbered(folder / "requests", options.records)
        loads = []
        for number in range(options.rounds):
            load = Load(
                seconds=PATIENCE_S,
                count=share,
                skip=number * share * STRIDE % options.records,
                stride=STRIDE,
                timeout=5.0,
                core=client_core(),
            )
            loads.append(partial(run_load, "udp", address(node), requests, load))
        row = rounds(report, f"UDP, {options.records:,} records, each once", pids, loads)
    report.goals.append(Goal("CPU for an answer from the store", row.cpu_us, GOAL_US, "µs"))
    return report
