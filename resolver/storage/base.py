"""What a record store is, and the limits every store keeps.

Rules: a store holds encoded value lists under folded handles and knows nothing of what they mean.
It is synchronous, at memory or mmap speed: a slow backend has to load at start and write behind.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from resolver.model.errors import StoreError, WireError
from resolver.model.handle import MAX_HANDLE_OCTETS
from resolver.model.value import MAX_VALUES
from resolver.wire.cursor import encode_text
from resolver.wire.envelope import MAX_MESSAGE
from resolver.wire.values import ValueList

MAX_RECORD_OCTETS: Final = MAX_MESSAGE - MAX_HANDLE_OCTETS - 2048
"""Longest encoded value list: the largest message, less room for a handle of any length, the
header, a digest and a signature, so that every stored record can be answered."""

Record = tuple[str, ValueList]
"""A handle as spelt by who created it, and its values."""


@dataclass(slots=True)
class Change:
    """A record before and after; None where there is none.

    Attributes:
        operation: the op code of the request.
        user: ``index:handle`` of the key it came with; empty if everybody may ask for it.
    """

    handle: str
    before: ValueList | None
    after: ValueList | None
    operation: int = 0
    user: str = ""


Document = tuple[str, str, bytes | None]
"""Kind, key and content of a document (``resolver.storage.ledger``); None removes it."""


class CommitWatch(Protocol):
    """Hears when transactions go to disk, one at a time; on whichever thread writes them."""

    def began(self) -> None:
        """All of a transaction is made; now it has to become durable."""

    def ended(self) -> None:
        """It is."""


class RecordStore(Protocol):
    """The records of one node.

    Handles are found in any ASCII case. Every method raises ``StoreError`` when the store cannot
    be read or written. One thread may write while another reads.
    """

    def get(self, handle: str) -> ValueList | None:
        """The values of ``handle`` as last committed, by whichever process; None if unknown."""

    def find(self, folded: bytes) -> bytes | None:
        """``get`` by the octets of a folded handle: the encoded values, not looked into."""

    def put_many(self, records: Iterable[Record]) -> int:
        """Write all ``records`` in one durable transaction, replacing those that exist, or none.

        Of records with equal handles the last wins. Returns how many handles were written.

        Raises:
            StoreError: also when a record breaks a limit (``check_record``).
        """

    def put_packed(self, items: Iterable[tuple[bytes, bytes]]) -> int:
        """``put_many`` for records as ``resolver.storage.layout`` packs them, key and stored
        value, which somebody else has checked."""

    def delete(self, handle: str) -> bool:
        """Remove the record of ``handle``, durably; whether there was one."""

    def apply(
        self, changes: Sequence[Change], unix_now: int, documents: Sequence[Document] = ()
    ) -> list[bool]:
        """Make ``changes`` one after the other in one durable transaction, and enter those made
        in the journal; for each whether it was made: it is not if the record is not as it was
        before. If all were made, ``documents`` are written with them.

        Raises:
            StoreError: also when a record breaks a limit (``check_record``); nothing is changed.
        """

    def handles(self, prefix: str = "") -> Iterator[str]:
        """The handles that start with ``prefix`` (in any case) in key order, as first spelt.

        Weakly consistent: what is written meanwhile may or may not be seen, the rest is seen
        exactly once. Holds no transaction between two handles.
        """

    def records(self, prefix: str = "") -> Iterator[Record]:
        """``handles`` with their values, under the same rules."""

    def generation(self) -> int:
        """A number that is another one after every commit that changed a record, whichever process
        made it; cheap enough to look at for every request."""

    def count(self) -> int:
        """How many records there are."""

    def size_bytes(self) -> int:
        """Octets the store occupies where it lives (disk or memory)."""

    def watch(self, watch: CommitWatch) -> None:
        """Tell ``watch`` from now on when something goes to disk; a store that has none tells
        nothing."""

    def backup(self) -> None:
        """Copy everything, as it is at one moment, to where a backup of this store belongs; the
        one before is replaced when the new one is complete."""

    def close(self) -> None:
        """Release the store; any later call is an error."""


def check_record(handle: str, values: ValueList) -> None:
    """Raise ``StoreError`` if this record could not be stored or answered."""
    try:
        octets = len(handle) if handle.isascii() else len(encode_text(handle))
    except WireError:
        raise StoreError(f"the handle {handle!r} has characters that UTF-8 cannot carry") from None
    if not octets:
        raise StoreError("the handle is empty")
    if octets > MAX_HANDLE_OCTETS:
        raise StoreError(
            f"the handle {handle[:40]!r}… has {octets} octets, at most {MAX_HANDLE_OCTETS} are"
            " allowed"
        )
    if len(values) > MAX_VALUES:
        raise StoreError(f"{handle} has {len(values)} values, at most {MAX_VALUES} are allowed")
    if len(values.octets) > MAX_RECORD_OCTETS:
        raise StoreError(
            f"{handle} has {len(values.octets)} octets of values, at most {MAX_RECORD_OCTETS} fit"
            " a message"
        )
    index = values.unfit_index()
    if index is None:
        return
    if index < 1:
        raise StoreError(f"{handle} has a value of index {index}, indexes start at 1")
    raise StoreError(f"{handle} has two values of index {index}")


def same(one: ValueList | None, other: ValueList | None) -> bool:
    """Whether two records are equal, or both missing."""
    if one is None or other is None:
        return one is other
    return one.octets == other.octets
