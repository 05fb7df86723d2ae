"""One request to one site: which server, which transport, and whether the reply is to be believed
(docs/protocol.md §12.5).

Rules: the responsible server is chosen by the handle's hash. Its transports are tried in the order
of preference until one brings a reply; all of them together have ``Ask.timeout``. A reply counts
only if it has the operation, and for a record the handle, that was asked for. Sites outside the
allowed networks are not asked: a site record comes from outside, and must not steer us inside.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Protocol

from resolver.model.address import format_address
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout, WireError
from resolver.model.handle import fold
from resolver.model.site import Protocol as Transport
from resolver.model.site import Server
from resolver.resolution import Ask, Reply
from resolver.security import is_signed_by
from resolver.telemetry.counters import Counters
from resolver.upstream.http import HttpPeer
from resolver.upstream.tcp import TcpPeer
from resolver.upstream.udp import UdpPeer
from resolver.wire.bodies import RecordAnswer, ResolveRequest, VerifyRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, digest_of, encode_message

LIFETIME_S: Final = 43200
MAX_PEERS: Final = 512
"""Servers to which a node keeps a socket; site records from outside name any number of ports."""

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


_OPERATIONS: Final[dict[type, OpCode]] = {
    ResolveRequest: OpCode.RESOLVE,
    VerifyRequest: OpCode.VERIFY_CHALLENGE,
}


class Peer(Protocol):
    """One server, reached over one transport."""

    async def ask(self, octets: bytes) -> bytes:
        """The reply to an encoded request, whose id the peer may replace."""

    async def close(self) -> None:
        """Let go of connections."""


PeerKind = tuple[Transport, Callable[[str, int], Peer]]

PEERS: Final[Mapping[str, PeerKind]] = {
    "tcp": (Transport.TCP, TcpPeer),
    "udp": (Transport.UDP, UdpPeer),
    "http": (Transport.HTTP, HttpPeer),
}
"""Transports by name: a new one is a file here and a line in this table."""


class Upstream:
    """All the servers a node or a client asks."""

    def __init__(
        self,
        *,
        prefer: Sequence[str] = ("tcp", "udp", "http"),
        allowed: Sequence[IPv4Network | IPv6Network] = LOOPBACK,
        counters: Counters | None = None,
        peers: Mapping[str, PeerKind] = PEERS,
    ) -> None:
        """
        Args:
            prefer: transports in the order in which they are tried.
            allowed: networks whose servers may be asked.
            counters: where exchanges are counted.
            peers: what the names in ``prefer`` mean.
        """
        self._prefer: Final = tuple(prefer)
        self._allowed: Final = tuple(allowed)
        self._counters: Final = counters or Counters()
        self._kinds: Final = peers
        self._peers: Final[OrderedDict[tuple[str, str, int], Peer]] = OrderedDict()
        self._closing: Final[set[asyncio.Future[None]]] = set()

    async def exchange(self, ask: Ask) -> Reply:
        """The reply of the site of ``ask``.

        Raises:
            UpstreamTimeout: nothing came in ``ask.timeout`` seconds.
            UpstreamError: the site cannot be reached, or its reply makes no sense.
        """
        server = ask.site.server_for(ask.handle)
        self._check_allowed(server)
        request = Message(
            envelope=Envelope(),
            op_code=_OPERATIONS[type(ask.request)],
            flags=ask.flags,
            recursion_count=ask.recursion_count,
            expiration=int(time.time()) + LIFETIME_S,
            body=ask.request,
        )
        started = time.perf_counter()
        self._counters.upstream_started()
        code: int | str = "error"
        try:
            async with asyncio.timeout(ask.timeout):
                reply = await self._ask_server(server, encode_message(request), ask, started)
            code = reply.message.response_code
        except TimeoutError:
            code = "timeout"
            raise UpstreamTimeout(
                f"{server.address} did not answer within {ask.timeout:.3g} s"
            ) from None
        finally:
            self._counters.upstream_finished(code, time.perf_counter() - started)
        return reply

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(peer.close() for peer in self._peers.values()), *self._closing)

    async def _ask_server(self, server: Server, octets: bytes, ask: Ask, started: float) -> Reply:
        host = str(server.address)
        troubles = []
        for transport in self._prefer:
            number, _ = self._kinds[transport]
            port = server.port(number)
            if port is None:
                continue
            name = format_address(host, port)
            try:
                reply = await self._peer(transport, host, port).ask(octets)
                message = _checked(reply, ask, name)
                if ask.flags & OpFlag.CERT:
                    _check_signature(reply, message, octets, server, name)
            except UpstreamError as error:
                troubles.append(str(error))
                continue
            return Reply(message, name, transport, time.perf_counter() - started)
        raise UpstreamError("; ".join(troubles) or f"{host} offers none of {self._prefer}")

    def _peer(self, transport: str, host: str, port: int) -> Peer:
        key = (transport, host, port)
        peer = self._peers.get(key)
        if peer is None:
            if len(self._peers) >= MAX_PEERS:
                # The one that was asked longest ago; whoever still waits there asks elsewhere.
                _, oldest = self._peers.popitem(last=False)
                closing = asyncio.ensure_future(oldest.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            peer = self._peers[key] = self._kinds[transport][1](host, port)
        else:
            self._peers.move_to_end(key)
        return peer

    def _check_allowed(self, server: Server) -> None:
        address = server.address
        if not any(address in network for network in self._allowed):
            raise UpstreamError(f"{address} is outside the networks that may be asked")


def _checked(octets: bytes, ask: Ask, peer: str) -> Message:
    try:
        message = decode_message(octets)
    except WireError as error:
        raise UpstreamError(f"{peer} sent nonsense: {error}") from None
    body = message.body
    success = message.response_code == ResponseCode.SUCCESS
    asked = _OPERATIONS[type(ask.request)]
    known = (asked,) if success else (asked, 0)
    if message.op_code not in known or not message.response_code:
        raise UpstreamError(f"{peer} answered another operation ({message.op_code})")
    if (
        message.response_code == ResponseCode.SUCCESS
        and isinstance(body, RecordAnswer)
        and fold(body.handle) != fold(ask.handle)
    ):
        raise UpstreamError(f"{peer} answered about another handle")
    return message


def _check_signature(
    reply: bytes, message: Message, request: bytes, server: Server, peer: str
) -> None:
    """Raise unless a success was signed by ``server``, in answer to this very request."""
    if message.response_code != ResponseCode.SUCCESS:
        return
    if not is_signed_by(reply, message, server.public_key):
        raise UpstreamError(f"{peer} did not sign its reply with the key of its site")
    if message.digest != digest_of(request, message.envelope.version):
        raise UpstreamError(f"{peer} signed the reply to another request")
