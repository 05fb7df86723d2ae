"""Records as octets: what a million of them cost little in, and answers are made of.

A record that others ask for again is kept as one octet string, under its folded handle:

    fresh   u4   until when it may be given to anybody without a further look, in ``TICK_S``
    expires u4   until when it holds
    prefix  u2   the number of its prefix (``resolver.cache.prefixes``)
    key     u2   octets of its name; the top bit is set if the name is that of a selection
    name    the folded handle; of a selection, what ``selection_key`` makes
    values  the encoded value list
    end     u4   0, which is how a message ends that has no credential

Octet strings are nothing that Python's collector of cycles looks through, they are shared by the
table and the eviction policy, and the tail of an answer is a slice of one. The layout is fixed
here; ``resolver.transport.ready`` reads entries on its own, for speed.

Keys of the table end like a request for the whole record ends: with 12 zero octets (no indexes, no
types, no credential). So what stands behind the header of such a request, folded, is the key.
"""

import sys
from collections.abc import Callable, Hashable
from struct import Struct
from typing import Final, cast

from resolver.cache.budget import CacheStatistics
from resolver.cache.policies import CachePolicy, make_policy

TICK_S: Final = 0.1
"""The unit of moments in an entry."""

HEAD_OCTETS: Final = 12
PLAIN_TAIL: Final = bytes(12)
"""What follows the handle in a request for all values."""

END: Final = bytes(4)

OVERHEAD: Final = 104
"""Octets an entry takes besides the two octet strings: its place in the table and in the policy's
queues (CPython 3.11; measured over 10⁵ to 10⁶ entries by ``bench.paths growth``)."""

_HEAD: Final = Struct(">IIHH")
_LENGTH: Final = Struct(">H")
_SELECTION: Final = 0x8000
_MARK: Final = b"\xff"
"""Ends the key of a selection; that of a record ends with a zero."""

_EMPTY_OCTETS: Final = sys.getsizeof(b"")
_UNIT: Final = 16
"""Octet strings take memory in units of so many octets."""


def tick_of(now: float) -> int:
    """A moment of the node's clock as it stands in entries."""
    return int(now / TICK_S)


def record_key(folded: bytes) -> bytes:
    """The key of a record, by its folded handle."""
    return folded + PLAIN_TAIL


def selection_key(folded: bytes, tail: bytes) -> bytes:
    """The key of some values of a record: the folded handle, and what follows it in the request,
    down to the last octet."""
    return b"".join((folded, tail, _LENGTH.pack(len(folded)), _MARK))


def pack_entry(fresh: int, expires: int, prefix: int, key: bytes, values: bytes) -> bytes:
    """An entry; ``key`` as ``record_key`` or ``selection_key`` make it, moments in ticks."""
    if key[-1:] == _MARK:
        name, length = key, len(key) | _SELECTION
    else:
        name = key[: -len(PLAIN_TAIL)]
        length = len(name)
    return b"".join((_HEAD.pack(fresh, expires, prefix, length), name, values, END))


def fits(key: bytes) -> bool:
    """Whether an entry can have this key."""
    return len(key) < _SELECTION


def is_record(entry: bytes) -> bool:
    """Whether an entry is a whole record, and no selection."""
    return not _HEAD.unpack_from(entry)[3] & _SELECTION


def key_of(entry: bytes) -> bytes:
    """The key under which ``entry`` stands in its table."""
    length = _HEAD.unpack_from(entry)[3]
    if length & _SELECTION:
        return entry[HEAD_OCTETS : HEAD_OCTETS + (length & ~_SELECTION)]
    return entry[HEAD_OCTETS : HEAD_OCTETS + length] + PLAIN_TAIL


def moments_of(entry: bytes) -> tuple[int, int]:
    """Until when ``entry`` is fresh, and until when it holds, in ticks."""
    fresh, expires, _, _ = _HEAD.unpack_from(entry)
    return fresh, expires


def values_of(entry: bytes) -> bytes:
    """The encoded value list of ``entry``."""
    length = _HEAD.unpack_from(entry)[3] & ~_SELECTION
    return entry[HEAD_OCTETS + length : -len(END)]


def prefix_of(entry: bytes) -> int:
    """The number of the prefix of ``entry``."""
    number: int = _HEAD.unpack_from(entry)[2]
    return number


def with_fresh(entry: bytes, fresh: int) -> bytes:
    """The same entry, fresh until another moment."""
    return fresh.to_bytes(4, "big") + entry[4:]


class EntryTable:
    """Entries by key, within a budget in octets.

    Attributes:
        table: the entries themselves; read it, but change it by the methods only.
        used: to be told of every entry that was given to somebody, the very object of the table.
    """

    def __init__(self, budget: int, policy: str) -> None:
        """
        Args:
            budget: octets of memory that all entries together may take.
            policy: a name in ``resolver.cache.policies``.
        """
        self.table: Final[dict[bytes, bytes]] = {}
        self._budget: Final = budget
        self._policy: Final[CachePolicy[Hashable]] = make_policy(policy, key_of)
        self.used: Final[Callable[[bytes], None]] = self._policy.used
        self._octets = 0
        self._evictions = 0

    def __len__(self) -> int:
        return len(self.table)

    def put(self, key: bytes, entry: bytes) -> None:
        """Keep ``entry`` under its key, in place of what is there; others leave where it takes."""
        self.discard(key)
        cost = _cost(key, entry)
        if cost > self._budget:
            return
        while self._octets + cost > self._budget:
            self.discard(key_of(cast(bytes, self._policy.victim())))
            self._evictions += 1
        self.table[key] = entry
        self._policy.added(entry)
        self._octets += cost

    def discard(self, key: bytes) -> None:
        """Drop the entry of ``key`` if there is one."""
        entry = self.table.pop(key, None)
        if entry is not None:
            self._octets -= _cost(key, entry)
            self._policy.removed(entry)

    def clear(self) -> None:
        """Drop everything."""
        self.table.clear()
        self._policy.clear()
        self._octets = 0

    def statistics(self) -> CacheStatistics:
        """What is in the table now."""
        return CacheStatistics(len(self.table), self._octets, self._budget, self._evictions)


def _cost(key: bytes, entry: bytes) -> int:
    return _size(len(key)) + _size(len(entry)) + OVERHEAD


def _size(octets: int) -> int:
    return -(-(octets + _EMPTY_OCTETS) // _UNIT) * _UNIT
