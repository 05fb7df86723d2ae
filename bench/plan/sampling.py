"""Networks with sample records on the cores of a benchmark, and questions about them for the load
generator."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench.answers import Question
from bench.native import Request, Requests, write_requests
from bench.network import BenchNetwork, Record
from bench.target import REQUEST_HEAD
from resolver.cluster.launch import launch
from resolver.cluster.state import data_paths
from resolver.model.codes import ResponseCode
from resolver.storage import open_store
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from secondary_nodes.population import sample_records

MANY: Final = 64
"""Clients that ask at the same time."""

_ID: Final = bytes(4)


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


def request_of(question: Question) -> Request:
    """A question of a workload, for the load generator."""
    name = question.handle_octets if question.code == ResponseCode.SUCCESS else b""
    octets = REQUEST_HEAD + _ID + question.octets
    return Request(octets, name if name in octets else b"", int(question.code))


def write_questions(path: Path, questions: Iterable[Question]) -> Requests:
    """Write questions to a file, in their order."""
    return write_requests(path, map(request_of, questions))
