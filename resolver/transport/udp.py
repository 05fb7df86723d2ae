"""The UDP door: datagrams of at most 512 octets, long messages in fragments (docs/protocol.md §1).

Rules: datagrams are taken from the socket in batches. Those with a ready answer are answered
together (``resolver.transport.ready``) and wait for no others: the rest stands in a queue, of which
a little is done between two looks at the socket. So a flood of questions that take work does not
hold up those that take none. When the queue is full, the answer is "too busy" (code 3) at once; who
has stood in it longer than clients wait is not answered any more. An answer that is there at once
is sent at once; of those that have to be resolved first there are at most ``UdpLimits.pending`` at
a time. Nothing a client sends makes the door raise.
"""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Coroutine, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Final

from resolver.model.errors import WireError
from resolver.transport.access import AccessLog
from resolver.transport.admission import AMPLIFICATION, client_of
from resolver.transport.batches import BATCH, STARTS, Address, Datagrams, datagrams
from resolver.transport.door import Service
from resolver.transport.elsewhere import Elsewhere, is_for_the_first
from resolver.transport.shapes import slots
from resolver.wire.answer import Client
from resolver.wire.busy import BusyReplies
from resolver.wire.envelope import MAX_DATAGRAM, TRUNCATED
from resolver.wire.fragments import FRAGMENT_LIFETIME_S, Reassembler, fragment

MAX_BATCHES: Final = 8
"""Taken before others get their turn."""

AT_A_TIME: Final = 16
"""Requests that take work, done before the socket is looked at again."""

SLOTS: Final = slots(STARTS)


