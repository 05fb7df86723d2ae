"""The connections of a soak: sends blocks, compares what comes back.

Rules: a connection has so many blocks under way; when all answers of the oldest are there, it gets
the next. A block counts when its last answer has been looked at, with all of its answers; a block
that is lost with its connection counts for nothing and is asked again. An answer that belongs to no
request under way ends its connection, as nobody can tell what else is missing.

A new connection begins with all identifiers once, a few at a time, which counts for nothing: who
answers it may have nothing cached yet, and a few thousand questions at once that others have to be
asked about are another test than this one.

Answers must come in the order of the requests, as nodes of this project send them.
"""

import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.soak.blocks import Block, Workload
from resolver.model.errors import UpstreamError
from resolver.wire.message import LIFETIME_S
from resolver.wire.stream import OversizeError, frame_end

CONNECTIONS: Final = 8
"""The kernel shares connections out among the processes of a node by chance."""

WINDOW: Final = 1
"""Blocks under way on each connection."""

SILENCE_S: Final = 20.0
"""A connection on which nothing comes for so long is given up."""

PAUSE_S: Final = 0.5
ATTEMPTS: Final = 120
"""In a row without an answer in between, ``PAUSE_S`` apart, after which the node is given up."""

FIRST_ATTEMPTS: Final = 6
"""The same, of a node that has never answered."""

MAX_EXAMPLES: Final = 20
_RECEIVED: Final = 1 << 18
_RENEWED_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Done:
    """A block all of whose answers are there.

    Attributes:
        number: whose turn it was.
        requests: of it that count.
        failures: answers that were not right, by what was wrong.
        examples: of those, a line each.
    """

    number: int
    requests: int
    failures: Counter[str]
    examples: list[str]


@dataclass(slots=True)
class _Flight:
    """A block under way.

    Attributes:
        workload: that it belongs to.
        is_first: of those that a connection begins with.
        requests: that were asked, from the first one on.
        end: octets of the answers to them.
        arrived: octets that have been found right, or looked at.
        is_open: whether answers are taken one by one from here on.
    """

    workload: Workload
    is_first: bool
    number: int
    block: Block
    requests: int
    end: int
    arrived: int = 0
    is_open: bool = False
    left: set[int] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


class StrayAnswer(UpstreamError):
    """An answer came that nobody asked for."""


