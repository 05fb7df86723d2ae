"""The servers a node or a client asks: how each is reached, how it does, and its sockets.

Rules:
- A server that does not answer is left alone for a moment (``resolver.upstream.health``).
- Servers outside the allowed networks are not asked: a site record comes from outside, and must not
  steer us inside.
- What is kept of servers is bounded: ``MAX_PEERS`` of each kind.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from resolver.model.address import format_address
from resolver.model.handle import is_prefix_handle
from resolver.model.site import Protocol as Transport
from resolver.model.site import Server
from resolver.telemetry.counters import UNNAMED, Counters
from resolver.upstream.health import Budget, Health
from resolver.upstream.http import HttpPeer
from resolver.upstream.peer import Peer
from resolver.upstream.tcp import TcpPeer
from resolver.upstream.udp import UdpPeer
from resolver.wire.message import Message, decode_message
from resolver.wire.resolving import read_record

MAX_PEERS: Final = 512
"""Servers to which a node keeps a socket; site records from outside name any number of ports."""

MAX_IN_FLIGHT: Final = 10_000
"""Requests to one server without an answer; more are not sent. As many as a node has under way: a
bulk of registrations asks its parent about the same rights by thousands at once."""

_REMEMBERED: Final = 512
_REMEMBERED_OCTETS: Final = 4096
"""Replies about prefixes that are kept decoded, and octets of the longest."""

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

PeerKind = tuple[Transport, Callable[[str, int], Peer]]

PEERS: Final[Mapping[str, PeerKind]] = {
    "tcp": (Transport.TCP, TcpPeer),
    "udp": (Transport.UDP, UdpPeer),
    "http": (Transport.HTTP, HttpPeer),
}
"""Transports by name: a new one is a file here and a line in this table."""


@dataclass(slots=True)
class Way:
    """One transport of a server."""

    transport: str
    host: str
    port: int
    name: str


@dataclass(slots=True)
class Target:
    """A server as it is asked.

    Attributes:
        ways: the one that brought an answer last comes first.
        forbidden: why it is never asked; empty if it may be.
    """

    server: Server
    ways: list[Way]
    health: Health
    forbidden: str


class Servers:
    """All the servers that were asked lately.

    Attributes:
        counters: where exchanges are counted.
        budget: how often a request may go out again.
        secret: what the servers of this network know.
    """

    def __init__(
        self,
        prefer: Sequence[str],
        allowed: Sequence[IPv4Network | IPv6Network],
        counters: Counters,
        kinds: Mapping[str, PeerKind],
        names: Mapping[str, str],
        secret: bytes = b"",
    ) -> None:
        """
        Args:
            prefer: transports in the order in which they are tried.
            allowed: networks whose servers may be asked.
            counters: where exchanges are counted.
            kinds: what the names in ``prefer`` mean.
            names: of the servers of this network, by ``host:port``, for metrics; all others share
                a name.
            secret: what these know.
        """
        self.secret: Final = secret
        self.counters: Final = counters
        self.budget: Final = Budget()
        self._prefer: Final = tuple(prefer)
        self._allowed: Final = tuple(allowed)
        self._kinds: Final = kinds
        self._names: Final = names
        self._peers: Final[OrderedDict[tuple[str, str, int], Peer]] = OrderedDict()
        self._targets: Final[dict[int, Target]] = {}
        self._healths: Final[OrderedDict[tuple[str, int], Health]] = OrderedDict()
        self._decoded: Final[dict[bytes, Message]] = {}
        self._closing: Final[set[asyncio.Future[None]]] = set()

    def target(self, server: Server) -> Target:
        """How ``server`` is asked."""
        # By identity: the same decoded record serves many requests, and its hash is slow.
        target = self._targets.get(id(server))
        if target is not None and target.server is server:
            return target
        if len(self._targets) >= MAX_PEERS:
            self._targets.clear()
        host = str(server.address)
        ways = []
        for transport in self._prefer:
            port = server.port(self._kinds[transport][0])
            if port is not None:
                ways.append(Way(transport, host, port, format_address(host, port)))
        forbidden = ""
        if not any(server.address in network for network in self._allowed):
            forbidden = f"{host} is outside the networks that may be asked"
        elif not ways:
            forbidden = f"{host} offers none of {self._prefer}"
        target = Target(server, ways, self._health(host, ways), forbidden)
        self._targets[id(server)] = target
        return target

    def is_ours(self, target: Target) -> bool:
        """Whether a server is of this network, and known to have its secret."""
        return bool(self.secret) and target.health.label != UNNAMED

    def trouble(self, target: Target, now: float) -> str:
        """Why a server is not asked now; empty if it is."""
        health = target.health
        if target.forbidden:
            return target.forbidden
        if health.in_flight >= MAX_IN_FLIGHT:
            return f"{health.name} has {health.in_flight} requests to answer"
        if not health.admits(now):
            return f"{health.name} is left alone after {health.failures} failures in a row"
        return ""

    def peer(self, way: Way) -> Peer:
        """The peer at the end of ``way``."""
        key = (way.transport, way.host, way.port)
        peer = self._peers.get(key)
        if peer is None:
            if len(self._peers) >= MAX_PEERS:
                # The one that was asked longest ago; whoever still waits there asks elsewhere.
                _, oldest = self._peers.popitem(last=False)
                closing = asyncio.ensure_future(oldest.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            peer = self._peers[key] = self._kinds[way.transport][1](way.host, way.port)
        else:
            self._peers.move_to_end(key)
        return peer

    def decoded(self, octets: bytes, handle: str) -> Message:
        """The message that ``octets`` are, a reply about ``handle``. What is said about a prefix is
        said again and again: such a reply is decoded once, and its envelope and expiration are
        those of the first time.

        Raises:
            WireError: they are none.
        """
        if not is_prefix_handle(handle) or len(octets) > _REMEMBERED_OCTETS:
            return read_record(octets) or decode_message(octets)
        key = octets[:8] + octets[12:36] + octets[40:]
        message = self._decoded.get(key)
        if message is None:
            message = decode_message(octets)
            if len(self._decoded) >= _REMEMBERED:
                self._decoded.clear()
            self._decoded[key] = message
        return message

    def healths(self) -> list[Health]:
        """How the servers do that were asked lately."""
        return list(self._healths.values())

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(peer.close() for peer in self._peers.values()), *self._closing)

    def _health(self, host: str, ways: list[Way]) -> Health:
        port = ways[0].port if ways else 0
        health = self._healths.get((host, port))
        if health is None:
            if len(self._healths) >= MAX_PEERS:
                self._healths.popitem(last=False)
            name = format_address(host, port)
            health = Health(name, self._names.get(name, UNNAMED))
            self._healths[host, port] = health
        return health
