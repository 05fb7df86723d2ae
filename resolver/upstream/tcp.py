"""Persistent, pipelined TCP connections to upstreams.

Rules: one connection per peer carries everything in flight, matched by request id. A peer that
closes after each answer, as Handle.Net servers do, is noticed when what was pipelined behind the
first answer gets none; from then on it is asked one request per connection.
"""

import asyncio
from typing import Final, cast

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError, WireError
from resolver.upstream.pending import PendingTable
from resolver.wire.stream import FrameReader

_REQUEST_ID: Final = slice(8, 12)


class ConnectionLost(UpstreamError):
    """The peer closed the connection, after so many ``answers``."""

    def __init__(self, peer: str, answers: int) -> None:
        super().__init__(f"{peer} closed the connection")
        self.answers: Final = answers


class TcpConnection(asyncio.Protocol):
    """One connection to one peer."""

    def __init__(self, peer: str) -> None:
        self._peer: Final = peer
        self._frames: Final = FrameReader()
        self._pending: Final = PendingTable()
        self._transport: asyncio.Transport | None = None
        self._answers = 0
        self._gone: Final = asyncio.Event()
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are no asyncio.Transport by inheritance, only by what they do.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        try:
            messages = self._frames.feed(data)
        except WireError as error:
            self._pending.fail(UpstreamError(f"{self._peer} sent nonsense: {error}"))
            self.close()
            return
        for message in messages:
            self._answers += 1
            self._pending.deliver(int.from_bytes(message[_REQUEST_ID], "big"), message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.closed = True
        self._gone.set()
        self._pending.fail(ConnectionLost(self._peer, self._answers))

    async def ask(self, octets: bytes) -> bytes:
        """Send a request, whose id is replaced by a free one, and wait for the reply.

        Raises:
            UpstreamError: the connection was lost.
        """
        if self._transport is None or self.closed:
            raise ConnectionLost(self._peer, self._answers)
        request_id, reply = self._pending.add()
        try:
            self._transport.write(octets[:8] + request_id.to_bytes(4, "big") + octets[12:])
            return await reply
        finally:
            self._pending.discard(request_id)

    def close(self) -> None:
        """Close the connection; what is not sent yet stays unsent."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        await self._gone.wait()


class TcpPeer:
    """One peer, reached over TCP."""

    def __init__(self, host: str, port: int) -> None:
        self._host: Final = host
        self._port: Final = port
        self._name: Final = format_address(host, port)
        self._connection: TcpConnection | None = None
        self._connecting: asyncio.Task[TcpConnection] | None = None
        self._one_shot = False
        self._closed = False

    async def ask(self, octets: bytes) -> bytes:
        """The reply to an encoded request.

        Raises:
            UpstreamError: the peer cannot be reached, or closed the connection.
        """
        if self._one_shot:
            return await self._ask_alone(octets)
        connection = await self._shared()
        try:
            return await connection.ask(octets)
        except ConnectionLost as error:
            # A kept connection may have been closed while it was idle, or by a peer that answers
            # only the first request of each; either way a fresh one settles it.
            if self._closed or not error.answers:
                raise
            self._one_shot = error.answers == 1
            return await self._ask_alone(octets)

    async def close(self) -> None:
        """Close the shared connection; who waits for it or on it gets an UpstreamError."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait((self._connecting,))
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()

    async def _ask_alone(self, octets: bytes) -> bytes:
        connection = await self._connect()
        try:
            return await connection.ask(octets)
        finally:
            connection.close()

    async def _shared(self) -> TcpConnection:
        if self._connection is None or self._connection.closed:
            if self._connecting is None:
                self._connecting = asyncio.ensure_future(self._connect_shared())
                self._connecting.add_done_callback(self._connected)
            return await asyncio.shield(self._connecting)
        return self._connection

    def _connected(self, task: asyncio.Task[TcpConnection]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()

    async def _connect_shared(self) -> TcpConnection:
        try:
            return await self._connect()
        except asyncio.CancelledError:
            # All who wait are shielded from each other: only ``close`` cancels this.
            raise UpstreamError(f"the connection to {self._name} was closed") from None

    async def _connect(self) -> TcpConnection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: TcpConnection(self._name), self._host, self._port
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise UpstreamError(f"{self._name} cannot be reached: {reason}") from None
        return connection
