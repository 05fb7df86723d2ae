"""Whom a load asks: the nodes of a running network, and how many sample records they hold.

Rule: known from the network's state file and over its sockets only; of a network that runs
elsewhere, in containers, from its configuration.
"""

import os
import socket
from dataclasses import dataclass
from typing import Final

from bench.answers import ID_AT, Question
from bench.workloads.model import ClientModel
from resolver.cluster.names import with_addresses
from resolver.cluster.state import (
    NetworkState,
    NodeState,
    data_paths,
    new_state,
    read_state,
    running_network,
)
from resolver.model.errors import NetworkStateError
from resolver.model.handle import ancestors
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.wire.envelope import Envelope, encode_envelope
from secondary_nodes.population import sample_records

VARIABLE: Final = "WUHAN_DATA"
CONFIG: Final = "WUHAN_CONFIG"
DEFAULT_DATA: Final = ".wuhan"

REQUEST_HEAD: Final = encode_envelope(Envelope())[:ID_AT]
"""What stands before the id in every request."""

_PROBE_S: Final = 2.0
_PROBES: Final = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A running network.

    Attributes:
        prefixes: of its enterprises, in the order of its nodes.
    """

    state: NetworkState
    prefixes: tuple[str, ...]

    def ports(self) -> dict[str, int]:
        """Prefix → Handle port of its enterprise node."""
        return {node.prefix: node.port for node in self._of("enterprise")}

    def node_for(self, client: ClientModel, number: int) -> NodeState:
        """The node that the ``number``-th client of its kind asks.

        Raises:
            NetworkStateError: the network has none of that role.
        """
        if client.server == "enterprise":
            prefix = self.scope_of(client, number)[0]
            return next(node for node in self._of("enterprise") if node.prefix == prefix)
        nodes = self._of(client.server)
        if not nodes:
            raise NetworkStateError(
                f"the network {self.state.network} has no {client.server} node, which the client "
                f"{client.name} asks"
            )
        return nodes[number % len(nodes)]

    def scope_of(self, client: ClientModel, number: int) -> tuple[str, ...]:
        """The prefixes that the ``number``-th client of its kind asks for."""
        scope = "enterprise" if client.server == "enterprise" else client.scope
        if scope == "all" and client.server != "secondary":
            return self.prefixes
        if scope == "enterprise":
            return (self.prefixes[number % len(self.prefixes)],)
        parents = sorted({next(iter(ancestors(prefix))) for prefix in self.prefixes})
        if client.server == "secondary":
            parents = [node.prefix for node in self._of("secondary")]
        parent = parents[number % len(parents)]
        return tuple(p for p in self.prefixes if parent in ancestors(p)) or self.prefixes

    def items(self, wanted: int) -> int:
        """How many of ``wanted`` sample products every enterprise has, found by asking for them.

        Raises:
            NetworkStateError: it has none, or does not answer.
        """
        node = self._of("enterprise")[0]
        if _holds(node, wanted):
            return wanted
        least, most = 0, wanted
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if _holds(node, middle) else (least, middle)
        if not least:
            raise NetworkStateError(
                f"{node.name} has no sample records to ask for; start a network without "
                "--no-samples, or let the run start one of its own: --start"
            )
        return least

    def _of(self, role: str) -> list[NodeState]:
        return [node for node in self.state.nodes if node.role == role]


def load_target(data: str | None = None) -> Target:
    """The network that runs in a folder; by default the one that ``WUHAN_DATA`` names. If none
    does, the one that ``WUHAN_CONFIG`` names, whose nodes are at the addresses that they announce.

    Raises:
        NetworkStateError: none does, or it has no enterprises.
        ConfigError: the configuration is not valid, or a node's name has no address.
    """
    source = os.environ.get(CONFIG)
    paths = data_paths(data or os.environ.get(VARIABLE) or DEFAULT_DATA)
    state = read_state(paths) if source else running_network(paths)
    if state is None:
        assert source
        state = _elsewhere(source)
    prefixes = tuple(node.prefix for node in state.nodes if node.role == "enterprise")
    if not prefixes:
        raise NetworkStateError(
            f"the network {state.network} has no enterprise nodes, so there is nothing to ask for"
        )
    return Target(state, prefixes)


def _elsewhere(source: str) -> NetworkState:
    """A network that runs in other containers."""
    topology = with_addresses(expand(load_network(source)))
    state = new_state(topology, source)
    for node, spec in zip(state.nodes, topology.nodes, strict=True):
        node.address = spec.advertise
    return state


def _holds(node: NodeState, item: int) -> bool:
    """Whether a node has the product of that number."""
    handle = f"{node.prefix}/{item:06d}"
    values = next(v for name, v in sample_records(node.prefix, item) if name == handle)
    question = Question(handle, values=values)
    family = socket.AF_INET6 if ":" in node.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(_PROBE_S)
        asking.connect((node.address, node.port))
        for _ in range(_PROBES):
            try:
                asking.send(REQUEST_HEAD + (1).to_bytes(4, "big") + question.octets)
                reply = asking.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError as error:
                raise _silent(node, str(error.strerror)) from None
            return question.is_right(reply)
    raise _silent(node, f"no answer in {_PROBE_S * _PROBES:g} s")


def _silent(node: NodeState, why: str) -> NetworkStateError:
    return NetworkStateError(f"{node.name} does not answer ({why}); see: wuhan status")
