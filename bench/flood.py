"""A flood of names that nobody ever asked for, at a live recursive node.

``python -m bench.flood`` starts one node of each tier, lets normal clients ask for a few hot
identifiers at a steady rate, and then sends ten million requests for identifiers that do not exist,
each of another name, from another address. It prints:

- the memory of the recursive node's process over time, against what its caches may take;
- the hit ratio of the hot identifiers before and during the flood, by asking over HTTP for the
  trace of single answers, and beside it the node's own counters;
- the latency of the normal clients before and during the flood (UDP, an open loop in C).

The node has a core of its own; the clients, the flood and the other nodes share another. The flood
is a closed loop with many requests in flight, so that it takes whatever the node gives it, or an
open loop at ``--flood-rate``.
"""

import argparse
import http.client
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bench.goals import Goal, lines_of
from bench.machine import (
    Neighbours,
    beside_the_clients,
    client_core,
    cpu_seconds,
    machine_line,
    resident,
)
from bench.native import (
    Figures,
    Load,
    NativeError,
    Protocol,
    Requests,
    RunningLoad,
    run_load,
    started_load,
    write_numbered,
)
from bench.network import (
    DIGITS,
    PREFIX,
    BenchNetwork,
    handle,
    metric,
    minimal_network,
    url_records,
)
from bench.program import amount, count, measure
from bench.speech import handle_request
from resolver.cluster.state import NodeState
from resolver.model.codes import ResponseCode

GOAL_POINTS: Final = 1.0
GOAL_P99_MS: Final = 20.0
GOAL_MEMORY: Final = 1.15
"""What the process may grow by, as a share of what its caches may take."""

NORMAL, FLOOD = "127.0.0.1", "127.0.0.2"
"""Addresses of the clients."""

_NO_SUCH_NAME: Final = Protocol(right=int(ResponseCode.HANDLE_NOT_FOUND))
_STRIDE: Final = 379
_SAMPLES_SHOWN: Final = 12
_ENDLESS_S: Final = 1e6
_TIMEOUT_S: Final = 1.0
_IN_FLIGHT: Final = 4096


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if all goals are met, 4 if not, 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog="bench.flood", description=__doc__)
    parser.add_argument("--suffixes", type=count, default=10_000_000, help="names of the flood")
    parser.add_argument("--window", type=count, default=128, help="requests of the flood in flight")
    parser.add_argument("--flood-rate", type=amount, default=0.0, help="a second; an open loop")
    parser.add_argument("--hot", type=count, default=1000, help="hot identifiers")
    parser.add_argument("--rate", type=amount, default=1000.0, help="of the normal clients")
    parser.add_argument("--traces", type=amount, default=50.0, help="traced requests a second")
    parser.add_argument("--before", type=amount, default=10.0, help="seconds without the flood")
    parser.add_argument("--leaves", default="64MiB", help="the cache's budget for records")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    return measure(parser, lambda folder: run(folder, options), print_report, as_json=options.json)


@dataclass(slots=True)
class Phase:
    """A stretch of time and what was seen in it.

    Attributes:
        traced: answers by what the node says of its cache: ``hit``, ``miss``, ….
        memory: (seconds since the start, resident bytes).
        hits, misses: of leaves, as the node counts them.
        normal: what the normal clients saw.
        others: what other processes took of the machine, 0 to 1.
    """

    traced: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)
    hits: float = 0.0
    misses: float = 0.0
    normal: Figures | None = None
    others: float = 0.0

    @property
    def hit_ratio(self) -> float:
        """Share of the traced answers that came from the cache."""
        return self.traced["hit"] / max(1, self.traced.total())


