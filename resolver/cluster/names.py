"""From the names that nodes have in DNS to their addresses.

Rules: site records hold addresses (docs/protocol.md), so names are looked up once, before anything
is started, and a node whose name gets another address is found again when the others are started
again: names should stand for addresses that stay, as those of Kubernetes' Services do. A name that
is not known yet is asked for again for a while, since containers that are started together learn
of each other one by one.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from resolver.model.errors import ConfigError
from resolver.topology.plan import Topology

PATIENCE_S: Final = 30.0
"""How long a name may take to become known."""

_EVERY_S: Final = 0.25

Lookup = Callable[[str], str]
"""The IPv4 address of a name; an OSError if it has none."""


def address_of(name: str) -> str:
    """What the system's resolver says.

    Raises:
        OSError: it does not know.
    """
    found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return str(found[0][4][0])


def with_addresses(
    topology: Topology, *, lookup: Lookup = address_of, patience_s: float = PATIENCE_S
) -> Topology:
    """``topology`` with an address in the place of each name.

    Raises:
        ConfigError: a name has no address, ``patience_s`` seconds after the first was asked for.
    """
    deadline = time.monotonic() + patience_s
    names = {node.advertise for node in topology.nodes if _is_name(node.advertise)}
    known = {name: _wait_for(name, lookup, deadline) for name in sorted(names)}
    nodes = tuple(
        replace(node, advertise=known[node.advertise], host=node.advertise)
        if node.advertise in known
        else node
        for node in topology.nodes
    )
    return replace(topology, nodes=nodes) if known else topology


def _wait_for(name: str, lookup: Lookup, deadline: float) -> str:
    while True:
        try:
            return lookup(name)
        except OSError as error:
            if time.monotonic() + _EVERY_S > deadline:
                raise ConfigError(
                    f"advertise: {name!r} has no IPv4 address ({error.strerror or error}); "
                    "name an address, or a host that DNS knows"
                ) from None
            time.sleep(_EVERY_S)


def _is_name(place: str) -> bool:
    try:
        ip_address(place)
    except ValueError:
        return True
    return False