class _Connection:
    """One connection to the node."""

    def __init__(self, sock: socket.socket, first: Iterator[int], now: float) -> None:
        self.sock: Final = sock
        self.first: Final = first
        self.flights: Final[deque[_Flight]] = deque()
        self.heard_at = now
        self.unsent: Final[deque[memoryview]] = deque()
        self._buffer: Final = bytearray(_RECEIVED)
        self._view: Final = memoryview(self._buffer)
        self._held = bytearray()
        """The beginning of an answer, while answers are taken one by one."""

    def ask(self, flight: _Flight) -> bool:
        """Send the requests of a block; whether all went out at once."""
        self.flights.append(flight)
        octets = memoryview(flight.block.requests)
        self.unsent.append(octets[: flight.block.request_ends[flight.requests - 1]])
        return self.flush()

    def flush(self) -> bool:
        """Send what was left over; whether nothing is now."""
        unsent = self.unsent
        while unsent:
            try:
                sent = self.sock.send(unsent[0])
            except BlockingIOError:
                return False
            if sent < len(unsent[0]):
                unsent[0] = unsent[0][sent:]
                return False
            unsent.popleft()
        return True

    def receive(self, now: float) -> Iterator[_Flight]:
        """Look at what has arrived; the blocks that are complete with it.

        Raises:
            StrayAnswer: something came that nobody asked for.
            ConnectionError: the node has closed the connection.
        """
        try:
            count = self.sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        if not count:
            raise ConnectionResetError("the node closed the connection")
        self.heard_at = now
        yield from self._take(self._view[:count])

    def _take(self, octets: memoryview) -> Iterator[_Flight]:
        flights = self.flights
        while octets:
            if not flights:
                raise StrayAnswer("the node sends more answers than there were questions")
            flight = flights[0]
            if flight.is_open:
                octets = self._one_by_one(flight, octets)
                if flight.left or flight.arrived < flight.end:
                    return
            else:
                if not flight.arrived:
                    flight.block.take_over(octets)
                part = octets[: flight.end - flight.arrived]
                if not flight.block.replies.startswith(part, flight.arrived):
                    octets = self._open(flight, octets)
                    continue
                flight.arrived += len(part)
                octets = octets[len(part) :]
                if flight.arrived < flight.end:
                    return
            flights.popleft()
            yield flight

    def _open(self, flight: _Flight, octets: memoryview) -> memoryview:
        """From the answer on to which the next octet belongs, look at each one by itself; what
        is to be looked at, of which the beginning may have been found right already."""
        block = flight.block
        place = block.place_at(flight.arrived)
        start = block.reply_start(place)
        flight.is_open = True
        flight.left = set(range(place, flight.requests))
        self._held = bytearray(block.replies[start : flight.arrived])
        return octets

    def _one_by_one(self, flight: _Flight, octets: memoryview) -> memoryview:
        """Look at whole answers until the block has all of its own; what is left over."""
        held = self._held
        held += octets
        at = 0
        try:
            while flight.left and (end := frame_end(held, at)):
                self._look_at(flight, bytes(held[at:end]))
                at = end
        except OversizeError as error:
            raise StrayAnswer(f"the node sends what is no answer: {error}") from None
        rest = bytes(held[at:])
        self._held = bytearray()
        if flight.left:
            self._held += rest
            return memoryview(b"")
        flight.arrived = flight.end
        return memoryview(rest)

    def _look_at(self, flight: _Flight, message: bytes) -> None:
        block = flight.block
        place = block.place_of(message)
        if place is None or place not in flight.left:
            raise StrayAnswer("the node sends an answer that no request under way has the id of")
        flight.left.remove(place)
        wrong = block.verdict(place, message)
        if wrong:
            flight.failures[wrong] += 1
            if len(flight.examples) < MAX_EXAMPLES:
                flight.examples.append(f"{block.handles[place]}: {wrong}")


