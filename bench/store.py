"""A store of very many records: how fast they come in, what they take, what they cost afterwards.

``python -m bench.store`` makes files of records (``bench.records``) and imports each with the
command that people use, ``wuhan import``, into the store of an enterprise node of a small network
that does not run meanwhile. Time is that of the whole command. In the same run the same keys and
values are put straight into LMDB, sorted, in transactions of the same size: the peer.

Then networks are started with that store and with nearly empty ones: how long until the node
answers, with the file in the page cache and without; and, with both running, an open loop over UDP
asks one and the other in turn for records at random (latency counts from when a request was due).
Every answer is checked.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import lmdb

from bench.machine import cpu_seconds, machine_line
from bench.native import Load, Requests, run_load, write_requests
from bench.records import PREFIX, handle_of, record, stored_pairs, write_file
from bench.speech import handle_request
from resolver.client import Client
from resolver.cluster.launch import launch
from resolver.cluster.state import NodeState, data_paths
from resolver.model.address import format_address
from resolver.storage.transfer import BATCH_RECORDS
from resolver.topology.expand import expand
from resolver.topology.load import load_network

GOAL_RATE: Final = 200_000
GOAL_OCTETS: Final = 180
GOAL_START_S: Final = 3.0
GOAL_LATENCY: Final = 1.2
"""p50 over p50 of the small store, and CPU likewise: what "unchanged" means on a noisy machine."""

_TITLES: Final = {
    "jsonl": "JSON Lines",
    "msgpack": "MessagePack",
    "shuffled": "MessagePack, in no order",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if all goals are met, 4 if not."""
    parser = argparse.ArgumentParser(prog="bench.store", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=10_000, help="records to compare with")
    parser.add_argument("--shuffled", type=int, default=1_000_000, help="also so many in no order")
    parser.add_argument("--rate", type=float, default=500.0, help="resolutions a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the files go, 12 GB; else a temporary folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="wuhan-bench-", dir=options.folder) as folder:
        report = run(Path(folder), options)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)
    return 0 if report["met"] else 4


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All parts, one after the other."""
    count, small = options.records, options.small
    imports: dict[str, dict[str, float]] = {}
    large = folder / "large"
    for form in ("jsonl", "msgpack"):
        # The store of the last form is the one that is looked at afterwards.
        _remove(large)
        imports[form] = _import(large, folder / "file", form, count)
    octets = _store_of(large).stat().st_size / count
    if options.shuffled:
        imports["shuffled"] = _import(
            folder / "shuffled", folder / "file", "msgpack", options.shuffled, shuffled=True
        )
        _remove(folder / "shuffled")
    imports["raw"] = _raw(folder / "raw.mdb", count)
    _import(folder / "small", folder / "file", "msgpack", small)
    starts = _starts(large, folder / "small", options.rounds)
    asked = _asked(large, folder / "small", options)
    best = max(imports[form]["rate"] for form in ("jsonl", "msgpack"))
    ratio = {
        key: asked["large"][key] / max(1e-9, asked["small"][key])
        for key in ("p50_ms", "p99_ms", "cpu_us")
    }
    wrong = asked["large"]["wrong"] + asked["small"]["wrong"]
    return {
        "machine": machine_line(),
        "records": count,
        "small": small,
        "shuffled": options.shuffled,
        "value_octets": len(record(0, 0)[1].octets),
        "import": imports,
        "octets_per_record": octets,
        "start": starts,
        "resolve": {**asked, "ratio": ratio},
        "rate": options.rate,
        "rounds": options.rounds,
        "met": best >= GOAL_RATE
        and octets <= GOAL_OCTETS
        and max(starts["large_s"], starts["large_uncached_s"]) <= GOAL_START_S
        and max(ratio["p50_ms"], ratio["cpu_us"]) <= GOAL_LATENCY
        and not wrong,
    }


def _import(
    data: Path, file: Path, form: str, count: int, *, shuffled: bool = False
) -> dict[str, float]:
    """Import so many records into a new network in ``data``."""
    with _network(data):
        pass  # its nodes make their stores
    write_file(file, form, count, shuffled=shuffled)
    before, started = _spent_by_children(), time.perf_counter()
    command = [sys.executable, "-m", "resolver.cli.main", "import", str(file), "--json"]
    options = ["--data", str(data), "--config", "minimal"]
    done = subprocess.run([*command, *options], capture_output=True, check=True)
    seconds = time.perf_counter() - started
    assert json.loads(done.stdout)["imported"] == count, done.stdout
    file.unlink()
    return {
        "records": count,
        "seconds": seconds,
        "rate": count / seconds,
        "cpu_us": (_spent_by_children() - before) / count * 1e6,
    }


def _raw(path: Path, count: int) -> dict[str, float]:
    """The same keys and values straight into LMDB."""
    seconds = spent = 0.0
    waiting: list[tuple[bytes, bytes]] = []
    with lmdb.open(str(path), subdir=False, map_size=1 << 36, readahead=False) as env:

        def put() -> None:
            nonlocal seconds, spent
            started, before = time.perf_counter(), time.process_time()
            with env.begin(write=True) as txn:
                txn.cursor().putmulti(waiting, append=True)
            seconds += time.perf_counter() - started
            spent += time.process_time() - before
            waiting.clear()

        for pairs in stored_pairs(count):
            waiting += pairs
            if len(waiting) >= BATCH_RECORDS:
                put()
        put()
    octets = path.stat().st_size / count
    path.unlink()
    return {
        "records": count,
        "seconds": seconds,
        "rate": count / seconds,
        "cpu_us": spent / count * 1e6,
        "octets_per_record": octets,
    }


def _starts(large: Path, small: Path, rounds: int) -> dict[str, float]:
    """Seconds from starting a network until its enterprise node has resolved a record."""

    def started(data: Path, *, cached: bool = True) -> float:
        if not cached:
            with _store_of(data).open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.perf_counter()
        with _network(data) as node:
            asyncio.run(_resolved(node))
            return time.perf_counter() - began

    return {
        "small_s": statistics.median(started(small) for _ in range(rounds)),
        "large_s": statistics.median(started(large) for _ in range(rounds)),
        "large_uncached_s": statistics.median(started(large, cached=False) for _ in range(rounds)),
    }


async def _resolved(node: NodeState) -> None:
    async with Client(format_address(node.address, node.port)) as client:
        await client.resolve(handle_of(0))


def _asked(large: Path, small: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Medians of the rounds, by store."""
    order = random.Random(1)
    wanted = int(options.rate * options.seconds)
    rounds: dict[str, list[dict[str, float]]] = {"large": [], "small": []}
    with _store_of(large).open("rb") as file:
        while file.read(1 << 20):
            pass  # into the page cache, where the import had left it
    with _network(large) as many, _network(small) as few:
        for _ in range(options.rounds):
            for name, node, count in (
                ("large", many, options.records),
                ("small", few, options.small),
            ):
                names = [handle_of(order.randrange(count)) for _ in range(wanted)]
                asked = write_requests(large / "requests", map(handle_request, names))
                rounds[name].append(_round(node, asked, options.rate))
    return {
        name: {key: statistics.median(each[key] for each in found) for key in found[0]}
        for name, found in rounds.items()
    }


