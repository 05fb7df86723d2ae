"""Networks for benchmarks: one node of each tier, with as many records as a benchmark needs, and
what may be read of them from outside.

The records are put into the enterprise node's store before the network starts; after that it is
known only through its sockets and its processes.
"""

import re
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Final

from bench.machine import client_core, family, keep_on, server_core
from resolver.cluster.launch import launch
from resolver.cluster.state import NetworkState, NodeState, data_paths
from resolver.model.value import HandleValue
from resolver.storage import open_store
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import Topology
from resolver.wire.values import ValueList

PREFIX: Final = "88.901.1"
"""The enterprise of the minimal network."""

DIGITS: Final = "00000000"
"""Stands for the number in a handle of the records below."""

_PER_TRANSACTION: Final = 50_000

Record = tuple[str, ValueList]


@dataclass(frozen=True, slots=True)
class BenchNetwork:
    """A running network."""

    state: NetworkState
    topology: Topology

    @property
    def recursive(self) -> NodeState:
        """The node that holds nothing and caches."""
        return self._only("recursive")

    @property
    def enterprise(self) -> NodeState:
        """The node that holds the records."""
        return self._only("enterprise")

    def processes(self) -> tuple[int, ...]:
        """Every process of the network, the supervisor's too."""
        return family(self.state.pid)

    def measure(self, node: NodeState) -> tuple[int, ...]:
        """Give ``node`` the server's core and all other nodes the client's; its processes."""
        for pid in self.processes():
            keep_on(pid, {server_core() if pid in node.pids else client_core()})
        return tuple(node.pids)

    def share_out(self, node: NodeState, cores: Sequence[int]) -> tuple[int, ...]:
        """Give each process of ``node`` one of ``cores``, and all other nodes the last; its
        processes."""
        for pid in self.processes():
            keep_on(pid, {cores[-1]})
        for pid, core in zip(node.pids, cores, strict=True):
            keep_on(pid, {core})
        return tuple(node.pids)

    def cache_budget(self, node: NodeState) -> int:
        """Bytes that the caches of ``node`` may take together."""
        cache = self.topology.node(node.name).cache
        names = (field.name for field in fields(cache))
        return sum(getattr(cache, name) for name in names if name.endswith("_bytes"))

    def _only(self, role: str) -> NodeState:
        node = self.state.first_of(role)
        assert node is not None
        return node


@contextmanager
def minimal_network(
    folder: Path,
    records: Iterable[Record],
    *,
    overrides: Mapping[str, object] | None = None,
    workers: int = 1,
) -> Iterator[BenchNetwork]:
    """One node of each tier on free ports, with ``records`` at the enterprise.

    Args:
        overrides: settings, ``section.key`` → value.
        workers: processes of the recursive node.
    """
    settings = {"network.base_port": 0, "network.samples": 0, **(overrides or {})}
    topology = expand(load_network("minimal", overrides=settings))
    nodes = (replace(n, workers=workers) if n.role == "recursive" else n for n in topology.nodes)
    topology = replace(topology, nodes=tuple(nodes))
    data = data_paths(folder)
    store = open_store("lmdb", data.node_store(PREFIX))
    try:
        rest = iter(records)
        while batch := list(islice(rest, _PER_TRANSACTION)):
            store.put_many(batch)
    finally:
        store.close()
    launched = launch(topology, data, "minimal", detach=True)
    try:
        yield BenchNetwork(launched.wait_ready(lambda event: None), topology)
    finally:
        launched.stop()


def handle(number: int) -> str:
    """The handle of a record, its number in eight digits."""
    return f"{PREFIX}/p-{number:08d}"


def url_records(count: int, octets: int = 0) -> Iterator[Record]:
    """Records of one URL value, numbered from 0 on.

    Args:
        octets: of each, encoded; the URL is padded to that. 0 leaves it short.
    """
    for number in range(count):
        url = f"https://id.example/{PREFIX}/p-{number:08d}"
        if octets:
            url += "?" + "x" * (octets - _RECORD_OVERHEAD - len(url) - 1)
        yield handle(number), ValueList.of([HandleValue(1, "URL", url.encode())])


_RECORD_OVERHEAD: Final = len(ValueList.of([HandleValue(1, "URL", b"")]).octets)


def metric(node: NodeState, name: str, **labels: str) -> float:
    """The sum of a node's samples of this name that have these labels; 0 if there are none."""
    with urllib.request.urlopen(f"http://{node.address}:{node.http_port}/metrics") as response:
        text = response.read().decode()
    total = 0.0
    for found in re.finditer(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE):
        told = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or ""))
        if labels.items() <= told.items():
            total += float(found[2])
    return total
