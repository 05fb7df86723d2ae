"""Persistent, pipelined TCP connections to upstreams.

Rules: a few connections per peer carry everything in flight, matched by request id; a further one
is opened only when many requests wait on each, as a peer that answers in order lets the quick ones
wait for the slow ones. A peer that closes after each answer, as Handle.Net servers do, is noticed
when what was pipelined behind the first answer gets none; from then on it is asked one request per
connection.
"""

import asyncio
from typing import Final, cast

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError, WireError
from resolver.upstream.peer import Heard, Peer, Sent, random_ids, with_id
from resolver.wire.stream import FrameReader

MAX_CONNECTIONS: Final = 3
BUSY: Final = 256
"""Requests that wait on a connection before another one is opened."""


class ConnectionLost(UpstreamError):
    """The peer closed the connection, after so many ``answers``."""

    def __init__(self, peer: str, answers: int) -> None:
        super().__init__(f"{peer} closed the connection")
        self.answers: Final = answers


class TcpPeer(Peer):
    """One peer, reached over TCP."""

    def __init__(self, host: str, port: int, connections: int = MAX_CONNECTIONS) -> None:
        """``connections``: that may be shared by requests at a time."""
        self.name: Final = format_address(host, port)
        self.closed = False
        self.one_shot = False
        self._address: Final = (host, port)
        self._most: Final = connections
        self._loop: Final = asyncio.get_running_loop()
        self._connections: Final[list[TcpConnection]] = []

    def send(self, octets: bytes, heard: Heard) -> Sent:
        """See ``Peer``."""
        request = _Request(octets, heard)
        self.carry(request)
        return request

    def carry(self, request: "_Request", *, alone: bool = False) -> None:
        """Send ``request`` over a connection of the peer; ``alone``: over one of its own."""
        connection = self._free()
        if alone or self.one_shot or connection is None:
            connection = TcpConnection(self, alone=alone or self.one_shot)
            self._connections.append(connection)
            connection.open(self._loop, *self._address)
        connection.carry(request)

    def forget(self, connection: "TcpConnection") -> None:
        """The connection is no more."""
        if connection in self._connections:
            self._connections.remove(connection)

    async def close(self) -> None:
        """See ``Peer``."""
        self.closed = True
        await asyncio.gather(*(connection.close() for connection in self._connections[:]))

    def _free(self) -> "TcpConnection | None":
        """The shared connection on which the fewest wait; None if another one is due."""
        shared = [connection for connection in self._connections if not connection.alone]
        best = min(shared, key=lambda connection: len(connection.waiting), default=None)
        if best is None or (len(best.waiting) >= BUSY and len(shared) < self._most):
            return None
        return best


class TcpConnection(asyncio.Protocol):
    """One connection to one peer; ``alone``: for one request only."""

    def __init__(self, peer: TcpPeer, *, alone: bool) -> None:
        self.alone: Final = alone
        self.waiting: Final[dict[int, _Request]] = {}
        """By id, the requests without an answer."""
        self._peer: Final = peer
        self._ids: Final = random_ids()
        self._frames: Final = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._answers = 0
        self._unsent: list[bytes] = []
        self._opening: asyncio.Task[None] | None = None
        self._gone: Final = asyncio.Event()

    def open(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        """Begin to connect."""
        self._opening = loop.create_task(self._connect(loop, host, port))

    def carry(self, request: "_Request") -> None:
        """Send a request, or keep it until the connection is there."""
        while (number := next(self._ids)) in self.waiting:
            pass
        request.connection, request.number = self, number
        self.waiting[number] = request
        octets = with_id(request.octets, number)
        if self._transport is None:
            self._unsent.append(octets)
        else:
            self._transport.write(octets)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are no asyncio.Transport by inheritance, only by what they do.
        self._transport = cast(asyncio.Transport, transport)
        unsent, self._unsent = self._unsent, []
        self._transport.write(b"".join(unsent))

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        try:
            messages = self._frames.feed(data)
        except WireError as error:
            self._fail(UpstreamError(f"{self._peer.name} sent nonsense: {error}"))
            self._shut()
            return
        for message in messages:
            self._answers += 1
            request = self.waiting.pop(int.from_bytes(message[8:12], "big"), None)
            if request is not None:
                request.heard(message)
        if self.alone and messages:
            self._shut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._peer.forget(self)
        self._gone.set()
        # A kept connection may have been closed while it was idle, or by a peer that answers only
        # the first request of each; either way a fresh one settles it.
        if self.alone or self._peer.closed or not self._answers:
            self._fail(ConnectionLost(self._peer.name, self._answers))
            return
        requests = list(self.waiting.values())
        self.waiting.clear()
        if requests:
            self._peer.one_shot = self._answers == 1
        for request in requests:
            self._peer.carry(request, alone=True)

    async def close(self) -> None:
        """Close the connection; what is not sent yet stays unsent."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait((self._opening,))
        self._shut()
        if self._transport is not None:
            await self._gone.wait()

    async def _connect(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        name = self._peer.name
        try:
            await loop.create_connection(lambda: self, host, port)
        except OSError as error:
            self._peer.forget(self)
            reason = error.strerror or str(error)
            self._fail(UpstreamError(f"{name} cannot be reached: {reason}"))
        except asyncio.CancelledError:
            self._peer.forget(self)
            self._fail(UpstreamError(f"the connection to {name} was closed"))
            raise

    def _fail(self, error: UpstreamError) -> None:
        while self.waiting:
            self.waiting.popitem()[1].heard(error)

    def _shut(self) -> None:
        self._peer.forget(self)
        if self._transport is not None:
            self._transport.abort()


class _Request:
    """A request on a connection, or on its way to another one."""

    __slots__ = ("connection", "heard", "number", "octets")

    def __init__(self, octets: bytes, heard: Heard) -> None:
        self.octets: Final = octets
        self.heard: Final = heard
        self.number = 0
        self.connection: TcpConnection | None = None

    def cancel(self) -> None:
        """See ``Sent``."""
        if self.connection is not None:
            self.connection.waiting.pop(self.number, None)
