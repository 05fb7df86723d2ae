"""Two processes of one node against one, by what the kernel accounts to them.

On two cores the client takes part of what the second worker could have, so the rate that is seen
says little. What counts is the CPU for an answer and how evenly the work is shared: N workers on N
cores of their own do as much as the busiest of them allows. The client uses many sockets, as many
clients do; by their addresses the kernel shares the datagrams out.
"""

import statistics
from pathlib import Path
from typing import Final

from bench.goals import Goal
from bench.machine import cpu_seconds
from bench.native import Load, run_load
from bench.network import minimal_network, url_records
from bench.paths.common import Options, Report, Row, address, fill, numbered

GOAL: Final = 1.8
WORKERS: Final = 2
SOCKETS: Final = 64


def measure(folder: Path, options: Options) -> Report:
    """What two workers of the recursive node do, as a multiple of what one does."""
    report = Report()
    capacity = {}
    for count in (1, WORKERS):
        place = folder / str(count)
        with minimal_network(place, url_records(options.names), workers=count) as network:
            node = network.recursive
            pids = network.measure(node) if count == 1 else network.spread(node)
            requests = numbered(folder / "requests", options.names)
            fill(node, requests)
            load = Load(seconds=options.seconds, flows=SOCKETS)
            run_load("udp", address(node), requests, load)  # now every worker has met every name
            found = []
            for _ in range(options.rounds):
                before = [cpu_seconds([pid]) for pid in pids]
                figures = run_load("udp", address(node), requests, load)
                spent = [cpu_seconds([pid]) - was for pid, was in zip(pids, before, strict=True)]
                if figures.trouble():
                    report.troubles.append(f"{count} workers: {figures.trouble()}")
                found.append((sum(spent), max(spent), figures))
        each = [total / max(1, figures.right) * 1e6 for total, _, figures in found]
        cpu_us = statistics.median(each)
        capacity[count] = statistics.median(
            figures.right / busiest for _, busiest, figures in found
        )
        share = statistics.median(busiest / total for total, busiest, _ in found)
        report.rows.append(
            Row(
                f"UDP, {count} worker{'s' if count > 1 else ''}",
                "answers",
                capacity[count],
                cpu_us,
                min(each),
                max(each),
                statistics.median(figures.rate for _, _, figures in found),
                statistics.median(figures.latency_us["p50"] for _, _, figures in found),
                statistics.median(figures.latency_us["p99"] for _, _, figures in found),
            )
        )
        report.notes.append(f"{count}: the busiest process does {share:.0%} of the work")
    ratio = capacity[WORKERS] / capacity[1]
    report.goals.append(Goal(f"what {WORKERS} workers do against one", ratio, GOAL, at_least=True))
    return report