def _round(node: NodeState, asked: Requests, rate: float) -> dict[str, float]:
    load = Load(seconds=asked.count / rate + 1, count=asked.count, rate=rate)
    before = cpu_seconds(node.pids)
    figures = run_load("udp", (node.address, node.port), asked, load)
    spent = cpu_seconds(node.pids) - before
    return {
        "right": figures.right,
        "wrong": asked.count - figures.right,
        "p50_ms": figures.latency_us["p50"] / 1e3,
        "p99_ms": figures.latency_us["p99"] / 1e3,
        "cpu_us": spent / asked.count * 1e6,
    }


@contextmanager
def _network(data: Path) -> Iterator[NodeState]:
    """A running network on free ports without sample records; yields its enterprise node."""
    overrides = {"network.base_port": 0, "network.samples": 0}
    topology = expand(load_network("minimal", overrides=overrides))
    launched = launch(topology, data_paths(data), "minimal", detach=True)
    try:
        yield launched.wait_ready(lambda event: None).node(PREFIX)
    finally:
        launched.stop()


def _store_of(data: Path) -> Path:
    return data_paths(data).node_store(PREFIX)


def _remove(data: Path) -> None:
    store = _store_of(data)
    if store.exists():
        store.unlink()


def _spent_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def print_report(report: dict[str, Any]) -> None:
    """The report as tables."""
    print(report["machine"])
    print(f"{report['records']:,} records of {report['value_octets']} octets of values")
    print(f"{'import':36} {'records/s':>10} {'CPU µs':>7} {'of LMDB':>8}")
    raw = report["import"]["raw"]
    for name, row in report["import"].items():
        title = _TITLES.get(name, "  LMDB alone")
        if name == "shuffled":
            title += f" ({row['records']:,})"
        share = row["rate"] / raw["rate"]
        print(f"{title:36} {row['rate']:10,.0f} {row['cpu_us']:7.1f} {share:8.2f}")
    print(
        f"on disk {report['octets_per_record']:.1f} octets per record, LMDB alone"
        f" {raw['octets_per_record']:.1f}"
    )
    start = report["start"]
    print(
        f"start until the node answers: {start['large_s']:.2f} s,"
        f" not in the page cache {start['large_uncached_s']:.2f} s,"
        f" with {report['small']:,} records {start['small_s']:.2f} s"
    )
    title = f"resolve, {report['rate']:g}/s over UDP"
    print(f"{title:36} {'p50 ms':>10} {'p99 ms':>7} {'CPU µs':>8}")
    resolve = report["resolve"]
    for title, row in (
        (f"{report['records']:,} records", resolve["large"]),
        (f"{report['small']:,} records", resolve["small"]),
        ("ratio", resolve["ratio"]),
    ):
        print(f"{title:36} {row['p50_ms']:10.2f} {row['p99_ms']:7.2f} {row['cpu_us']:8.2f}")
    verdict = "met" if report["met"] else "MISSED"
    print(
        f"goals {GOAL_RATE:,}/s, {GOAL_OCTETS} octets, start in {GOAL_START_S:g} s, p50 and CPU"
        f" within {GOAL_LATENCY:g} of the small store: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
