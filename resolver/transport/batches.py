"""Many datagrams with one system call: recvmmsg and sendmmsg, by ctypes.

A system call costs about as much as everything else that happens to a datagram, so a busy server
takes up to ``BATCH`` at a time and sends as many. The arrays that the calls want are made once;
from batch to batch only lengths and places change, and these are written for a whole batch at a
time.

Replies of one length to one client, of which a busy client gets many at a time, leave as one: the
kernel takes the datagrams that follow each other as one buffer (UDP_SEGMENT, udp(7)), carries it
through all its layers once and cuts it at the end. An answer then costs 3.4 µs instead of 5.5
(``bench.peers``; docs/performance.md). Clients that ask a few at a time are answered as before.

Where the calls are missing, ``OneByOne`` does the same with recvfrom and sendto.
"""

import ctypes
import errno
import socket
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from struct import Struct
from typing import Final, Literal, Protocol

BATCH: Final = 64
SLOT_OCTETS: Final = 576
"""Room for one datagram; a longer one than the protocol allows is seen to be so."""

STARTS: Final = tuple(range(0, BATCH * SLOT_OCTETS, SLOT_OCTETS))
"""Where the datagrams of a batch begin."""

Address = tuple[str, int] | tuple[str, int, int, int]

_WORTH_IT: Final = 2
"""Replies to a client in a batch, on average, from which they are sorted by client."""

_MSG_DONTWAIT: Final = socket.MSG_DONTWAIT
_NAME_OCTETS: Final = 32
_PORT_AT: Final = 2
_NAMES: Final = Struct(f"{_NAME_OCTETS}s" * BATCH)
_NAME_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
_SEGMENT: Final = 103
"""UDP_SEGMENT of linux/udp.h."""

_NO_SEGMENTS: Final = frozenset(
    {errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT, errno.EMSGSIZE}
)
"""What a kernel or a network device says that does not cut buffers into datagrams."""

_UNREACHABLE: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


class Datagrams(Protocol):
    """A UDP socket that is read and written in batches.

    Attributes:
        octets: what the datagrams received last stand in, each in its slot.
        sizes: octets of each of them; more than ``SLOT_OCTETS`` never.
    """

    octets: bytes
    sizes: list[int]

    def receive(self) -> int:
        """Take what has arrived, at most ``BATCH`` datagrams; how many."""

    def sender(self, number: int) -> Address:
        """Who sent a datagram of the last batch."""

    def reply(self, replies: Sequence[bytes], missed: Sequence[int]) -> int:
        """Answer the datagrams of the last batch but those with the numbers ``missed``, in order;
        how many replies could not be sent."""


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint32))


class _Control(ctypes.Structure):
    """The control message that tells the octets of each datagram in a buffer (cmsg(3))."""

    _fields_ = (
        ("length", ctypes.c_size_t),
        ("level", ctypes.c_int),
        ("type", ctypes.c_int),
        ("octets", ctypes.c_uint16),
        ("padding", ctypes.c_uint8 * 6),
    )


_CONTROL_OCTETS: Final = ctypes.sizeof(_Control)


class _Arrays:
    """What the calls read and write, for one kind of address. Sockets of one process share it: a
    batch is done with before the loop turns to another socket."""

    def __init__(self, family: int) -> None:
        self.into: Final = bytearray(BATCH * SLOT_OCTETS)
        self.out: Final = bytearray(BATCH * SLOT_OCTETS)
        self.names: Final = bytearray(BATCH * _NAME_OCTETS)
        self.out_at: Final = _address_of(self.out)
        self.names_at: Final = _address_of(self.names)
        in_vectors, in_headers = self._headers(_address_of(self.into), family)
        out_vectors, out_headers = self._headers(self.out_at, family)
        run_vectors, run_headers = self._headers(self.out_at, family)
        controls = self._controls(run_headers)
        self.in_lengths: Final = _column(in_headers, _MMsgHdr, "length", "I")
        self.out_names: Final = _column(out_headers, _MMsgHdr, "header", "Q")
        self.out_bases: Final = _column(out_vectors, _IoVec, "base", "Q")
        self.out_lengths: Final = _column(out_vectors, _IoVec, "length", "Q")
        self.in_headers_at: Final = ctypes.addressof(in_headers)
        self.out_headers_at: Final = ctypes.addressof(out_headers)
        self.run_names: Final = _column(run_headers, _MMsgHdr, "header", "Q")
        self.run_bases: Final = _column(run_vectors, _IoVec, "base", "Q")
        self.run_lengths: Final = _column(run_vectors, _IoVec, "length", "Q")
        self.run_segments: Final = _column(controls, _Control, "octets", "H")
        self.run_headers_at: Final = ctypes.addressof(run_headers)
        self.names_moved = False
        # The calls are told the address of what is in here.
        self._alive: Final = (
            in_vectors, in_headers, out_vectors, out_headers, run_vectors, run_headers, controls,
        )  # fmt: skip

    def name(self, numbers: Sequence[int]) -> None:
        """Let what goes out go to those who sent the datagrams with these numbers, in this
        order."""
        names = array("Q", [self.names_at + number * _NAME_OCTETS for number in numbers])
        self.out_names[: len(names)] = memoryview(names)

    def _headers(
        self, octets_at: int, family: int
    ) -> "tuple[ctypes.Array[_IoVec], ctypes.Array[_MMsgHdr]]":
        vectors, headers = (_IoVec * BATCH)(), (_MMsgHdr * BATCH)()
        for number in range(BATCH):
            vectors[number].base = octets_at + number * SLOT_OCTETS
            vectors[number].length = SLOT_OCTETS
            header = headers[number].header
            header.name = self.names_at + number * _NAME_OCTETS
            header.name_length = _NAME_SIZES[socket.AddressFamily(family)]
            header.vectors = ctypes.addressof(vectors) + number * ctypes.sizeof(_IoVec)
            header.vector_count = 1
        return vectors, headers

    def _controls(self, headers: "ctypes.Array[_MMsgHdr]") -> "ctypes.Array[_Control]":
        """One for each of ``headers``, which point to them."""
        controls = (_Control * BATCH)()
        for number, (control, row) in enumerate(zip(controls, headers, strict=True)):
            control.length = _Control.padding.offset
            control.level, control.type = socket.IPPROTO_UDP, _SEGMENT
            row.header.control = ctypes.addressof(controls) + number * _CONTROL_OCTETS
            row.header.control_length = _CONTROL_OCTETS
        return controls


