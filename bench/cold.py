"""Cold resolutions: every request goes through all four tiers.

``python -m bench.cold`` starts the default network on free ports with caching switched off at the
recursive node, asks it over UDP for identifiers of all enterprises at a fixed rate (an open loop:
latency counts from when a request was due), checks every answer, and prints latency percentiles and
the CPU that all nodes together spent per resolution.

In the same run, round by round and at the same rate, it measures two others: one enterprise node
asked directly, which is what one hop of the four costs; and as the peer, Unbound resolving names in
a DNS tree of the same shape with as good as no cache (``bench.unbound``; left out, with the reason,
where it cannot run).
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

from bench.machine import machine_line
from bench.openloop import Handles, Outcome, Speech, udp_load
from bench.unbound import Dns, DnsTree, dns_tree, domain_of, why_not
from resolver.cluster.launch import launch
from resolver.cluster.state import NetworkState, data_paths
from resolver.topology.expand import expand
from resolver.topology.load import load_network

GOAL_P50_MS: Final = 2.0
GOAL_P99_MS: Final = 10.0

_NO_CACHE: Final = {"network.base_port": 0, "cache.ttl_cap": "0s", "cache.negative_ttl": "0s"}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if both goals are met, 4 if not."""
    parser = argparse.ArgumentParser(prog="bench.cold", description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="resolutions a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="wuhan-bench-") as folder:
        report = run(Path(folder), options)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)
    return 0 if report["met"] else 4


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start a network and the peer, measure, stop them."""
    topology = expand(load_network("wuhan", overrides=_NO_CACHE))
    launched = launch(topology, data_paths(folder / "network"), "wuhan", detach=True)
    try:
        state = launched.wait_ready(lambda event: None)
        with ExitStack() as running:
            reason = why_not()
            tree = None if reason else running.enter_context(dns_tree(_made(folder / "dns")))
            return measure(state, tree, options) | {"peer_left_out": reason}
    finally:
        launched.stop()


def measure(
    state: NetworkState, tree: DnsTree | None, options: argparse.Namespace
) -> dict[str, Any]:
    """The figures of all rounds; the reported ones are those of the round with the median p50."""
    recursive = state.first_of("recursive")
    enterprise = state.first_of("enterprise")
    assert recursive is not None
    assert enterprise is not None
    prefixes = [node.prefix for node in state.nodes if node.role == "enterprise"]
    handles = [f"{prefix}/{n:06d}" for prefix in prefixes for n in range(1, 101)]
    own = [handle for handle in handles if handle.startswith(enterprise.prefix + "/")]
    pids = tuple({node.pid for node in state.nodes})
    order = random.Random(options.seed)
    wanted = int(options.rate * options.seconds)
    rounds: dict[str, list[dict[str, Any]]] = {"four_tiers": [], "one_hop": [], "unbound": []}
    for _ in range(options.rounds):
        asked = order.choices(handles, k=wanted)
        at = ("127.0.0.1", recursive.port)
        rounds["four_tiers"].append(_round(at, asked, options.rate, pids, Handles()))
        at = ("127.0.0.1", enterprise.port)
        hops = order.choices(own, k=wanted)
        rounds["one_hop"].append(_round(at, hops, options.rate, pids, Handles()))
        if tree is not None:
            names = [domain_of(handle) for handle in asked]
            rounds["unbound"].append(_round(tree.address, names, options.rate, tree.pids, Dns()))
    report = {name: _median(found) for name, found in rounds.items() if found}
    four = report["four_tiers"]
    return {
        "machine": machine_line(),
        "rate": options.rate,
        "rounds": options.rounds,
        **report,
        "ratio": {
            name: {key: four[key] / row[key] for key in ("p50_ms", "p99_ms", "cpu_us")}
            for name, row in report.items()
            if row is not four
        },
        "met": four["p50_ms"] <= GOAL_P50_MS
        and four["p99_ms"] <= GOAL_P99_MS
        and not four["wrong"],
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _round(
    address: tuple[str, int], names: list[str], rate: float, pids: tuple[int, ...], speech: Speech
) -> dict[str, Any]:
    before = _cpu_seconds(pids)
    outcome: Outcome = uvloop.run(udp_load(address, names, rate=rate, speech=speech))
    spent = _cpu_seconds(pids) - before
    return {
        "asked": len(names),
        "right": len(outcome.seconds),
        "wrong": outcome.wrong,
        "late": outcome.late,
        "p50_ms": outcome.percentile(0.50) * 1e3,
        "p90_ms": outcome.percentile(0.90) * 1e3,
        "p99_ms": outcome.percentile(0.99) * 1e3,
        "max_ms": outcome.percentile(1.0) * 1e3,
        "cpu_us": spent / len(names) * 1e6,
    }


def _cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, as the kernel accounts it."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(time.user + time.system for time in times)


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(rounds, key=lambda found: found["p50_ms"])[len(rounds) // 2]


def print_report(report: dict[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    print(f"open loop over UDP, {report['rate']:g}/s, median of {report['rounds']} rounds")
    print(f"{'':22} {'right':>8} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'CPU µs':>8}")
    titles = {
        "four_tiers": "four tiers",
        "one_hop": "one hop",
        "unbound": "Unbound, three queries",
    }
    for name, title in titles.items():
        if name in report:
            row = report[name]
            print(
                f"{title:22} {row['right']:8} {row['p50_ms']:8.2f} {row['p90_ms']:8.2f} "
                f"{row['p99_ms']:8.2f} {row['cpu_us']:8.0f}"
            )
    for name, ratio in report["ratio"].items():
        title = f"ratio to {titles[name].partition(',')[0]}"
        print(
            f"{title:22} {'':8} {ratio['p50_ms']:8.1f} {'':8} {ratio['p99_ms']:8.1f} "
            f"{ratio['cpu_us']:8.1f}"
        )
    if report["peer_left_out"]:
        print(f"the peer is left out: {report['peer_left_out']}")
    verdict = "met" if report["met"] else "MISSED"
    print(f"goal p50 ≤ {GOAL_P50_MS:g} ms, p99 ≤ {GOAL_P99_MS:g} ms, no wrong answer: {verdict}")
    if report["four_tiers"]["wrong"]:
        print(f"wrong: {report['four_tiers']['wrong']}")


if __name__ == "__main__":
    sys.exit(main())
