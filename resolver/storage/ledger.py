"""What a node remembers besides its records: a journal of changes, daily figures, documents.

Rules: an entry of the journal is written in the transaction that makes its change, so neither is
there without the other. Figures count by prefix and by day; the days are those of China (UTC+8, no
summer time), as the national system reports them. Documents are small things a node has to know
again after a restart, by kind and key; what is in them is their owner's business.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final, Protocol

import msgpack

from resolver.model.errors import StoreError
from resolver.model.handle import fold, prefix_of
from resolver.storage.base import Change, RecordStore
from resolver.wire.values import ValueList

MAX_ENTRIES: Final = 10_000_000
"""Entries a journal keeps, about a gigabyte; the oldest go first."""

_UTC_OFFSET_S: Final = 8 * 3600
_DAY_S: Final = 86_400
_SURROGATES: Final = "surrogateescape"

_pack: Final[Callable[[object], bytes]] = msgpack.Packer(unicode_errors=_SURROGATES).pack
"""One packer for all threads: none of them gives way to another while it packs."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted change.

    Attributes:
        number: from 1 on, without gaps.
        unix: seconds.
        user: ``index:handle`` of the key that wanted it; empty if anybody may.
        operation: its op code; 0 for a note.
        handle: whose record; of a note, its text.
        checksum: of the values afterwards (CRC-32); None if there is no record any more.
    """

    number: int
    unix: int
    user: str
    operation: int
    handle: str
    checksum: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one prefix.

    Attributes:
        requests, successes: resolutions asked for here, and those that succeeded.
        created, deleted: records.
        forwarded, forwarded_successes: of the resolutions, those for which others were asked.
    """

    requests: int = 0
    successes: int = 0
    created: int = 0
    deleted: int = 0
    forwarded: int = 0
    forwarded_successes: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.requests + other.requests,
            self.successes + other.successes,
            self.created + other.created,
            self.deleted + other.deleted,
            self.forwarded + other.forwarded,
            self.forwarded_successes + other.forwarded_successes,
        )


class Ledger(Protocol):
    """What a store keeps besides records. Every method raises ``StoreError`` as the store's do."""

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The journal from the entry behind number ``after`` on, in order, weakly consistent."""

    def last_entry(self) -> int:
        """The number of the last entry of the journal; 0 if there is none yet."""

    def note(self, text: str, user: str, unix_now: int) -> None:
        """Append a note to the journal: something was done here that is no single change."""

    def tally(self, day: int, counts: Mapping[str, Figures]) -> None:
        """Add to the figures of ``day`` (``day_of``), by prefix, durably."""

    def figures(self, since: int = 0) -> Iterator[tuple[int, str, Figures]]:
        """(day, prefix, figures) of all days from ``since`` on, the earliest first."""

    def documents(self, kind: str, start: str = "") -> dict[str, bytes]:
        """All documents of ``kind`` by key, in order, from the key ``start`` on."""

    def put_documents(
        self, kind: str, changed: Mapping[str, bytes | None], *, announce: bool = False
    ) -> None:
        """Write documents of ``kind``, None removes one; all of them durably, or none. If that is
        to be announced, ``generation`` is another one afterwards, as after a change of records."""


class NodeStore(RecordStore, Ledger, Protocol):
    """Everything a node keeps."""


def day_of(unix_now: int) -> int:
    """The day a moment belongs to, counted from 1970-01-01, by the calendar in China."""
    return (unix_now + _UTC_OFFSET_S) // _DAY_S


def second_of_day(unix_now: int) -> int:
    """Seconds since that day began."""
    return (unix_now + _UTC_OFFSET_S) % _DAY_S


def checksum_of(values: ValueList | None) -> int | None:
    """What the journal remembers of a record."""
    return None if values is None else zlib.crc32(values.octets)


def figures_of(changes: list[Change]) -> dict[str, Figures]:
    """What changes that were made add to the figures, by prefix."""
    counts: dict[str, list[int]] = {}
    for change in changes:
        if (change.before is None) != (change.after is None):
            count = counts.setdefault(fold(prefix_of(change.handle)), [0, 0])
            count[change.after is None] += 1
    return {prefix: Figures(created=made, deleted=gone) for prefix, (made, gone) in counts.items()}


def pack_entry(unix: int, user: str, operation: int, handle: str, checksum: int | None) -> bytes:
    """The fields of an ``Entry`` but its number, as they are stored."""
    return _pack((unix, user, operation, handle, checksum))


def unpack_entry(number: int, stored: bytes) -> Entry:
    """The entry ``number``."""
    return Entry(number, *_unpacked(stored))


def pack_figures(figures: Figures) -> bytes:
    """Figures as they are stored."""
    return bytes(msgpack.packb(astuple(figures)))


def unpack_figures(stored: bytes) -> Figures:
    """What ``pack_figures`` made, or an earlier one with fewer fields."""
    return Figures(*_unpacked(stored))


def _unpacked(stored: bytes) -> Any:
    try:
        return msgpack.unpackb(stored, unicode_errors=_SURROGATES)
    except (ValueError, msgpack.UnpackException) as error:
        raise StoreError(f"a damaged row of the ledger: {error}") from None