_arrays: Final = lru_cache(maxsize=None)(_Arrays)


class Batches:
    """``Datagrams`` by recvmmsg and sendmmsg."""

    def __init__(self, sock: socket.socket) -> None:
        """
        Raises:
            AttributeError: this system's library lacks the calls.
        """
        library = ctypes.CDLL(None, use_errno=True)
        self._receive: Final = library.recvmmsg
        self._send: Final = library.sendmmsg
        self._receive.argtypes = (
            ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p,
        )  # fmt: skip
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self.octets = b""
        self.sizes: list[int] = []
        self._fd: Final = sock.fileno()
        self._family: Final = sock.family
        self._arrays: Final = _arrays(sock.family)
        self._cuts = sys.platform == "linux"

    def receive(self) -> int:
        """See ``Datagrams``."""
        arrays = self._arrays
        count = int(self._receive(self._fd, arrays.in_headers_at, BATCH, _MSG_DONTWAIT, None))
        if count <= 0:
            # Nothing there; or an answer to somebody who has left has come back, which is an error
            # of that one and of no other.
            return 0
        self.sizes = arrays.in_lengths[:count].tolist()
        self.octets = bytes(memoryview(arrays.into)[: count * SLOT_OCTETS])
        return count

    def sender(self, number: int) -> Address:
        """See ``Datagrams``."""
        at = number * _NAME_OCTETS
        name = self._arrays.names[at : at + _NAME_OCTETS]
        port = int.from_bytes(name[_PORT_AT : _PORT_AT + 2], "big")
        if self._family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, name[4:8]), port
        host = socket.inet_ntop(socket.AF_INET6, name[8:24])
        flow, scope = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
        return host, port, flow, scope

    def reply(self, replies: Sequence[bytes], missed: Sequence[int]) -> int:
        """See ``Datagrams``."""
        numbers: Sequence[int] = range(len(replies))
        if missed:
            passed = set(missed)
            numbers = [n for n in range(len(replies) + len(missed)) if n not in passed]
        if self._cuts and len(replies) > 1:
            runs = self._runs(replies, numbers, len(replies) + len(missed))
            if runs:
                return self._reply_in_runs(replies, numbers, runs)
        return self._reply_one_by_one(replies, numbers)

    def _runs(
        self, replies: Sequence[bytes], numbers: Sequence[int], received: int
    ) -> list[tuple[int, list[int]]]:
        """Octets of a reply → places in ``replies`` of those that are as long and go to the same
        client; nothing if the clients are too many for that to be worth it."""
        names = self._arrays.names
        lengths = list(map(len, replies))
        if names.startswith(names[:_NAME_OCTETS] * received):
            if lengths.count(lengths[0]) == len(lengths):
                return [(lengths[0], list(range(len(lengths))))]
            senders: Sequence[bytes] = [b""] * len(lengths)
        else:
            unpacked = _NAMES.unpack(names)
            senders = [unpacked[number] for number in numbers]
            if len(set(senders)) > len(senders) // _WORTH_IT:
                return []
        runs: dict[tuple[bytes, int], list[int]] = {}
        for place, key in enumerate(zip(senders, lengths, strict=True)):
            runs.setdefault(key, []).append(place)
        return [(length, places) for (_, length), places in runs.items()]

    def _reply_in_runs(
        self,
        replies: Sequence[bytes],
        numbers: Sequence[int],
        runs: Sequence[tuple[int, list[int]]],
    ) -> int:
        """Send each run as one buffer."""
        arrays, count = self._arrays, len(runs)
        if count > 1:
            replies = [replies[place] for _, run in runs for place in run]
        octets = b"".join(replies)
        arrays.out[: len(octets)] = octets
        lengths = [octets * len(run) for octets, run in runs]
        arrays.run_lengths[:count] = memoryview(array("Q", lengths))
        starts = accumulate(lengths[:-1], initial=arrays.out_at)
        arrays.run_bases[:count] = memoryview(array("Q", starts))
        arrays.run_segments[:count] = memoryview(array("H", [octets for octets, _ in runs]))
        names = [arrays.names_at + numbers[run[0]] * _NAME_OCTETS for _, run in runs]
        arrays.run_names[:count] = memoryview(array("Q", names))
        sent = self._sent(arrays.run_headers_at, count)
        if sent < count and ctypes.get_errno() in _NO_SEGMENTS:
            self._cuts = False
            left = [numbers[place] for _, run in runs[sent:] for place in run]
            return self._reply_one_by_one(replies[-len(left) :], left)
        return sum(len(run) for _, run in runs[sent:])

    def _reply_one_by_one(self, replies: Sequence[bytes], numbers: Sequence[int]) -> int:
        """Send each reply as a datagram of its own."""
        arrays, count = self._arrays, len(replies)
        if not isinstance(numbers, range):
            arrays.name(numbers)
            arrays.names_moved = True
        elif arrays.names_moved:
            arrays.name(range(BATCH))
            arrays.names_moved = False
        octets = b"".join(replies)
        arrays.out[: len(octets)] = octets
        lengths = list(map(len, replies))
        arrays.out_lengths[:count] = memoryview(array("Q", lengths))
        starts = accumulate(lengths[:-1], initial=arrays.out_at)
        arrays.out_bases[:count] = memoryview(array("Q", starts))
        return count - self._sent(arrays.out_headers_at, count)

    def _sent(self, at: int, count: int) -> int:
        """Send what ``count`` headers at the address ``at`` tell; how many got on their way."""
        sent, size = 0, ctypes.sizeof(_MMsgHdr)
        while sent < count:
            done = int(self._send(self._fd, at + sent * size, count - sent, _MSG_DONTWAIT))
            if done > 0:
                sent += done
            elif ctypes.get_errno() in _UNREACHABLE:
                sent += 1  # whoever asked is not there any more
            else:
                break
        return sent