class Asking:
    """Asks one node for the blocks of a workload."""

    def __init__(
        self,
        address: tuple[str, int],
        workload: Workload,
        turns: Iterator[tuple[int, int]],
        *,
        first: Workload | None = None,
        connections: int = CONNECTIONS,
        window: int = WINDOW,
    ) -> None:
        """
        Args:
            address: of the node, where it answers over TCP.
            turns: number of each block and how many of its requests count.
            first: what each connection begins with.
        """
        self._address: Final = address
        self._workload: Final = workload
        self._turns: Final = turns
        self._first: Final = first
        self._again: Final[deque[tuple[int, int]]] = deque()
        self._wanted: Final = connections
        self._window: Final = window
        self._poll: Final = select.epoll()
        self._open: Final[dict[int, _Connection]] = {}
        self._retry_at = 0.0
        self._silent_attempts = 0
        self._patience = FIRST_ATTEMPTS
        self.incidents: Final[Counter[str]] = Counter()
        self._expiration = 0

    def close(self) -> None:
        """Leave everything that is under way."""
        for connection in list(self._open.values()):
            self._drop(connection)
        self._poll.close()

    def step(self, timeout: float, heard: Callable[[Done], None]) -> bool:
        """Do what there is to do within ``timeout`` seconds; False when everything was asked and
        answered.

        Raises:
            UpstreamError: the node does not answer at all.
        """
        now = time.monotonic()
        self._connect(now)
        if not self._open and self._is_over():
            return False
        for number, events in self._poll.poll(timeout if self._open else PAUSE_S):
            connection = self._open.get(number)
            if connection is not None:
                self._serve(connection, events, heard)
        now = time.monotonic()
        for connection in list(self._open.values()):
            if not connection.flights and self._is_over():
                self._drop(connection)
            elif now - connection.heard_at > SILENCE_S:
                self._lost(connection, f"nothing came for {SILENCE_S:g} s")
        return True

    def _serve(self, connection: _Connection, events: int, heard: Callable[[Done], None]) -> None:
        try:
            if events & select.EPOLLOUT and connection.flush():
                self._poll.modify(connection.sock, select.EPOLLIN)
            if events & ~select.EPOLLOUT:
                for flight in connection.receive(time.monotonic()):
                    self._silent_attempts, self._patience = 0, ATTEMPTS
                    flight.workload.give_back(flight.number, flight.block)
                    if not flight.is_first:
                        done = flight.number, flight.requests, flight.failures, flight.examples
                        heard(Done(*done))
                    self._ask_on(connection)
        except StrayAnswer as error:
            self._lost(connection, str(error))
        except OSError as error:
            self._lost(connection, error.strerror or str(error))

    def _connect(self, now: float) -> None:
        """Open the connections that are missing."""
        while len(self._open) < self._wanted and now >= self._retry_at:
            if self._is_over():
                return
            try:
                sock = socket.create_connection(self._address, timeout=5.0)
            except OSError as error:
                self._failed(error.strerror or str(error))
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            first = iter(range(self._first.kinds if self._first else 0))
            connection = self._open[sock.fileno()] = _Connection(sock, first, now)
            self._poll.register(sock, select.EPOLLIN)
            try:
                self._ask_on(connection)
            except OSError as error:
                self._lost(connection, error.strerror or str(error))

    def _ask_on(self, connection: _Connection) -> None:
        """Send the next blocks over a connection, if there are any."""
        number = next(connection.first, None)
        if number is not None and self._first is not None:
            self._send(connection, self._first, number, 0)
            return
        while len(connection.flights) < self._window:
            turn = self._again.popleft() if self._again else next(self._turns, None)
            if turn is None:
                return
            self._send(connection, self._workload, *turn)

    def _send(
        self, connection: _Connection, workload: Workload, number: int, requests: int
    ) -> None:
        """Send a block; ``requests`` 0 is one of those that do not count."""
        block = workload.take(number, self._valid_until())
        asked = requests or len(block)
        flight = _Flight(workload, not requests, number, block, asked, block.reply_ends[asked - 1])
        if not connection.flights:
            connection.heard_at = time.monotonic()
        if not connection.ask(flight):
            self._poll.modify(connection.sock, select.EPOLLIN | select.EPOLLOUT)

    def _is_over(self) -> bool:
        """Whether nothing is left to ask for."""
        if self._again:
            return False
        turn = next(self._turns, None)
        if turn is not None:
            self._again.append(turn)
        return turn is None

    def _valid_until(self) -> int:
        """Until when requests are valid; seldom another moment, as it is in all of them."""
        unix = int(time.time())
        if self._expiration - unix < LIFETIME_S - _RENEWED_S:
            self._expiration = unix + LIFETIME_S
        return self._expiration

    def _lost(self, connection: _Connection, reason: str) -> None:
        self._drop(connection)
        self._failed(reason)

    def _failed(self, reason: str) -> None:
        """Try again a little later.

        Raises:
            UpstreamError: it was tried often enough.
        """
        self.incidents[reason] += 1
        self._silent_attempts += 1
        self._retry_at = time.monotonic() + PAUSE_S
        if self._silent_attempts >= self._patience:
            host, port = self._address
            raise UpstreamError(
                f"{host}:{port} does not answer ({reason}); what was counted is kept, go on with"
                " the same command"
            )

    def _drop(self, connection: _Connection) -> None:
        """Close a connection; what was under way on it is asked again."""
        self._poll.unregister(connection.sock)
        del self._open[connection.sock.fileno()]
        connection.sock.close()
        connection.unsent.clear()
        for flight in connection.flights:
            if not flight.is_first:
                self._again.append((flight.number, flight.requests))
            flight.workload.give_back(flight.number, flight.block)
        connection.flights.clear()
