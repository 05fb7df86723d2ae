"""Whom a node asks, as its network's configuration has them: what they are called, and where
anybody may be asked at all."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from resolver.model.address import format_address
from resolver.topology.plan import NodeSpec, Topology
from resolver.upstream.servers import LOOPBACK


def names_of(topology: Topology) -> dict[str, str]:
    """What the nodes are called, by their addresses."""
    return {
        format_address(node.advertise, port): node.name
        for node in topology.nodes
        for port in (node.port, node.http_port)
    }


def allowed_networks(spec: NodeSpec, topology: Topology) -> tuple[IPv4Network | IPv6Network, ...]:
    """Where a node may ask: on this machine, where the nodes of its network are, and in the
    networks that its configuration names."""
    nodes = sorted({node.advertise for node in topology.nodes})
    return tuple(dict.fromkeys((*LOOPBACK, *map(ip_network, (*nodes, *spec.limits.networks)))))
