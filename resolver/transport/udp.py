"""The UDP door: datagrams of at most 512 octets, long messages in fragments (docs/protocol.md §1).

Rules: an answer that is ready is sent from within the callback, without a task; one that has to be
resolved first gets a task, of which there are at most ``UdpLimits.pending``. Nothing a client sends
makes the protocol raise.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Final, cast

from resolver.model.errors import WireError
from resolver.transport.door import Service
from resolver.wire.answer import Client
from resolver.wire.envelope import MAX_DATAGRAM
from resolver.wire.fragments import FRAGMENT_LIFETIME_S, Reassembler, fragment

Address = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class UdpLimits:
    """What one door allows.

    Attributes:
        pending: requests that wait for an answer at a time.
        fragment_s: seconds the fragments of a message may be apart.
        tick_s: seconds between two looks at what is incomplete for too long.
    """

    pending: int = 10_000
    fragment_s: float = FRAGMENT_LIFETIME_S
    tick_s: float = 1.0


class UdpDoor(asyncio.DatagramProtocol):
    """One bound UDP socket."""

    def __init__(self, service: Service, limits: UdpLimits) -> None:
        self._service: Final = service
        self._limits: Final = limits
        self._reassembler: Final = Reassembler(timeout=limits.fragment_s)
        self._dropped = 0
        self._pending: Final[set[asyncio.Task[None]]] = set()
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop when the door opens."""
        # uvloop's transports are no DatagramTransport by inheritance, only by what they do.
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._tick()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the socket is closed."""
        self._closed.set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Called by the loop for every datagram."""
        message: bytes | None = data
        # A longer datagram than the protocol allows reaches a real server cut to 512 octets.
        if len(data) > MAX_DATAGRAM:
            message = data[:MAX_DATAGRAM]
            self._service.rejected("udp", "oversize")
        else:
            try:
                message = self._reassembler.feed(data, addr, time.monotonic())
            except WireError:
                self._service.rejected("udp", "fragment")
        if message is None:
            return
        outcome = self._service.receive(message, Client("udp", addr[0], addr[1]))
        if isinstance(outcome, list):
            self._send(outcome, addr)
        elif len(self._pending) >= self._limits.pending:
            self._service.rejected("udp", "overload")
            if isinstance(outcome, Coroutine):
                outcome.close()
        else:
            task = asyncio.ensure_future(self._send_later(outcome, addr))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def close(self) -> None:
        """Finish what is pending, then close the socket."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    async def _send_later(self, outcome: Awaitable[list[bytes]], addr: Address) -> None:
        self._send(await outcome, addr)

    def _send(self, messages: list[bytes], addr: Address) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for message in messages:
            for datagram in fragment(message):
                self._transport.sendto(datagram, addr)

    def _tick(self) -> None:
        """Count the messages that were given up, by now or on the way."""
        self._reassembler.expire(time.monotonic())
        for _ in range(self._reassembler.dropped - self._dropped):
            self._service.rejected("udp", "fragment")
        self._dropped = self._reassembler.dropped
        self._timer = asyncio.get_running_loop().call_later(self._limits.tick_s, self._tick)


async def serve_udp(
    service: Service, sock: socket.socket, limits: UdpLimits | None = None
) -> UdpDoor:
    """Open a door on a bound UDP socket, IPv4 or IPv6."""
    _, door = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: UdpDoor(service, limits or UdpLimits()), sock=sock
    )
    return door
