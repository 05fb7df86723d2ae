"""One identifier by HTTP GET, over 32 connections that stay open."""

from functools import partial
from pathlib import Path
from typing import Final

from bench.goals import Goal
from bench.machine import client_core
from bench.native import HTTP, Load, Request, run_load, write_numbered
from bench.network import DIGITS, handle, minimal_network, url_records
from bench.paths.common import Options, Report, fill, numbered, rounds

GOAL: Final = 25_000
CONNECTIONS: Final = 32


def measure(folder: Path, options: Options) -> Report:
    """Answers of the recursive node, as JSON."""
    report = Report()
    with minimal_network(folder, url_records(options.names)) as network:
        node = network.recursive
        pids = network.measure(node)
        fill(node, numbered(folder / "requests", options.names))
        text = f"GET /api/handles/{handle(0)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        request = Request(text.encode(), handle(0).encode())
        requests = write_numbered(folder / "pages", request, DIGITS.encode(), options.names)
        load = Load(
            HTTP, seconds=options.seconds, flows=CONNECTIONS, timeout=5.0, core=client_core()
        )
        ask = partial(run_load, "http", ("127.0.0.1", node.http_port), requests, load)
        row = rounds(report, f"HTTP GET, {CONNECTIONS} connections", pids, [ask] * options.rounds)
    report.goals.append(Goal("HTTP answers a core-second", row.work, GOAL, at_least=True))
    return report
