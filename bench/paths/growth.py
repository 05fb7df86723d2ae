"""A hundred times as many entries in the cache: what an answer costs then, and what one takes.

The cache is filled through the network, first with the few, then with the many; between the two
fillings nothing but entries is added, so what the process has grown by is theirs. Both measurements
go through all that is cached, from one entry to another far from it.
"""

from functools import partial
from pathlib import Path
from typing import Final

from bench.goals import Goal
from bench.machine import client_core, resident
from bench.native import Load, run_load
from bench.network import metric, minimal_network, url_records
from bench.paths.authoritative import STRIDE
from bench.paths.common import Options, Report, Row, address, fill, numbered, rounds

GOAL_RATIO: Final = 1.3
GOAL_BYTES: Final = 450.0
RECORD_OCTETS: Final = 200
"""Of a record, encoded."""


def measure(folder: Path, options: Options) -> Report:
    """Answers of the recursive node, and its memory."""
    report = Report()
    few, many = options.names, options.cached
    records = url_records(many, RECORD_OCTETS)
    with minimal_network(folder, records, overrides={"cache.leaves": "4GiB"}) as network:
        node = network.recursive
        pids = network.measure(node)
        load = Load(seconds=options.seconds, stride=STRIDE, core=client_core())

        def answers(count: int) -> Row:
            requests = numbered(folder / f"of-{count}", count)
            ask = partial(run_load, "udp", address(node), requests, load)
            return rounds(report, f"UDP, {count:,} cached", pids, [ask] * options.rounds)

        fill(node, numbered(folder / "few", few))
        first = answers(few)
        before = resident(pids)
        filled = fill(node, numbered(folder / "many", many), few)
        grown = resident(pids) - before
        entries = metric(node, "wuhan_cache_entries", **{"class": "leaf"})
        told = metric(node, "wuhan_cache_bytes")
        second = answers(many)
    if entries < many:
        report.troubles.append(f"the cache has {entries:,.0f} entries, not {many:,}")
    report.notes += [
        f"grown by {grown / 2**20:,.0f} MiB for {many - few:,} records;"
        f" the cache counts {told / 2**20:,.0f} MiB for {entries:,.0f}",
        f"filled with {filled.rate:,.0f} records a second",
    ]
    report.goals += [
        Goal(
            f"CPU for an answer, {many:,} cached against {few:,}",
            second.cpu_us / first.cpu_us,
            GOAL_RATIO,
        ),
        Goal("memory for a cached record", grown / max(1, many - few), GOAL_BYTES, "bytes"),
    ]
    return report
