"""The UDP door: datagrams of at most 512 octets, long messages in fragments (docs/protocol.md §1).

Rules: datagrams are taken from the socket in batches. Those with a ready answer are answered
together (``resolver.transport.ready``), all others one by one: an answer that is there at once is
sent at once, without a task; one that has to be resolved first gets a task, of which there are at
most ``UdpLimits.pending``. Nothing a client sends makes the door raise.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Final

from resolver.model.errors import WireError
from resolver.transport.batches import BATCH, STARTS, Address, Datagrams, datagrams
from resolver.transport.door import Service
from resolver.transport.elsewhere import Elsewhere, is_for_the_first
from resolver.transport.ready import slots
from resolver.wire.answer import Client
from resolver.wire.envelope import MAX_DATAGRAM
from resolver.wire.fragments import FRAGMENT_LIFETIME_S, Reassembler, fragment

MAX_BATCHES: Final = 8
"""Taken before others get their turn."""

SLOTS: Final = slots(STARTS)


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


class UdpDoor:
    """One bound UDP socket."""

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        limits: UdpLimits,
        through: Datagrams,
        elsewhere: Elsewhere | None = None,
        number: int = 0,
    ) -> None:
        """
        Args:
            through: how ``sock`` is read and written in batches.
            elsewhere: who takes messages that are not for this process.
            number: of this door, among those of the node.
        """
        self._elsewhere: Final = elsewhere
        self._number: Final = number
        self._service: Final = service
        self._socket: Final = sock
        self._limits: Final = limits
        self._through: Final = through
        self._reassembler: Final = Reassembler(timeout=limits.fragment_s)
        self._dropped = 0
        self._pending: Final[set[asyncio.Task[None]]] = set()
        self._loop: Final = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._readable)
        self._timer = self._loop.call_later(limits.tick_s, self._tick)

    async def close(self) -> None:
        """Finish what is pending, then close the socket."""
        self._timer.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        """Called by the loop when something has arrived."""
        through, ready = self._through, self._service.ready("udp")
        for _ in range(MAX_BATCHES):
            started = time.perf_counter()
            count = through.receive()
            if not count:
                return
            missed: list[int] | range = range(count)
            if ready is not None:
                replies, missed = ready.datagrams(
                    through.octets, through.sizes, SLOTS, time.monotonic(), int(time.time())
                )
                if replies:
                    for _ in range(through.reply(replies, missed)):
                        self._service.rejected("udp", "unsent")
                    ready.sent(len(replies), time.perf_counter() - started)
            octets, sizes = through.octets, through.sizes
            for number in missed:
                at = STARTS[number]
                self._received(octets[at : at + sizes[number]], through.sender(number))
            if count < BATCH:
                return

    def _received(self, data: bytes, addr: Address) -> None:
        """One datagram that has no ready answer."""
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
        if self._elsewhere is not None and is_for_the_first(message):
            if not self._elsewhere.take_datagram(self._number, message, addr):
                self._service.rejected("udp", "overload")
            return
        self.answer(message, addr)

    def answer(self, message: bytes, addr: Address) -> None:
        """Answer one whole message, whichever process received it."""
        outcome = self._service.receive(message, Client("udp", addr[0], addr[1]))
        if isinstance(outcome, list):
            self._send(outcome, addr)
        elif len(self._pending) >= self._limits.pending:
            self._service.rejected("udp", "overload")
            if isinstance(outcome, Coroutine):
                outcome.close()
        else:
            task = self._loop.create_task(self._send_later(outcome, addr))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _send_later(self, outcome: Awaitable[list[bytes]], addr: Address) -> None:
        self._send(await outcome, addr)

    def _send(self, messages: list[bytes], addr: Address) -> None:
        try:
            for message in messages:
                for datagram in fragment(message):
                    self._socket.sendto(datagram, addr)
        except OSError:
            # The socket's buffer is full, or whoever asked is not there any more; they ask again.
            self._service.rejected("udp", "unsent")

    def _tick(self) -> None:
        """Count the messages that were given up, by now or on the way."""
        self._reassembler.expire(time.monotonic())
        for _ in range(self._reassembler.dropped - self._dropped):
            self._service.rejected("udp", "fragment")
        self._dropped = self._reassembler.dropped
        self._timer = self._loop.call_later(self._limits.tick_s, self._tick)


async def serve_udp(
    service: Service,
    sock: socket.socket,
    limits: UdpLimits | None = None,
    elsewhere: Elsewhere | None = None,
    number: int = 0,
) -> UdpDoor:
    """Open a door on a bound UDP socket, IPv4 or IPv6."""
    sock.setblocking(False)
    limits = limits or UdpLimits()
    return UdpDoor(service, sock, limits, datagrams(sock), elsewhere, number)
