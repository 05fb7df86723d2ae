"""Five times as many questions as a node can answer.

``python -m bench.overload`` finds out how many questions a second the recursive node answers for
which it has to ask others (a closed loop; names that do not exist, each of another name, and
nothing is remembered), and then sends ``--times`` as many (an open loop). It prints how many got
their answer, against the most that could, what became of the others, and how long those that were
answered had to wait; and then, as soon as the load has stopped, how long somebody waits who asks
alone, beside how long that took before. The node has a core of its own; everything else shares the
other.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.goals import Goal, lines_of
from bench.machine import beside_the_clients, client_core, machine_line, resident
from bench.native import Figures, Load, NativeError, Protocol, Requests, run_load, write_numbered
from bench.network import DIGITS, PREFIX, minimal_network, url_records
from bench.program import amount, count, measure
from bench.speech import handle_request
from resolver.model.codes import ResponseCode
from resolver.transport.udp import UdpLimits

GOAL_GOODPUT: Final = 0.9
"""Of the peak."""

GOAL_P99_MS: Final = UdpLimits().patience_s * 1e3
"""Of those that are answered: nobody is answered who does not wait any more."""

GOAL_AFTER: Final = 2.0
"""Latency of who asks alone after the load, as a multiple of that before."""

_NO_SUCH_NAME: Final = Protocol(right=int(ResponseCode.HANDLE_NOT_FOUND))
_FORGETFUL: Final = {"cache.negative_ttl": "0s", "cache.failure_ttl": "0s"}
_NAMES: Final = 10_000_000
_IN_FLIGHT: Final = 60_000
_ALONE: Final = 500
"""Questions of who asks alone."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if the goals are met, 4 if not, 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog="bench.overload", description=__doc__)
    parser.add_argument("--times", type=amount, default=5.0, help="the peak rate")
    parser.add_argument("--seconds", type=amount, default=10.0, help="of the overload")
    parser.add_argument("--rounds", type=count, default=3, help="to find the peak rate")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    return measure(parser, lambda folder: run(folder, options), print_report, as_json=options.json)


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start the network, find the peak, overload it, look what is left of that."""
    with minimal_network(folder / "network", url_records(1), overrides=_FORGETFUL) as network:
        node = network.recursive
        pids = network.measure(node)
        at = ("127.0.0.1", node.port)
        # The answer that there is no such name does not repeat it.
        question = replace(handle_request(f"{PREFIX}/n-{DIGITS}"), name=b"")
        names = write_numbered(folder / "names", question, DIGITS.encode(), _NAMES)
        with beside_the_clients():
            closed = Load(_NO_SUCH_NAME, seconds=min(3.0, options.seconds), core=client_core())
            peaks = [_asked(at, names, closed) for _ in range(options.rounds)]
            peak = max(figures.rate for figures in peaks)
            before, memory = _alone(at, names), resident(pids)
            flood = Load(
                _NO_SUCH_NAME,
                seconds=options.seconds,
                rate=options.times * peak,
                window=_IN_FLIGHT,
                timeout=2 * GOAL_P99_MS / 1e3,
                core=client_core(),
            )
            overload = run_load("udp", at, names, flood)
            after, grown = _alone(at, names), resident(pids) - memory
    return _report(options, peak, overload, before, after, grown)


def _asked(at: tuple[str, int], names: Requests, load: Load) -> Figures:
    """A load whose answers are all right.

    Raises:
        NativeError: some are not.
    """
    figures = run_load("udp", at, names, load)
    if figures.trouble():
        raise NativeError(f"{figures.trouble()} without any overload")
    return figures


def _alone(at: tuple[str, int], names: Requests) -> float:
    """How long somebody waits who asks alone: p99, ms."""
    load = Load(_NO_SUCH_NAME, seconds=30, count=_ALONE, window=1, core=client_core())
    return _asked(at, names, load).latency_us["p99"] / 1e3


def _report(
    options: argparse.Namespace,
    peak: float,
    overload: Figures,
    before: float,
    after: float,
    grown: int,
) -> dict[str, Any]:
    goals = (
        Goal("answers as a share of the peak", overload.rate / peak, GOAL_GOODPUT, at_least=True),
        Goal(
            "p99 of those that were answered", overload.latency_us["p99"] / 1e3, GOAL_P99_MS, "ms"
        ),
        Goal("p99 alone after the load, against before", after / before, GOAL_AFTER),
    )
    return {
        "machine": machine_line(),
        "peak": peak,
        "times": options.times,
        "asked": overload.sent / overload.elapsed,
        "answered": overload.rate,
        "busy": overload.codes.get(str(int(ResponseCode.SERVER_BUSY)), 0) / overload.elapsed,
        "lost": overload.lost / overload.elapsed,
        "p50_ms": overload.latency_us["p50"] / 1e3,
        "p99_ms": overload.latency_us["p99"] / 1e3,
        "alone_before_ms": before,
        "alone_after_ms": after,
        "grown": grown,
        "goals": [goal.told() for goal in goals],
        "met": all(goal.met for goal in goals),
    }


def print_report(report: Mapping[str, Any]) -> None:
    """The report for a person."""
    print(report["machine"])
    print(f"the most that are answered: {report['peak']:,.0f}/s; {report['times']:g} times as many")
    print(f"asked      {report['asked']:10,.0f}/s")
    print(
        f"answered   {report['answered']:10,.0f}/s,"
        f" p50 {report['p50_ms']:,.1f} ms, p99 {report['p99_ms']:,.1f} ms"
    )
    print(f"too busy   {report['busy']:10,.0f}/s")
    print(f"no answer  {report['lost']:10,.0f}/s")
    print(
        f"who asks alone waits {report['alone_after_ms']:.2f} ms (p99) as soon as the load is over,"
        f" {report['alone_before_ms']:.2f} ms before; memory grew by"
        f" {report['grown'] / 2**20:.1f} MiB"
    )
    print(*lines_of(report["goals"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
