"""Loads on a network whose nodes are told apart: the CPU that each role spent on an answer.

The node that is measured has a core of its own; the client and all other nodes share another.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, get_args

from bench.answers import Question
from bench.machine import client_core, cpu_seconds
from bench.native import Figures, Load, NativeError, Request, Requests, run_load, write_requests
from bench.network import BenchNetwork, Record
from bench.plan.calibration import Cost, Latencies, Role
from bench.plan.pace import pace
from bench.target import REQUEST_HEAD
from resolver.cluster.launch import launch
from resolver.cluster.state import NetworkState, NodeState, data_paths
from resolver.model.codes import ResponseCode
from resolver.storage import open_store
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from secondary_nodes.population import sample_records

ROLES: Final[tuple[Role, ...]] = get_args(Role)
_ID: Final = bytes(4)

Told = Callable[[str], None]
"""Is told what is measured next."""


@contextmanager
def sample_network(
    folder: Path, items: int, *, above: int = 0, source: str = "wuhan", **cache: Any
) -> Iterator[BenchNetwork]:
    """A network on free ports, whose recursive node has the server's core.

    Args:
        items: sample records of each enterprise.
        above: records of its own that each secondary node has, as ``records_above`` makes them.
        cache: settings of the recursive node's caches, by their names in ``CacheSpec``.

    Raises:
        NetworkStateError: it does not start.
    """
    settings = {"network.base_port": 0, "network.samples": items}
    topology = expand(load_network(source, overrides=settings))
    nodes = tuple(
        replace(node, cache=replace(node.cache, **cache)) if node.role == "recursive" else node
        for node in topology.nodes
    )
    topology = replace(topology, nodes=nodes)
    paths = data_paths(folder)
    for node in nodes:
        if above and node.role == "secondary":
            store = open_store("lmdb", paths.node_store(node.name))
            try:
                store.put_many(records_above(node.prefix, above))
            finally:
                store.close()
    launched = launch(topology, paths, source, detach=True)
    try:
        running = BenchNetwork(launched.wait_ready(lambda event: None), topology)
        running.measure(running.recursive)
        yield running
    finally:
        launched.stop()


def records_above(prefix: str, count: int) -> Iterator[Record]:
    """Records of a secondary node's own, under its own prefix."""
    below = f"{prefix}.1"
    for handle, values in islice(sample_records(below, count), count):
        yield handle.replace(below, prefix, 1), values


@dataclass(frozen=True, slots=True)
class Round:
    """One load: CPU of each role in microseconds for an answer of any code, what came of it, and
    the machine's pace around it (``bench.plan.pace``)."""

    cpu_us: Mapping[Role, float]
    figures: Figures
    answers: int
    pace_us: float


def request_of(question: Question) -> Request:
    """A question of a workload, for the load generator."""
    name = question.handle_octets if question.code == ResponseCode.SUCCESS else b""
    octets = REQUEST_HEAD + _ID + question.octets
    return Request(octets, name if name in octets else b"", int(question.code))


def write_questions(path: Path, questions: Iterable[Question]) -> Requests:
    """Write questions to a file, in their order."""
    return write_requests(path, map(request_of, questions))


class Network:
    """A running network, by roles."""

    def __init__(self, state: NetworkState) -> None:
        self._pids: Final[dict[Role, tuple[int, ...]]] = {
            role: tuple({pid for node in state.nodes if node.role == role for pid in node.pids})
            for role in ROLES
        }
        self.paces: Final[list[float]] = []

    def pids(self, role: Role) -> tuple[int, ...]:
        """The processes of a role."""
        return self._pids[role]

    def ask(self, node: NodeState, requests: Requests, load: Load, *, strict: bool = True) -> Round:
        """Ask ``node`` over UDP.

        Args:
            strict: every answer must be right.

        Raises:
            NativeError: one is not.
        """
        pace_before, before = pace(), self._spent()
        figures = run_load("udp", (node.address, node.port), requests, load)
        after = self._spent()
        if strict and figures.trouble():
            raise NativeError(f"{figures.trouble()} while {node.name} was asked")
        answers = max(1, sum(figures.codes.values()))
        cost = {role: (after[role] - before[role]) / answers * 1e6 for role in ROLES}
        pace_us = (pace_before + pace()) / 2
        self.paces.append(pace_us)
        return Round(cost, figures, answers, pace_us)

    def _spent(self) -> dict[Role, float]:
        return {role: cpu_seconds(pids) for role, pids in self._pids.items()}


def cost_of(rounds: Sequence[Round], roles: Sequence[Role] = ROLES) -> Cost:
    """The medians of some rounds, for the roles that took part, at a pace of 1 µs."""
    totals = [sum(one.cpu_us[role] for role in roles) / one.pace_us for one in rounds]
    return Cost(
        cpu_us={
            role: statistics.median(one.cpu_us[role] / one.pace_us for one in rounds)
            for role in roles
        },
        least_us=min(totals),
        most_us=max(totals),
        client_us=statistics.median(
            one.figures.client_cpu / one.answers * 1e6 / one.pace_us for one in rounds
        ),
    )


def latencies_of(rounds: Sequence[Round]) -> Latencies:
    """The medians of some rounds; CPU at a pace of 1 µs."""

    def median(name: str) -> float:
        return statistics.median(one.figures.latency_us[name] for one in rounds)

    return Latencies(
        cpu_us=statistics.median(one.cpu_us["recursive"] / one.pace_us for one in rounds),
        p50_us=median("p50"),
        p90_us=median("p90"),
        p99_us=median("p99"),
        p999_us=median("p999"),
    )


def closed(
    seconds: float = 3600.0, *, window: int = 128, flows: int = 1, count: int = 0, skip: int = 0
) -> Load:
    """A closed loop on the clients' core."""
    return Load(
        seconds=seconds,
        window=window,
        flows=flows,
        count=count,
        skip=skip,
        timeout=5.0,
        core=client_core(),
    )
