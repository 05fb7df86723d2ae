"""The TCP door: persistent, pipelined connections (docs/protocol.md §1, §15).

Rules: answers leave in the order of their requests, by which some clients match them; all that are
ready leave in one write, as some expect a whole envelope in one read. KPAL is ignored: connections
stay open until the client closes, sends nonsense, does not read, or is silent too long.
"""

import asyncio
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass
from functools import partial
from typing import Final, cast
from weakref import WeakSet

from resolver.model.codes import OpCode
from resolver.transport.admission import client_of
from resolver.transport.door import Service
from resolver.transport.elsewhere import TCP, Elsewhere, adopt, is_for_the_first
from resolver.transport.rpc import Control, ControlConnection
from resolver.wire.answer import Client
from resolver.wire.rpc import CALL_OCTET
from resolver.wire.stream import FrameReader, OversizeError, frame_end

MAX_PENDING: Final = 4096
"""Requests of one connection that wait for an answer before it is read from again."""

_RESOLVE: Final = OpCode.RESOLVE.to_bytes(4, "big")

MAX_CONTROLS: Final = 2000
"""Connections of the control plane; a node has a thousand children at most."""


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """What one door allows.

    Attributes:
        idle_s: seconds without a message before a connection is closed.
        message_s: seconds a message may take to arrive once it has begun.
        connections: open at a time, in all.
        connections_per_client: open at a time from one address.
        drain_s: seconds a client has to take its last answers.
        answer_s: seconds in which they have to be there, once the door is closed.
        tick_s: seconds between two looks at what is too slow or too quiet.
    """

    idle_s: float = 600.0
    message_s: float = 10.0
    connections: int = 10_000
    connections_per_client: int = 2_000
    drain_s: float = 3.0
    answer_s: float = 10.0
    tick_s: float = 1.0