class OneByOne:
    """``Datagrams`` by recvfrom and sendto."""

    def __init__(self, sock: socket.socket) -> None:
        self.octets = b""
        self.sizes: list[int] = []
        self._socket: Final = sock
        self._senders: list[Address] = []

    def receive(self) -> int:
        """See ``Datagrams``."""
        slots: list[bytes] = []
        self.sizes, self._senders = [], []
        while len(slots) < BATCH:
            try:
                datagram, sender = self._socket.recvfrom(SLOT_OCTETS)
            except OSError:
                break
            slots.append(datagram.ljust(SLOT_OCTETS, b"\0"))
            self.sizes.append(len(datagram))
            self._senders.append(sender)
        self.octets = b"".join(slots)
        return len(slots)

    def sender(self, number: int) -> Address:
        """See ``Datagrams``."""
        return self._senders[number]

    def reply(self, replies: Sequence[bytes], missed: Sequence[int]) -> int:
        """See ``Datagrams``."""
        passed, waiting, unsent = set(missed), iter(replies), 0
        for number, sender in enumerate(self._senders):
            if number in passed:
                continue
            try:
                self._socket.sendto(next(waiting), sender)
            except OSError as error:
                unsent += error.errno not in _UNREACHABLE
        return unsent


def datagrams(sock: socket.socket) -> Datagrams:
    """The quickest way this system has to use a non-blocking UDP socket."""
    try:
        return Batches(sock)
    except (AttributeError, OSError):
        return OneByOne(sock)


def _address_of(octets: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(octets))


def _column(
    rows: "ctypes.Array[_IoVec] | ctypes.Array[_MMsgHdr] | ctypes.Array[_Control]",
    kind: type[_IoVec] | type[_MMsgHdr] | type[_Control],
    field: str,
    code: Literal["H", "I", "Q"],
) -> "memoryview[int]":
    """The numbers of one field in all rows, to be read and written together; of a field that is a
    structure, its first."""
    numbers = memoryview(rows).cast("B").cast(code)
    start, width = int(getattr(kind, field).offset), numbers.itemsize
    return numbers[start // width :: ctypes.sizeof(kind) // width]
