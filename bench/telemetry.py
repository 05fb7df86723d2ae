"""What the metrics cost: ``python -m bench.telemetry``.

A recursive node is asked over UDP, from its cache with one request in flight, so that no two
answers are counted together, and then for names that it has to ask others for. The kernel says what
CPU an answer takes; how often something is counted for it, the node's own counters say; and what it
takes to count once is measured in a loop, in a process of its own, on the same core. The figure
judged is the share of counting in an answer. A scrape is no part of an answer: its time, and that
of a network of 115 nodes, stand beside.
"""

import argparse
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.goals import Goal, lines_of
from bench.machine import client_core, cpu_seconds, machine_line
from bench.native import Load, run_load, write_numbered
from bench.network import DIGITS, PREFIX, BenchNetwork, metric, minimal_network, url_records
from bench.program import amount, count, measure
from bench.speech import handle_request
from resolver.cluster.launch import launch
from resolver.cluster.state import NodeState, data_paths
from resolver.telemetry.counters import Counters
from resolver.topology.expand import expand
from resolver.topology.load import load_network

GOAL_SHARE: Final = 0.03
GOAL_SCRAPE_S: Final = 0.3
HOT_NAMES: Final = 1000
CALLS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of answer: CPU of each, and of counting it, in µs."""

    title: str
    cpu_us: float
    counting_us: float

    @property
    def share(self) -> float:
        """Of counting."""
        return self.counting_us / self.cpu_us


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if the goals are met, 4 if not, 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog="bench.telemetry", description=__doc__)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--seconds", type=amount, default=2.0, help="of each round")
    parser.add_argument("--names", type=count, default=5000, help="asked for once, in each round")
    parser.add_argument("--scrapes", type=count, default=10)
    parser.add_argument("--calls", type=count, default=CALLS, help="that counting is timed with")
    parser.add_argument("--network", default="wuhan", help="that is scraped as a whole")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    return measure(parser, lambda folder: run(folder, options), print_report, as_json=options.json)


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure all of it."""
    costs = counting_costs(options.calls)
    with minimal_network(
        folder / "minimal", url_records(HOT_NAMES + options.rounds * options.names)
    ) as network:
        requests = write_numbered(
            folder / "handles",
            handle_request(f"{PREFIX}/p-{DIGITS}"),
            DIGITS.encode(),
            HOT_NAMES + options.rounds * options.names,
        )
        ways = [
            _way("from the cache, one at a time", network, costs, lambda _: Load(
                seconds=options.seconds, window=1, count=0, core=client_core()
            ), write_numbered(
                folder / "hot", handle_request(f"{PREFIX}/p-{DIGITS}"), DIGITS.encode(), HOT_NAMES
            ), options.rounds),
            _way("by asking others", network, costs, lambda number: Load(
                seconds=60.0,
                window=32,
                count=options.names,
                skip=HOT_NAMES + number * options.names,
                timeout=5.0,
                core=client_core(),
            ), requests, options.rounds),
        ]  # fmt: skip
    scrape_s = network_scrape(folder / "whole", options.network, options.scrapes)
    goals = [Goal(f"share of counting, {way.title}", way.share, GOAL_SHARE) for way in ways]
    goals.append(Goal("a scrape of all nodes", scrape_s, GOAL_SCRAPE_S, "s"))
    return {
        "machine": machine_line(),
        "costs_us": {name: cost * 1e6 for name, cost in costs.items()},
        "ways": [
            {
                "title": way.title,
                "cpu_us": way.cpu_us,
                "counting_us": way.counting_us,
                "share": way.share,
            }
            for way in ways
        ],
        "scrape_seconds": scrape_s,
        "goals": [goal.told() for goal in goals],
        "met": all(goal.met for goal in goals),
    }


def counting_costs(calls: int = CALLS) -> dict[str, float]:
    """Seconds of CPU for each thing that is counted, the clock that times it included; so many
    calls are timed together."""
    counters, clock = Counters(), time.perf_counter

    def ready() -> None:
        counters.ready("udp", 1, 1, clock() - clock())

    def request() -> None:
        counters.request(1, "udp", 1, "forwarded", clock() - clock())

    def lookup() -> None:
        counters.cache_lookup("leaf", "miss")

    def upstream() -> None:
        counters.upstream_finished("88.901.1", 1, clock() - clock())

    counted: dict[str, Callable[[], None]] = {
        "ready": ready, "request": request, "lookup": lookup, "upstream": upstream
    }  # fmt: skip
    return {name: _cost(work, calls) for name, work in counted.items()}


def _cost(work: Callable[[], None], calls: int) -> float:
    """CPU of one call, without that of the loop; the median of some runs."""

    def spent(called: Callable[[], None]) -> float:
        began = time.process_time()
        for _ in range(calls):
            called()
        return (time.process_time() - began) / calls

    return statistics.median(spent(work) - spent(_nothing) for _ in range(5))


def _nothing() -> None:
    """What calling costs alone."""


def _way(
    title: str,
    network: BenchNetwork,
    costs: Mapping[str, float],
    load: Callable[[int], Load],
    requests: Any,
    rounds: int,
) -> Way:
    """Run a load in rounds; what an answer takes, and what counting takes of it."""
    node = network.recursive
    pids = network.measure(node)
    at = ("127.0.0.1", node.port)
    run_load("udp", at, requests, Load(seconds=0.5, count=HOT_NAMES, core=client_core()))
    found = []
    for number in range(rounds):
        before, spent = _counted(node), cpu_seconds(pids)
        figures = run_load("udp", at, requests, load(number))
        spent = cpu_seconds(pids) - spent
        events = {name: value - before[name] for name, value in _counted(node).items()}
        counting = sum(costs[name] * number for name, number in events.items())
        found.append((spent / figures.right * 1e6, counting / figures.right * 1e6))
    cpu_us, counting_us = map(statistics.median, zip(*found, strict=True))
    return Way(title, cpu_us, counting_us)


def _counted(node: NodeState) -> dict[str, float]:
    """How often a node has counted something, by kind."""
    ready = metric(node, "wuhan_request_duration_seconds_count", path="ready")
    return {
        "ready": ready,
        "request": metric(node, "wuhan_request_duration_seconds_count") - ready,
        # A ready answer's hit is counted with it.
        "lookup": max(0.0, metric(node, "wuhan_cache_lookups_total") - ready),
        "upstream": metric(node, "wuhan_upstream_requests_total"),
    }


def network_scrape(folder: Path, source: str, scrapes: int) -> float:
    """Seconds of one scrape of a whole network, the median of some."""
    topology = expand(load_network(source, overrides={"network.base_port": 0}))
    launched = launch(topology, data_paths(folder), source, detach=True)
    try:
        node = launched.wait_ready(lambda event: None).first_of("top-level")
        assert node is not None
        url = f"http://{node.address}:{node.http_port}/metrics/network"
        found = []
        for _ in range(scrapes):
            began = time.perf_counter()
            with closing(urllib.request.urlopen(url)) as response:
                response.read()
            found.append(time.perf_counter() - began)
            time.sleep(1.1)  # longer than a page is kept
        return statistics.median(found)
    finally:
        launched.stop()


def print_report(report: Mapping[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    costs = ", ".join(f"{name} {cost:.2f}" for name, cost in report["costs_us"].items())
    print(f"to count once, µs: {costs}")
    print(f"{'':32} {'CPU µs':>8} {'counting µs':>12} {'share':>7}")
    for way in report["ways"]:
        print(
            f"{way['title']:32} {way['cpu_us']:8.2f} {way['counting_us']:12.2f} {way['share']:7.1%}"
        )
    print(*lines_of(report["goals"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