class TcpDoor:
    """One listening socket and the connections it accepted."""

    def __init__(
        self, service: Service, limits: TcpLimits, elsewhere: Elsewhere | None = None
    ) -> None:
        """``elsewhere``: who takes connections that are not for this process."""
        self.service: Final = service
        self.limits: Final = limits
        self.elsewhere: Final = elsewhere
        self.connections: Final[set[Connection]] = set()
        self.controls: Final[WeakSet[ControlConnection]] = WeakSet()
        self.per_client: Final[Counter[str]] = Counter()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, sock: socket.socket) -> None:
        """Start to accept connections."""
        make, loop = partial(Connection, self), asyncio.get_running_loop()
        self._server = await loop.create_server(make, sock=sock, backlog=1024)
        self._tick()

    async def adopt(self, sock: socket.socket, data: bytes) -> None:
        """Go on with a connection that another process has accepted and read ``data`` from."""
        await adopt(partial(Connection, self), sock, data)

    async def close(self) -> None:
        """Stop accepting, answer what was asked, close."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for control in self.controls:
            control.close()
        await asyncio.gather(*(connection.drain() for connection in set(self.connections)))

    def _tick(self) -> None:
        """Close what is too slow or too quiet; one timer for all connections."""
        now = time.monotonic()
        for connection in list(self.connections):
            connection.check(now)
        self._timer = asyncio.get_running_loop().call_later(self.limits.tick_s, self._tick)


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, door: TcpDoor) -> None:
        self._door: Final = door
        self._frames: Final = FrameReader()
        self._ready: Final = door.service.ready("tcp")
        self._replies: Final[deque[list[bytes] | asyncio.Future[list[bytes]]]] = deque()
        self._waiting = 0
        self._waited_for: asyncio.Future[list[bytes]] | None = None
        self._transport: asyncio.Transport | None = None
        self._client = Client("tcp", "", 0)
        self._heard_at = time.monotonic()
        self._begun_at: float | None = None
        self._is_new = True
        self._ending = False
        self._writable = True
        self._reading = True
        self._aborting: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._leaving: bytes | None = None
        self._asked = 0
        self._in_debt: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop when a client connects."""
        # A client that has reset its connection before it was accepted has no name any more.
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        # uvloop's transports are no asyncio.Transport by inheritance, only by what they do.
        self._transport = cast("asyncio.Transport", transport)
        self._client = Client("tcp", host, port, connection=self)
        door, limits = self._door, self._door.limits
        if door.service.admission.known is not None:
            door.service.admission.known.seen(host, time.monotonic())
        door.connections.add(self)
        door.per_client[host] += 1
        if (
            len(door.connections) > limits.connections
            or door.per_client[host] > limits.connections_per_client
        ):
            door.service.rejected("tcp", "too many connections")
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the connection is gone."""
        door = self._door
        door.connections.discard(self)
        door.per_client[self._client.host] -= 1
        if not door.per_client[self._client.host]:
            del door.per_client[self._client.host]
        for timer in (self._aborting, self._in_debt):
            if timer is not None:
                timer.cancel()
        self._replies.clear()
        self._waiting = 0
        self._transport = None
        # No cycle is left behind: memory is free at once, without a search for garbage.
        self._client = Client("tcp", self._client.host, self._client.port)
        self._drained.set()

    def data_received(self, data: bytes) -> None:
        """Called by the loop with whatever has arrived."""
        if self._ending:
            return
        if self._leaving is not None:
            self._leaving += data
            return
        service, now = self._door.service, time.monotonic()
        self._heard_at = now
        if self._is_new:
            self._is_new = False
            if data[0] == CALL_OCTET and self._door.elsewhere is not None:
                self._leave(data)
                self._flush()
                return
            if data[0] == CALL_OCTET and service.control is not None:
                self._hand_over(service.control, data)
                return
        frames, at, answered = self._frames, 0, False
        try:
            if frames.buffered:
                message, at = frames.finish(data)
                answered = self._answer(message, 0) > 0
                if self._is_leaving:
                    self._leave(message + data[at:])
                    self._flush()
                    return
            end = self._answer(data, at)
        except OversizeError as error:
            service.rejected("tcp", "oversize")
            self._receive(error.envelope)
            self._end()
            return
        frames.hold(data[end:])
        if self._door.service.admission.requests is not None:
            self._charge(now)
        if answered or end > at or self._begun_at is None:
            self._begun_at = now if frames.buffered else None
        self._flush()

    def _hand_over(self, control: Control, data: bytes) -> None:
        """This is the control plane (``resolver.transport.rpc``); the door forgets it."""
        transport = self._transport
        assert transport is not None
        self.connection_lost(None)
        if len(self._door.controls) >= MAX_CONTROLS:
            self._door.service.rejected("tcp", "too many connections")
            transport.close()
            return
        connection = ControlConnection(control)
        self._door.controls.add(connection)
        connection.take_over(transport, data)

    def eof_received(self) -> bool:
        """Called by the loop when the client will send no more; what it asked is still answered."""
        if self._frames.buffered and not self._ending:
            self._door.service.rejected("tcp", "half-closed")
            self._receive(self._frames.unfinished)
        self._end()
        return True

    def pause_writing(self) -> None:
        """Called by the loop when the client does not read."""
        self._writable = False
        self._regulate()

    def resume_writing(self) -> None:
        """Called by the loop when the client reads again."""
        self._writable = True
        if self._is_leaving:
            self._left()
        else:
            self._regulate()

    def check(self, now: float) -> None:
        """Close the connection if it has been silent, or a message under way, for too long."""
        limits = self._door.limits
        if self._reading and self._begun_at and now - self._begun_at > limits.message_s:
            self._door.service.rejected("tcp", "timeout")
            self._begun_at = None
            self._end()
        elif not self._replies and now - self._heard_at > limits.idle_s:
            self._end()

    def abort(self) -> None:
        """Cut the client off."""
        if self._transport is not None:
            self._transport.abort()

    async def drain(self) -> None:
        """Answer what was asked within ``TcpLimits.answer_s``, close, and wait until it is done."""
        if self._is_leaving:
            self.abort()
        self._end()
        try:
            async with asyncio.timeout(self._door.limits.answer_s):
                await self._drained.wait()
        except TimeoutError:
            self.abort()
            await self._drained.wait()

    def _answer(self, octets: bytes, at: int) -> int:
        """Answer the whole messages in ``octets`` from ``at`` on; where the first begins that is
        not there to its end."""
        ready, elsewhere = self._ready, self._door.elsewhere
        while not self._is_leaving:
            if ready is not None and octets[at + 20 : at + 24] == _RESOLVE:
                started = time.perf_counter()
                replies, at = ready.stream(octets, at, time.monotonic(), int(time.time()))
                if replies:
                    self._replies.append(replies)
                    self._waiting += len(replies)
                    self._asked += len(replies)
                    ready.sent(len(replies), time.perf_counter() - started)
            end = frame_end(octets, at)
            if not end:
                return at
            if elsewhere is not None and is_for_the_first(octets[at:end]):
                self._leave(octets[at:])
            else:
                self._receive(octets[at:end])
                at = end
        return len(octets)

    @property
    def _is_leaving(self) -> bool:
        return self._leaving is not None

    def _leave(self, data: bytes) -> None:
        """Let another process go on with this connection, as soon as all is answered that came
        before ``data``."""
        self._leaving = data
        if self._transport is not None:
            self._transport.pause_reading()
            self._transport.set_write_buffer_limits(0)

    def _left(self) -> None:
        """Hand the connection over, if nothing is left to say."""
        transport, elsewhere = self._transport, self._door.elsewhere
        if transport is None or elsewhere is None or self._leaving is None or self._replies:
            return
        if transport.get_write_buffer_size() or transport.is_closing():
            return
        sock, data = transport.get_extra_info("socket"), self._leaving
        if not elsewhere.take_connection(TCP, sock, data):
            self._door.service.rejected("tcp", "overload")
        transport.abort()

    def _receive(self, message: bytes) -> None:
        outcome = self._door.service.receive(message, self._client)
        self._replies.append(
            outcome if isinstance(outcome, list) else asyncio.ensure_future(outcome)
        )
        self._waiting += 1
        self._asked += 1

    def _charge(self, now: float) -> None:
        """Read no more for as long as it takes until the client may ask as much as it has."""
        buckets = self._door.service.admission.requests
        asked, self._asked = self._asked, 0
        if buckets is None or self._in_debt is not None:
            return
        wait = buckets.owe(client_of(self._client.host), now, asked)
        if wait > 0:
            self._door.service.shed("rate")
            self._in_debt = asyncio.get_running_loop().call_later(wait, self._out_of_debt)
            self._regulate()

    def _out_of_debt(self) -> None:
        self._in_debt = None
        self._regulate()

    def _resolved(self, future: asyncio.Future[list[bytes]]) -> None:
        self._waited_for = None
        self._flush()

    def _flush(self) -> None:
        """Write every answer that no earlier one holds back, all at once."""
        transport, replies = self._transport, self._replies
        if transport is None:
            return
        ready: list[bytes] = []
        while replies:
            reply = replies[0]
            if isinstance(reply, asyncio.Future):
                if not reply.done():
                    # Only the oldest open answer can set others free.
                    if self._waited_for is not reply:
                        self._waited_for = reply
                        reply.add_done_callback(self._resolved)
                    break
                ready += reply.result()
                self._waiting -= 1
            else:
                ready += reply
                self._waiting -= len(reply)
            replies.popleft()
        if ready:
            transport.write(b"".join(ready))
        if self._is_leaving:
            self._left()
            return
        self._regulate()
        if self._ending and not replies and self._aborting is None:
            transport.close()
            self._aborting = asyncio.get_running_loop().call_later(
                self._door.limits.drain_s, transport.abort
            )

    def _end(self) -> None:
        """Read no more; close as soon as everything is answered."""
        self._ending = True
        self._flush()

    def _regulate(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        may_wait = self._waiting < MAX_PENDING and self._in_debt is None
        wanted = self._writable and not self._ending and may_wait
        if wanted and not self._reading:
            transport.resume_reading()
            if self._begun_at is not None:
                self._begun_at = time.monotonic()
        elif self._reading and not wanted:
            transport.pause_reading()
        self._reading = wanted


async def serve_tcp(
    service: Service,
    sock: socket.socket,
    limits: TcpLimits | None = None,
    elsewhere: Elsewhere | None = None,
) -> TcpDoor:
    """Open a door on a bound TCP socket, IPv4 or IPv6."""
    door = TcpDoor(service, limits or TcpLimits(), elsewhere)
    await door.open(sock)
    return door
