"""Answers from the cache over one TCP connection, a thousand requests in flight."""

from functools import partial
from pathlib import Path
from typing import Final

from bench.goals import Goal
from bench.machine import client_core
from bench.native import Load, run_load
from bench.network import minimal_network, url_records
from bench.paths.common import Options, Report, address, fill, numbered, rounds

GOAL: Final = 500_000
WINDOW: Final = 1000


def measure(folder: Path, options: Options) -> Report:
    """Answers of the recursive node."""
    report = Report()
    with minimal_network(folder, url_records(options.names)) as network:
        node = network.recursive
        pids = network.measure(node)
        requests = numbered(folder / "requests", options.names)
        fill(node, requests)
        load = Load(seconds=options.seconds, window=WINDOW, timeout=5.0, core=client_core())
        ask = partial(run_load, "tcp", address(node), requests, load)
        row = rounds(report, "TCP, window 1,000", pids, [ask] * options.rounds)
    report.goals.append(Goal("TCP answers a core-second", row.work, GOAL, at_least=True))
    return report
