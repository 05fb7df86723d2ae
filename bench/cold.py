"""Cold resolutions: every request goes through all four tiers.

``python -m bench.cold`` starts the default network on free ports with caching switched off at the
recursive node, asks it over UDP for identifiers of all enterprises at a fixed rate (an open loop:
latency counts from when a request was due), checks every answer, and prints latency percentiles and
the CPU that all nodes together spent per resolution.

For comparison it then measures, in the same run and at the same rate, the same identifiers
straight at one enterprise node: what one hop costs of the four.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

from bench.machine import machine_line
from bench.openloop import Outcome, udp_load
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
    """Start a network, measure, stop it."""
    topology = expand(load_network("wuhan", overrides=_NO_CACHE))
    launched = launch(topology, data_paths(folder), "wuhan", detach=True)
    try:
        state = launched.wait_ready(lambda event: None)
        return measure(state, options)
    finally:
        launched.stop()


def measure(state: NetworkState, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of all rounds; the reported ones are those of the round with the median p50."""
    recursive = state.first_of("recursive")
    enterprise = state.first_of("enterprise")
    assert recursive is not None
    assert enterprise is not None
    prefixes = [node.prefix for node in state.nodes if node.role == "enterprise"]
    handles = [f"{prefix}/{n:06d}" for prefix in prefixes for n in range(1, 101)]
    own = [handle for handle in handles if handle.startswith(enterprise.prefix + "/")]
    order = random.Random(options.seed)
    wanted = int(options.rate * options.seconds)
    cold, hop = [], []
    for _ in range(options.rounds):
        cold.append(_round(state, recursive.port, order.choices(handles, k=wanted), options.rate))
        hop.append(_round(state, enterprise.port, order.choices(own, k=wanted), options.rate))
    four, one = _median(cold), _median(hop)
    return {
        "machine": machine_line(),
        "rate": options.rate,
        "rounds": options.rounds,
        "four_tiers": four,
        "one_hop": one,
        "ratio_p50": four["p50_ms"] / one["p50_ms"],
        "ratio_cpu": four["cpu_us"] / one["cpu_us"],
        "met": four["p50_ms"] <= GOAL_P50_MS
        and four["p99_ms"] <= GOAL_P99_MS
        and not four["wrong"],
    }


def _round(state: NetworkState, port: int, handles: list[str], rate: float) -> dict[str, Any]:
    before = _cpu_seconds(state)
    outcome: Outcome = uvloop.run(udp_load(("127.0.0.1", port), handles, rate=rate))
    spent = _cpu_seconds(state) - before
    return {
        "asked": len(handles),
        "right": len(outcome.seconds),
        "wrong": outcome.wrong,
        "late": outcome.late,
        "p50_ms": outcome.percentile(0.50) * 1e3,
        "p90_ms": outcome.percentile(0.90) * 1e3,
        "p99_ms": outcome.percentile(0.99) * 1e3,
        "max_ms": outcome.percentile(1.0) * 1e3,
        "cpu_us": spent / len(handles) * 1e6,
    }


def _cpu_seconds(state: NetworkState) -> float:
    """User and system time of all node processes, as the kernel accounts it."""
    times = [psutil.Process(pid).cpu_times() for pid in {node.pid for node in state.nodes}]
    return sum(time.user + time.system for time in times)


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(rounds, key=lambda found: found["p50_ms"])[len(rounds) // 2]


def print_report(report: dict[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    print(f"open loop over UDP, {report['rate']:g}/s, median of {report['rounds']} rounds")
    print(f"{'':12} {'right':>8} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'CPU µs':>8}")
    for name, title in (("four_tiers", "four tiers"), ("one_hop", "one hop")):
        row = report[name]
        print(
            f"{title:12} {row['right']:8} {row['p50_ms']:8.2f} {row['p90_ms']:8.2f} "
            f"{row['p99_ms']:8.2f} {row['cpu_us']:8.0f}"
        )
    print(f"{'ratio':12} {'':8} {report['ratio_p50']:8.1f} {'':17} {report['ratio_cpu']:8.1f}")
    verdict = "met" if report["met"] else "MISSED"
    print(f"goal p50 ≤ {GOAL_P50_MS:g} ms, p99 ≤ {GOAL_P99_MS:g} ms, no wrong answer: {verdict}")
    if report["four_tiers"]["wrong"]:
        print(f"wrong: {report['four_tiers']['wrong']}")


if __name__ == "__main__":
    sys.exit(main())