@dataclass(frozen=True, slots=True)
class UdpLimits:
    """What one door allows.

    Attributes:
        pending: requests that wait for an answer at a time.
        waiting: requests that wait to be looked at.
        patience_s: seconds after which nobody waits for the answer to them; clients ask again
            after half a second to two.
        fragment_s: seconds the fragments of a message may be apart.
        tick_s: seconds between two looks at what is incomplete for too long.
    """

    pending: int = 10_000
    waiting: int = 2_000
    patience_s: float = 1.5
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
        self._waiting: Final[deque[tuple[bytes, Address, float]]] = deque()
        self._admission: Final = service.admission
        self._reassembler: Final = Reassembler(timeout=limits.fragment_s)
        self._busy: Final = BusyReplies()
        self._dropped = 0
        self._pending: Final[set[asyncio.Future[list[bytes]]]] = set()
        self._loop: Final = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._readable)
        self._timer = self._loop.call_later(limits.tick_s, self._tick)

    async def close(self) -> None:
        """Finish what is waiting and pending, then close the socket."""
        self._timer.cancel()
        while self._waiting:
            self._work()
        await asyncio.gather(*self._pending, return_exceptions=True)
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        """Called by the loop when something has arrived."""
        through, ready = self._through, self._service.ready("udp")
        was_idle = not self._waiting
        for _ in range(MAX_BATCHES):
            started = time.perf_counter()
            count = through.receive()
            if not count:
                break
            now, unix_now = time.monotonic(), int(time.time())
            octets, sizes = through.octets, through.sizes
            refused = self._refused(count, now) if self._admission.requests is not None else ()
            for number in refused:
                sizes[number] = 0
            missed: Sequence[int] = range(count)
            if ready is not None:
                replies, missed = ready.datagrams(octets, sizes, SLOTS, now, unix_now)
                if replies:
                    self._reply(replies, missed, now)
                    seconds = time.perf_counter() - started
                    ready.sent(len(replies), seconds)
                    if ready.access is not None:
                        self._tell(ready.access, octets, missed, seconds)
            if refused:
                missed = [number for number in missed if number not in refused]
            if missed:
                self._queue(missed, now, unix_now)
            if count < BATCH:
                break
        if was_idle and self._waiting:
            self._work()

    def _tell(
        self, access: AccessLog, octets: bytes, missed: Sequence[int], seconds: float
    ) -> None:
        """Tell the access log of what was answered of a batch."""
        sizes = self._through.sizes
        chosen = access.chosen(len(sizes) - len(missed))
        if not chosen:
            return
        passed = set(missed)
        answered = [number for number in range(len(sizes)) if number not in passed]
        for place in chosen:
            number = answered[place]
            at = STARTS[number]
            host = self._through.sender(number)[0]
            access.message(octets[at : at + sizes[number]], "udp", host, seconds)

    def _reply(self, replies: list[bytes], missed: Sequence[int], now: float) -> None:
        """Send the replies to a batch but for those that were missed."""
        through = self._through
        if self._admission.known is not None:
            passed, octets, sizes = set(missed), through.octets, through.sizes
            numbers = [n for n in range(len(sizes)) if n not in passed]
            for place, number in enumerate(numbers):
                request = octets[STARTS[number] :][: sizes[number]]
                host = through.sender(number)[0]
                replies[place] = self._believable(replies[place], len(request), host, now)
        for _ in range(through.reply(replies, missed)):
            self._service.rejected("udp", "unsent")

    def _refused(self, count: int, now: float) -> Set[int]:
        """The numbers of the datagrams whose senders ask too much; they get no answer, as their
        addresses may be somebody else's."""
        buckets = self._admission.requests
        assert buckets is not None
        refused = {
            number
            for number in range(count)
            if not buckets.take(client_of(self._through.sender(number)[0]), now)
        }
        for _ in refused:
            self._service.shed("rate")
        return refused

    def _queue(self, numbers: Sequence[int], now: float, unix_now: int) -> None:
        """Let the datagrams with these numbers, which take some work, wait for their turn; those
        for which there is no room are answered at once that there is none."""
        through, waiting = self._through, self._waiting
        octets, sizes = through.octets, through.sizes
        room = max(0, self._limits.waiting - len(waiting))
        for number in numbers[:room]:
            at = STARTS[number]
            waiting.append((octets[at : at + sizes[number]], through.sender(number), now))
        if len(numbers) > room:
            self._turn_away(numbers[room:], unix_now)

    def _turn_away(self, numbers: Sequence[int], unix_now: int) -> None:
        """Answer the datagrams with these numbers that there is too much to do."""
        octets, sizes, reply_to = self._through.octets, self._through.sizes, self._busy.to
        self._service.shed("overload", len(numbers))
        replies, answered = [], set()
        for number in numbers:
            at = STARTS[number]
            reply = reply_to(octets[at : at + sizes[number]], unix_now)
            if reply is not None:
                replies.append(reply)
                answered.add(number)
        if replies:
            others = [number for number in range(len(sizes)) if number not in answered]
            for _ in range(self._through.reply(replies, others)):
                self._service.rejected("udp", "unsent")

    def _work(self) -> None:
        """Do some of what is waiting."""
        waiting, now = self._waiting, time.monotonic()
        for _ in range(min(AT_A_TIME, len(waiting))):
            data, addr, came_at = waiting.popleft()
            if now - came_at > self._limits.patience_s:
                self._service.shed("late")
            else:
                self._received(data, addr)
        if waiting:
            self._loop.call_soon(self._work)

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
            self._send(outcome, addr, len(message))
        elif len(self._pending) >= self._limits.pending:
            self._service.rejected("udp", "overload")
            if isinstance(outcome, Coroutine):
                outcome.close()
        else:
            future = asyncio.ensure_future(outcome)
            self._pending.add(future)
            future.add_done_callback(partial(self._send_later, addr, len(message)))

    def _send_later(self, addr: Address, asked: int, outcome: asyncio.Future[list[bytes]]) -> None:
        self._pending.discard(outcome)
        self._send(outcome.result(), addr, asked)

    def _send(self, messages: list[bytes], addr: Address, asked: int) -> None:
        """Send replies to a request of ``asked`` octets."""
        now = time.monotonic()
        try:
            for message in messages:
                believable = self._believable(message, asked, addr[0], now)
                datagrams = [believable] if believable is not message else fragment(message)
                for datagram in datagrams:
                    self._socket.sendto(datagram, addr)
        except OSError:
            # The socket's buffer is full, or whoever asked is not there any more; they ask again.
            self._service.rejected("udp", "unsent")

    def _believable(self, message: bytes, asked: int, host: str, now: float) -> bytes:
        """``message``, or only its beginning if it is long and the client may have lied about its
        address: then it learns that there is more, and asks over TCP."""
        known = self._admission.known
        if known is None or len(message) <= AMPLIFICATION * asked or known.knows(host, now):
            return message
        self._service.shed("unconfirmed")
        cut = bytearray(message[: min(AMPLIFICATION * asked, MAX_DATAGRAM)])
        cut[2] |= TRUNCATED
        return bytes(cut)

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
