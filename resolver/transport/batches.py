"""Many datagrams with one system call: recvmmsg and sendmmsg, by ctypes.

A system call costs about as much as everything else that happens to a datagram, so a busy server
takes up to ``BATCH`` at a time and sends as many. The arrays that the calls want are made once;
from batch to batch only lengths and places change, and these are written for a whole batch at a
time.

Where the calls are missing, ``OneByOne`` does the same with recvfrom and sendto.
"""

import ctypes
import errno
import socket
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Literal, Protocol

BATCH: Final = 64
SLOT_OCTETS: Final = 576
"""Room for one datagram; a longer one than the protocol allows is seen to be so."""

STARTS: Final = tuple(range(0, BATCH * SLOT_OCTETS, SLOT_OCTETS))
"""Where the datagrams of a batch begin."""

Address = tuple[str, int] | tuple[str, int, int, int]

_MSG_DONTWAIT: Final = socket.MSG_DONTWAIT
_NAME_OCTETS: Final = 32
_PORT_AT: Final = 2
_NAME_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
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
        self._in: Final = bytearray(BATCH * SLOT_OCTETS)
        self._out: Final = bytearray(BATCH * SLOT_OCTETS)
        self._names: Final = bytearray(BATCH * _NAME_OCTETS)
        self._out_at: Final = _address_of(self._out)
        self._names_at: Final = _address_of(self._names)
        in_vectors, self._in_headers = self._arrays(_address_of(self._in))
        out_vectors, self._out_headers = self._arrays(self._out_at)
        # What is alive here must outlive the calls that are told its address.
        self._alive: Final = (in_vectors, out_vectors)
        self._in_lengths: Final = _column(self._in_headers, _MMsgHdr, "length", "I")
        self._out_names: Final = _column(self._out_headers, _MMsgHdr, "header", "Q")
        self._out_bases: Final = _column(out_vectors, _IoVec, "base", "Q")
        self._out_lengths: Final = _column(out_vectors, _IoVec, "length", "Q")
        self._in_at: Final = ctypes.addressof(self._in_headers)
        self._out_headers_at: Final = ctypes.addressof(self._out_headers)
        self._names_moved = False

    def receive(self) -> int:
        """See ``Datagrams``."""
        count = int(self._receive(self._fd, self._in_at, BATCH, _MSG_DONTWAIT, None))
        if count <= 0:
            # Nothing there; or an answer to somebody who has left has come back, which is an error
            # of that one and of no other.
            return 0
        self.sizes = self._in_lengths[:count].tolist()
        self.octets = bytes(memoryview(self._in)[: count * SLOT_OCTETS])
        return count

    def sender(self, number: int) -> Address:
        """See ``Datagrams``."""
        at = number * _NAME_OCTETS
        name = self._names[at : at + _NAME_OCTETS]
        port = int.from_bytes(name[_PORT_AT : _PORT_AT + 2], "big")
        if self._family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, name[4:8]), port
        host = socket.inet_ntop(socket.AF_INET6, name[8:24])
        flow, scope = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
        return host, port, flow, scope

    def reply(self, replies: Sequence[bytes], missed: Sequence[int]) -> int:
        """See ``Datagrams``."""
        count = len(replies)
        if missed:
            passed = set(missed)
            numbers = [n for n in range(count + len(missed)) if n not in passed]
            self._name(numbers)
            self._names_moved = True
        elif self._names_moved:
            self._name(range(BATCH))
            self._names_moved = False
        octets = b"".join(replies)
        self._out[: len(octets)] = octets
        lengths = list(map(len, replies))
        self._out_lengths[:count] = memoryview(array("Q", lengths))
        starts = accumulate(lengths[:-1], initial=self._out_at)
        self._out_bases[:count] = memoryview(array("Q", starts))
        sent, at, size = 0, self._out_headers_at, ctypes.sizeof(_MMsgHdr)
        while sent < count:
            done = int(self._send(self._fd, at + sent * size, count - sent, _MSG_DONTWAIT))
            if done > 0:
                sent += done
            elif ctypes.get_errno() in _UNREACHABLE:
                sent += 1  # whoever asked is not there any more
            else:
                return count - sent
        return 0

    def _name(self, numbers: Sequence[int]) -> None:
        """Let the replies go to those who sent the datagrams with these numbers, in this order."""
        names = array("Q", [self._names_at + number * _NAME_OCTETS for number in numbers])
        self._out_names[: len(names)] = memoryview(names)

    def _arrays(self, octets_at: int) -> "tuple[ctypes.Array[_IoVec], ctypes.Array[_MMsgHdr]]":
        vectors, headers = (_IoVec * BATCH)(), (_MMsgHdr * BATCH)()
        for number in range(BATCH):
            vectors[number].base = octets_at + number * SLOT_OCTETS
            vectors[number].length = SLOT_OCTETS
            header = headers[number].header
            header.name = self._names_at + number * _NAME_OCTETS
            header.name_length = _NAME_SIZES[socket.AddressFamily(self._family)]
            header.vectors = ctypes.addressof(vectors) + number * ctypes.sizeof(_IoVec)
            header.vector_count = 1
        return vectors, headers


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
    rows: "ctypes.Array[_IoVec] | ctypes.Array[_MMsgHdr]",
    kind: type[_IoVec] | type[_MMsgHdr],
    field: str,
    code: Literal["I", "Q"],
) -> "memoryview[int]":
    """The numbers of one field in all rows, to be read and written together; of a field that is a
    structure, its first."""
    numbers = memoryview(rows).cast("B").cast(code)
    start, width = int(getattr(kind, field).offset), numbers.itemsize
    return numbers[start // width :: ctypes.sizeof(kind) // width]
