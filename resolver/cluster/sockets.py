"""The sockets of all nodes, bound before anything is started.

A port that is taken is found out before a single node runs, and a node that is started again finds
its ports as they were: they belong to the supervisor.
"""

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from resolver.model.errors import NetworkStateError
from resolver.topology.plan import Links, NodeSockets, NodeSpec, Topology

_MAX_TRIES: Final = 50
"""For a port number that is free for UDP and TCP on every address at once."""

_BUFFER_OCTETS: Final = 4 << 20
"""Of a UDP socket, as far as the kernel allows."""


def bind_all(
    topology: Topology,
) -> tuple[Topology, dict[str, tuple[NodeSockets, ...]], list[str]]:
    """Bind every port of every node, once for each of its processes.

    Returns the topology with the port numbers as they are (0 becomes a free one), the sockets by
    node and process, and notices about addresses that this machine does not have.

    Raises:
        NetworkStateError: a port is taken or may not be used; all sockets are closed again.
    """
    wanted = {address for node in topology.nodes for address in node.bind}
    usable = _usable_addresses(wanted)
    notices = [
        f"{address} is not available on this machine and is left out"
        for address in sorted(wanted - usable)
    ]
    sockets: dict[str, tuple[NodeSockets, ...]] = {}
    ports: dict[str, tuple[int, int]] = {}
    try:
        for node in topology.nodes:
            bind = [address for address in node.bind if address in usable]
            if not bind:
                raise NetworkStateError(f"{node.name}: none of its addresses is available")
            kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            port, (tcp, udp) = _bind_port(node, bind, node.port, kinds)
            http_port, (http,) = _bind_port(node, bind, node.http_port, (socket.SOCK_STREAM,))
            ports[node.name] = (port, http_port)
            only = NodeSockets(udp=udp, tcp=tcp, http=http)
            sockets[node.name] = (only,)
            if node.workers > 1:
                # The ports are free. They are bound again, so that several processes share each
                # and the kernel deals out what comes (SO_REUSEPORT).
                close_all([only])
                sockets[node.name] = ()
                for _ in range(node.workers):
                    shared = _bind_shared(node, bind, port, http_port)
                    sockets[node.name] = (*sockets[node.name], shared)
    except NetworkStateError:
        close_all(worker for workers in sockets.values() for worker in workers)
        raise
    return topology.with_ports(ports), sockets, notices


def close_all(sockets: Iterable[NodeSockets]) -> None:
    """Close the sockets of these nodes."""
    for node in sockets:
        for sock in node.all():
            sock.close()


def _usable_addresses(addresses: Iterable[str]) -> set[str]:
    usable = set()
    for address in addresses:
        with suppress(OSError), socket.socket(_family(address), socket.SOCK_STREAM) as sock:
            sock.bind((address, 0))
            usable.add(address)
    return usable


def _bind_port(
    node: NodeSpec, addresses: list[str], port: int, kinds: tuple[int, ...]
) -> tuple[int, list[tuple[socket.socket, ...]]]:
    """One port number on all ``addresses`` for all ``kinds`` of socket."""
    for _ in range(1 if port else _MAX_TRIES):
        bound: list[tuple[socket.socket, ...]] = []
        number = port
        try:
            for kind in kinds:
                group: tuple[socket.socket, ...] = ()
                for address in addresses:
                    group = (*group, _bind(address, number, kind))
                    bound = [*bound[: kinds.index(kind)], group]
                    number = group[-1].getsockname()[1]
        except OSError as error:
            for group in bound:
                for sock in group:
                    sock.close()
            if port or error.errno != errno.EADDRINUSE:
                raise NetworkStateError(_reason(node, number, error)) from None
            continue
        return number, bound
    raise NetworkStateError(f"{node.name}: no port is free for UDP and TCP at once")


def _bind_shared(node: NodeSpec, addresses: list[str], port: int, http_port: int) -> NodeSockets:
    """Sockets for one process of a node with several."""
    bound: list[socket.socket] = []

    def bind(number: int, kind: int) -> tuple[socket.socket, ...]:
        group = []
        for address in addresses:
            try:
                group.append(_bind(address, number, kind, shared=True))
            except OSError as error:
                for sock in (*bound, *group):
                    sock.close()
                raise NetworkStateError(_reason(node, number, error)) from None
        bound.extend(group)
        return tuple(group)

    return NodeSockets(
        udp=bind(port, socket.SOCK_DGRAM),
        tcp=bind(port, socket.SOCK_STREAM),
        http=bind(http_port, socket.SOCK_STREAM),
    )


def link(workers: int) -> Links:
    """What joins so many processes of one node."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(workers - 1)]
    for pair in pairs:
        for end in pair:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_OCTETS)
    return Links(tuple(one for one, _ in pairs), tuple(other for _, other in pairs))


def _bind(address: str, port: int, kind: int, *, shared: bool = False) -> socket.socket:
    sock = socket.socket(_family(address), kind)
    try:
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_OCTETS)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            # Two listeners may bind with SO_REUSEADDR; only listening tells that a port is taken.
            sock.listen(1024)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _reason(node: NodeSpec, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of node {node.name} is in use; stop what uses it, or move all ports "
            "with --base-port"
        )
    return f"port {port} of node {node.name} cannot be bound: {error.strerror}"
