"""Cold resolutions: every request goes through all four tiers.

``python -m bench.cold`` starts the default network on free ports with caching switched off at the
recursive node, asks it over UDP for identifiers of all enterprises at a fixed rate (an open loop:
latency counts from when a request was due), checks every answer, and prints latency percentiles and
the CPU that all nodes together spent per resolution. The client is written in C, so that it takes
next to nothing of the two cores that the nodes need.

In the same run, round by round and at the same rate, it measures two others: one enterprise node
asked directly, which is what one hop of the four costs; and as the peer, Unbound resolving names in
a DNS tree of the same shape with as good as no cache (``bench.unbound``; left out, with the reason,
where it cannot run).
"""

import argparse
import random
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.goals import Goal, lines_of
from bench.machine import Neighbours, cpu_seconds, machine_line
from bench.native import (
    DNS,
    HANDLE,
    Load,
    Protocol,
    Requests,
    run_load,
    write_requests,
)
from bench.program import amount, count, measure
from bench.speech import domain_question, handle_request
from bench.unbound import DnsTree, dns_tree, domain_of, why_not
from resolver.cluster.launch import launch
from resolver.cluster.state import NetworkState, data_paths
from resolver.topology.expand import expand
from resolver.topology.load import load_network

GOAL_CPU_US: Final = 250.0
GOAL_P50_MS: Final = 1.0
GOAL_P99_MS: Final = 5.0

_NO_CACHE: Final = {"network.base_port": 0, "cache.ttl_cap": "0s", "cache.negative_ttl": "0s"}
_IN_FLIGHT: Final = 4096
_PATIENCE_S: Final = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if all goals are met, 4 if not, 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog="bench.cold", description=__doc__)
    parser.add_argument("--rate", type=amount, default=1000.0, help="resolutions a second")
    parser.add_argument("--seconds", type=amount, default=20.0, help="length of each round")
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--seed", type=count, default=1)
    parser.add_argument("--network", default="wuhan", help="another one is quicker to start")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    return measure(parser, lambda folder: run(folder, options), print_report, as_json=options.json)


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start a network and the peer, measure, stop them."""
    topology = expand(load_network(options.network, overrides=_NO_CACHE))
    launched = launch(topology, data_paths(folder / "network"), options.network, detach=True)
    try:
        state = launched.wait_ready(lambda event: None)
        with ExitStack() as running:
            reason = why_not()
            tree = None if reason else running.enter_context(dns_tree(_made(folder / "dns")))
            return figures_of(folder, state, tree, options) | {"peer_left_out": reason}
    finally:
        launched.stop()


def figures_of(
    folder: Path, state: NetworkState, tree: DnsTree | None, options: argparse.Namespace
) -> dict[str, Any]:
    """The figures of all rounds; the reported ones are those of the round with the median p50."""
    recursive = state.first_of("recursive")
    enterprise = state.first_of("enterprise")
    assert recursive is not None
    assert enterprise is not None
    prefixes = [node.prefix for node in state.nodes if node.role == "enterprise"]
    handles = [f"{prefix}/{n:06d}" for prefix in prefixes for n in range(1, 101)]
    own = [handle for handle in handles if handle.startswith(enterprise.prefix + "/")]
    pids = tuple(state.pids())
    order = random.Random(options.seed)
    wanted = int(options.rate * options.seconds)
    rounds: dict[str, list[dict[str, Any]]] = {"four_tiers": [], "one_hop": [], "unbound": []}
    for _ in range(options.rounds):
        asked = order.choices(handles, k=wanted)
        requests = write_requests(folder / "asked", map(handle_request, asked))
        at = ("127.0.0.1", recursive.port)
        rounds["four_tiers"].append(_round(at, requests, options.rate, pids, HANDLE))
        hops = map(handle_request, order.choices(own, k=wanted))
        at = ("127.0.0.1", enterprise.port)
        requests = write_requests(folder / "asked", hops)
        rounds["one_hop"].append(_round(at, requests, options.rate, pids, HANDLE))
        if tree is not None:
            questions = (domain_question(domain_of(handle), edns=True) for handle in asked)
            requests = write_requests(folder / "asked", questions)
            rounds["unbound"].append(_round(tree.address, requests, options.rate, tree.pids, DNS))
    report = {name: _median(found) for name, found in rounds.items() if found}
    four = report["four_tiers"]
    goals = (
        Goal("CPU of all nodes for a cold resolution", four["cpu_us"], GOAL_CPU_US, "µs"),
        Goal("p50", four["p50_ms"], GOAL_P50_MS, "ms"),
        Goal("p99", four["p99_ms"], GOAL_P99_MS, "ms"),
    )
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
        "goals": [goal.told() for goal in goals],
        "met": all(goal.met for goal in goals) and not four["trouble"],
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _round(
    address: tuple[str, int],
    requests: Requests,
    rate: float,
    pids: Iterable[int],
    protocol: Protocol,
) -> dict[str, Any]:
    """Ask for everything once at the given rate."""
    load = Load(
        protocol,
        seconds=requests.count / rate + _PATIENCE_S,
        count=requests.count,
        rate=rate,
        window=_IN_FLIGHT,
        timeout=_PATIENCE_S,
    )
    neighbours, before = Neighbours(), cpu_seconds(pids)
    figures = run_load("udp", address, requests, load)
    spent = cpu_seconds(pids) - before
    return {
        "asked": requests.count,
        "right": figures.right,
        "trouble": figures.trouble(),
        "late": figures.late,
        "p50_ms": figures.latency_us["p50"] / 1e3,
        "p90_ms": figures.latency_us["p90"] / 1e3,
        "p99_ms": figures.latency_us["p99"] / 1e3,
        "max_ms": figures.latency_us["max"] / 1e3,
        "cpu_us": spent / requests.count * 1e6,
        "others": neighbours.share(spent + figures.client_cpu),
    }


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round with the median p50; a trouble of any other is its trouble too."""
    median = sorted(rounds, key=lambda found: found["p50_ms"])[len(rounds) // 2]
    troubles = [found["trouble"] for found in rounds if found["trouble"]]
    return {**median, "trouble": "; ".join(troubles)}


def print_report(report: Mapping[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    print(f"open loop over UDP, {report['rate']:g}/s, median of {report['rounds']} rounds")
    heads = f"{'right':>8} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'CPU µs':>8} {'others':>7}"
    print(f"{'':22} {heads}")
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
                f"{row['p99_ms']:8.2f} {row['cpu_us']:8.0f} {row['others']:7.0%}"
            )
            if row["trouble"]:
                print(f"  {row['trouble']}")
    for name, ratio in report["ratio"].items():
        title = f"ratio to {titles[name].partition(',')[0]}"
        print(
            f"{title:22} {'':8} {ratio['p50_ms']:8.1f} {'':8} {ratio['p99_ms']:8.1f} "
            f"{ratio['cpu_us']:8.1f}"
        )
    print("others: what other processes took of the machine meanwhile")
    if report["peer_left_out"]:
        print(f"the peer is left out: {report['peer_left_out']}")
    print(*lines_of(report["goals"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
