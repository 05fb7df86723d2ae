"""The stores of a network, for commands that work on the files: which there are, and what goes
where."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click

from resolver.cluster.state import read_state
from resolver.model.errors import StoreError
from resolver.model.handle import ancestors, described_prefix, fold, is_prefix_handle, prefix_of
from resolver.storage import NodeStore, open_store
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import DataPaths, NodeSpec, Topology

Command = Callable[..., Any]


def config_option(command: Command) -> Command:
    """The option that says which network the data folder belongs to."""
    return click.option(
        "--config",
        "source",
        envvar="WUHAN_CONFIG",
        metavar="FILE|wuhan|minimal",
        help="The network; else the one that runs in the data folder, else wuhan.",
    )(command)


def topology_of(paths: DataPaths, source: str | None) -> Topology:
    """The network that is meant: ``source``, else the one that runs, else the default one."""
    if source is None:
        state = read_state(paths)
        source = "wuhan" if state is None else state.source
    return expand(load_network(source))


class Places:
    """Which node of a network holds what. Without stores, so that other processes may have it."""

    def __init__(self, topology: Topology) -> None:
        self._homes = {fold(home): spec.name for spec in topology.nodes for home in spec.homes}
        self._zones = {fold(zone): spec.name for spec in topology.nodes for zone in spec.delegates}

    def __call__(self, handle: str) -> str | None:
        """The name of the node where ``handle`` belongs: the record of a prefix at the node whose
        delegation is the nearest above it, any other at the node that homes its prefix; None if
        there is none."""
        prefix = prefix_of(handle)
        # Most are digits and dots, which need no folding, and stand for no record of a prefix.
        name = self._homes.get(prefix)
        if name is not None and prefix != "0.NA":
            return name
        if not is_prefix_handle(handle):
            return self._homes.get(fold(prefix))
        for zone in (*ancestors(fold(described_prefix(handle))), ""):
            if zone in self._zones:
                return self._zones[zone]
        return None


class Stores:
    """The stores of a network, opened when they are needed."""

    def __init__(self, topology: Topology, paths: DataPaths, opened: ExitStack) -> None:
        """``opened`` closes them."""
        self._topology = topology
        self._paths = paths
        self._opened = opened
        self._stores: dict[str, NodeStore] = {}

    def exists(self, spec: NodeSpec) -> bool:
        """Whether the node has a store yet."""
        return self._paths.node_store(spec.name).exists()

    def of(self, spec: NodeSpec) -> NodeStore:
        """The store of a node.

        Raises:
            StoreError: it cannot be opened, or the node never ran.
        """
        if spec.name not in self._stores:
            path = self._paths.node_store(spec.name)
            if not self.exists(spec):
                raise StoreError(
                    f"the node {spec.name} has no store yet ({path});"
                    " start the network once with: wuhan up"
                )
            store = open_store("lmdb", path, create=False)
            self._opened.callback(store.close)
            self._stores[spec.name] = store
        return self._stores[spec.name]

    def named(self, name: str) -> NodeStore:
        """The store of the node called ``name``; raises as ``of``."""
        return self.of(self._topology.node(name))
