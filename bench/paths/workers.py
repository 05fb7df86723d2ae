"""Two processes of one node against one, by what the kernel accounts to them.

Two cores have to do for the clients too, and two cores that are both at work are slower each than
one alone (they may be threads of one). So that neither hides what workers do, both cores are at
work in both cases, with the same clients: *apart*, there is a node with one worker on each core,
asked by the clients on its core; *together*, one node has a worker on each. What counts is the work
done for each second of CPU of the busiest worker: N workers do as much as the busiest of them
allows. For each worker there are as many clients, with a request each in flight; by their addresses
the kernel shares the datagrams out.
"""

import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.goals import Goal
from bench.machine import client_core, cpu_seconds, server_core
from bench.native import Figures, Load, Requests, run_load
from bench.network import minimal_network, url_records
from bench.paths.common import Options, Report, Row, address, fill, numbered

GOAL: Final = 1.8
WORKERS: Final = 2
CLIENTS: Final = 128
"""For each worker."""


_Asked = tuple[tuple[str, int], Requests]
"""Who is asked for what."""


@dataclass(frozen=True)
class _Round:
    """What was answered, and the CPU that each worker took (seconds)."""

    outcomes: Sequence[Figures]
    spent: Sequence[float]

    @property
    def right(self) -> int:
        return sum(figures.right for figures in self.outcomes)

    @property
    def cpu_us(self) -> float:
        return sum(self.spent) / max(1, self.right) * 1e6


def measure(folder: Path, options: Options) -> Report:
    """What two workers of the recursive node do, as a multiple of what one does."""
    report = Report()
    cores = (server_core(), client_core())
    rounds = {}
    for title, nodes in (("1 worker on each core", WORKERS), (f"{WORKERS} workers", 1)):
        with ExitStack() as running:
            asked: list[_Asked] = []
            pids: list[int] = []
            for number in range(nodes):
                mine = cores[number : number + 1] if nodes > 1 else cores
                place = folder / f"{nodes}-{number}"
                network = running.enter_context(
                    minimal_network(place, url_records(options.names), workers=len(mine))
                )
                requests = numbered(place / "requests", options.names)
                fill(network.recursive, requests)
                pids += network.share_out(network.recursive, mine)
                asked += [(address(network.recursive), requests)] * len(mine)
            loads = [
                Load(seconds=options.seconds, window=CLIENTS, flows=CLIENTS, core=core)
                for core in cores
            ]
            _run(loads, asked)  # now every worker has met every name
            rounds[title] = [_round(loads, asked, pids) for _ in range(options.rounds)]
        report.rows.append(_row(title, rounds[title]))
        report.troubles += [
            f"{title}: {figures.trouble()}"
            for one in rounds[title]
            for figures in one.outcomes
            if figures.trouble()
        ]
    apart, together = rounds.values()
    each = statistics.median(
        statistics.mean(f.right / cpu for f, cpu in zip(one.outcomes, one.spent, strict=True))
        for one in apart
    )
    both = statistics.median(one.right / max(one.spent) for one in together)
    share = statistics.median(max(one.spent) / sum(one.spent) for one in together)
    report.notes.append(f"the busier of {WORKERS} workers does {share:.0%} of the work")
    report.goals.append(
        Goal(f"what {WORKERS} workers do against one", both / each, GOAL, at_least=True)
    )
    return report


def _round(loads: Sequence[Load], asked: Sequence[_Asked], pids: Sequence[int]) -> _Round:
    before = [cpu_seconds([pid]) for pid in pids]
    outcomes = _run(loads, asked)
    spent = [cpu_seconds([pid]) - was for pid, was in zip(pids, before, strict=True)]
    return _Round(outcomes, spent)


def _run(loads: Sequence[Load], asked: Sequence[_Asked]) -> list[Figures]:
    """All the loads at the same time, each at its node."""
    with ThreadPoolExecutor(len(loads)) as pool:
        return list(pool.map(lambda load, at: run_load("udp", at[0], at[1], load), loads, asked))


def _row(title: str, rounds: Sequence[_Round]) -> Row:
    each = [one.cpu_us for one in rounds]
    outcomes = [figures for one in rounds for figures in one.outcomes]
    return Row(
        f"UDP, {title}",
        "answers",
        1e6 / statistics.median(each),
        statistics.median(each),
        min(each),
        max(each),
        statistics.median(sum(figures.rate for figures in one.outcomes) for one in rounds),
        _latency("p50", outcomes),
        _latency("p99", outcomes),
    )


def _latency(which: str, outcomes: Iterable[Figures]) -> float:
    return statistics.median(figures.latency_us[which] for figures in outcomes)