class _Observer:
    """Asks for traces and looks at the memory while a load runs."""

    def __init__(self, node: NodeState, pids: tuple[int, ...], options: argparse.Namespace) -> None:
        self._node: Final = node
        self._pids: Final = pids
        self._hot: Final[int] = options.hot
        self._interval: Final = 1 / options.traces
        self._asked = 0

    def watch(self, phase: Phase, running: RunningLoad) -> None:
        """Fill ``phase`` until the load has ended."""
        hits, misses = self._lookups()
        connection = http.client.HTTPConnection(NORMAL, self._node.http_port, timeout=30)
        started = time.monotonic()
        due, seen = started, started - 1
        while running.is_running():
            now = time.monotonic()
            if now - seen >= 1:
                phase.memory.append((now - started, resident(self._pids)))
                seen = now
            phase.traced[self._trace(connection)] += 1
            due = max(due + self._interval, time.monotonic())
            running.wait(due - time.monotonic())
        phase.memory.append((time.monotonic() - started, resident(self._pids)))
        connection.close()
        after = self._lookups()
        phase.hits, phase.misses = after[0] - hits, after[1] - misses

    def _trace(self, connection: http.client.HTTPConnection) -> str:
        """Where the answer about the next hot identifier came from."""
        self._asked += 1
        number = self._asked * _STRIDE % self._hot
        try:
            connection.request("GET", f"/api/handles/{handle(number)}?trace=true")
            told: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return "no answer"
        if told.get("responseCode") != ResponseCode.SUCCESS:
            return f"response code {told.get('responseCode')}"
        return str(told["trace"]["cache"])

    def _lookups(self) -> tuple[float, float]:
        """Hits and misses of the cache so far, routes aside."""
        name = "wuhan_cache_lookups_total"
        found = []
        for result in ("hit", "miss"):
            routes = metric(self._node, name, **{"class": "route", "result": result})
            found.append(metric(self._node, name, result=result) - routes)
        return found[0], found[1]


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start the network, warm it, measure without the flood and with it."""
    before, during = Phase(), Phase()
    settings = {"cache.leaves": options.leaves}
    with minimal_network(folder / "network", url_records(options.hot), overrides=settings) as net:
        node = net.recursive
        pids = net.measure(node)
        hot = _numbered(folder / "hot", "p", options.hot)
        flood = _numbered(folder / "flood", "f", options.suffixes)
        at = (NORMAL, node.port)
        fill = Load(seconds=60, count=options.hot, window=16, core=client_core())
        trouble = run_load("udp", at, hot, fill).trouble()
        if trouble:
            raise NativeError(f"{trouble} while the hot identifiers were asked for")
        observer = _Observer(node, pids, options)
        normal = Load(
            seconds=_ENDLESS_S,
            rate=options.rate,
            window=_IN_FLIGHT,
            stride=_STRIDE,
            timeout=_TIMEOUT_S,
            source=NORMAL,
            core=client_core(),
        )
        flooding = Load(
            _NO_SUCH_NAME,
            seconds=_ENDLESS_S,
            count=options.suffixes,
            rate=options.flood_rate,
            window=_IN_FLIGHT if options.flood_rate else options.window,
            timeout=0.5,
            source=FLOOD,
            core=client_core(),
        )
        with beside_the_clients():
            alone = replace(normal, seconds=options.before)
            with _counted(before, net), started_load("udp", at, hot, alone) as asking:
                observer.watch(before, asking)
                before.normal = asking.figures()
            with (
                _counted(during, net),
                started_load("udp", at, hot, normal) as asking,
                started_load("udp", at, flood, flooding) as pouring,
            ):
                observer.watch(during, pouring)
                asking.finish()
                during.normal, flooded = asking.figures(), pouring.figures()
        budget, counted = net.cache_budget(node), metric(node, "wuhan_cache_bytes")
    return _report(options, before, during, flooded, budget, counted)


@contextmanager
def _counted(phase: Phase, network: BenchNetwork) -> Iterator[None]:
    """Say in ``phase`` what others took of the machine meanwhile."""

    def own() -> float:
        clients = os.times()
        used = clients.user + clients.system + clients.children_user + clients.children_system
        return used + cpu_seconds(network.processes())

    neighbours, before = Neighbours(), own()
    yield
    phase.others = neighbours.share(own() - before)


def _numbered(path: Path, letter: str, count: int) -> Requests:
    """Requests for ``88.901.1/p-00000000`` and on; of another letter there are no records."""
    request = handle_request(f"{PREFIX}/{letter}-{DIGITS}")
    return write_numbered(path, request, DIGITS.encode(), count)


def _report(
    options: argparse.Namespace,
    before: Phase,
    during: Phase,
    flooded: Figures,
    budget: int,
    counted: float,
) -> dict[str, Any]:
    assert before.normal is not None
    assert during.normal is not None
    grown = max(octets for _, octets in during.memory) - during.memory[0][1]
    goals = (
        Goal("memory grown by, as a share of the caches' budget", grown / budget, GOAL_MEMORY),
        Goal(
            "points of hit ratio lost by the hot identifiers",
            100 * (before.hit_ratio - during.hit_ratio),
            GOAL_POINTS,
        ),
        Goal("p99 of the normal clients", _p99_ms(during.normal), GOAL_P99_MS, "ms"),
    )
    return {
        "machine": machine_line(),
        "suffixes": options.suffixes,
        "hot": options.hot,
        "rate": options.rate,
        "budget": budget,
        "counted": counted,
        "grown": grown,
        "flood": {
            "rate": flooded.sent / flooded.elapsed,
            "sent": flooded.sent,
            "answers": {_code_name(code): count for code, count in flooded.codes.items()},
            "lost": flooded.lost,
        },
        "before": _phase(before, before.normal),
        "during": _phase(during, during.normal),
        "goals": [goal.told() for goal in goals],
        "met": all(goal.met for goal in goals),
    }


def _phase(phase: Phase, normal: Figures) -> dict[str, Any]:
    asked = normal.right + phase.traced.total()
    return {
        "seconds": phase.memory[-1][0],
        "traced": dict(phase.traced),
        "hit_ratio": phase.hit_ratio,
        "others": phase.others,
        "hits": phase.hits,
        "misses": phase.misses,
        "hits_of_normal": phase.hits / max(1, asked),
        "normal": {
            "sent": normal.sent,
            "trouble": normal.trouble(),
            "p50_ms": normal.latency_us["p50"] / 1e3,
            "p99_ms": _p99_ms(normal),
            "max_ms": normal.latency_us["max"] / 1e3,
        },
        "memory": [
            {"seconds": round(seconds, 1), "resident": octets} for seconds, octets in phase.memory
        ],
    }


def _p99_ms(normal: Figures) -> float:
    """Of all requests: if more than a hundredth had no right answer, they waited in vain."""
    if normal.lost + normal.wrong > 0.01 * normal.sent:
        return _TIMEOUT_S * 1e3
    return normal.latency_us["p99"] / 1e3


def _code_name(code: str) -> str:
    return f"{ResponseCode(int(code)).name.lower()} ({code})" if code.isdecimal() else code


def print_report(report: Mapping[str, Any]) -> None:
    """The report for a person."""
    print(report["machine"])
    print(
        f"{report['hot']:,} hot identifiers asked for at {report['rate']:g}/s;"
        f" caches of {report['budget'] / 2**20:,.0f} MiB"
    )
    flood = report["flood"]
    answers = ", ".join(f"{name}: {count:,}" for name, count in flood["answers"].items())
    print(
        f"the flood: {flood['sent']:,} names at {flood['rate']:,.0f}/s;"
        f" {answers or 'no answers'}; lost: {flood['lost']:,}"
    )
    heads = f"{'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'others':>7}"
    print(f"{'':10} {'hit ratio':>9} {'by counters':>11} {heads}")
    for name in ("before", "during"):
        phase, normal = report[name], report[name]["normal"]
        print(
            f"{name:10} {phase['hit_ratio']:9.2%} {phase['hits_of_normal']:11.2%}"
            f" {normal['p50_ms']:8.2f} {normal['p99_ms']:8.2f} {normal['max_ms']:8.1f}"
            f" {phase['others']:7.0%}"
        )
        odd = {key: count for key, count in phase["traced"].items() if key != "hit"}
        if odd or normal["trouble"]:
            told = "; ".join(filter(None, (normal["trouble"], str(odd or ""))))
            print(f"  of {normal['sent']:,} requests: {told}")
    print("others: what other processes took of the machine meanwhile")
    memory = report["during"]["memory"]
    step = max(1, len(memory) // _SAMPLES_SHOWN)
    shown = [*memory[::step][:_SAMPLES_SHOWN], memory[-1]]
    print("memory of the recursive node, MiB, after so many seconds of the flood:")
    print("  " + "  ".join(f"{p['seconds']:.0f}: {p['resident'] / 2**20:.0f}" for p in shown))
    print(
        f"  grown by {report['grown'] / 2**20:,.0f} MiB;"
        f" the caches count {report['counted'] / 2**20:,.0f} MiB"
    )
    print(*lines_of(report["goals"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
