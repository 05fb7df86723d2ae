"""The store that forgets: for tests and networks without a data folder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from resolver.model.errors import StoreError
from resolver.storage.base import Change, CommitWatch, Document, Record, check_record, same
from resolver.storage.layout import (
    fold_octets,
    key_of,
    key_of_octets,
    unpack_name,
    unpack_values,
)
from resolver.storage.ledger import Entry, Figures, checksum_of, day_of, figures_of
from resolver.wire.values import ValueList


class MemoryStore:
    """Records in a dict; see ``NodeStore``."""

    def __init__(self) -> None:
        self._records: dict[bytes, Record] = {}
        self._generation = 0
        self._closed = False
        self._entries: list[Entry] = []
        self._figures: dict[tuple[int, str], Figures] = {}
        self._documents: dict[str, dict[str, bytes]] = {}

    def get(self, handle: str) -> ValueList | None:
        """See ``RecordStore``."""
        self._check_open()
        found = self._records.get(key_of(handle))
        return None if found is None else found[1]

    def find(self, folded: bytes) -> bytes | None:
        """See ``RecordStore``."""
        self._check_open()
        found = self._records.get(key_of_octets(folded))
        return None if found is None else found[1].octets

    def put_many(self, records: Iterable[Record]) -> int:
        """See ``RecordStore``; durable as long as the process."""
        self._check_open()
        written: dict[bytes, Record] = {}
        for handle, values in records:
            check_record(handle, values)
            written[key_of(handle)] = (handle, values)
        if written:
            self._records.update(written)
            self._generation += 1
        return len(written)

    def put_packed(self, items: Iterable[tuple[bytes, bytes]]) -> int:
        """See ``RecordStore``; durable as long as the process."""
        return self.put_many(
            (unpack_name(key, stored), unpack_values(key, stored)) for key, stored in items
        )

    def delete(self, handle: str) -> bool:
        """See ``RecordStore``."""
        self._check_open()
        if self._records.pop(key_of(handle), None) is None:
            return False
        self._generation += 1
        return True

    def apply(
        self, changes: Sequence[Change], unix_now: int, documents: Sequence[Document] = ()
    ) -> list[bool]:
        """See ``RecordStore``."""
        self._check_open()
        for change in changes:
            if change.after is not None:
                check_record(change.handle, change.after)
        made = []
        for change in changes:
            key = key_of(change.handle)
            found = self._records.get(key)
            fits = same(None if found is None else found[1], change.before)
            made.append(fits)
            if fits and change.after is not None:
                self._records[key] = (found[0] if found else change.handle, change.after)
            elif fits:
                self._records.pop(key, None)
        done = [change for change, fits in zip(changes, made, strict=True) if fits]
        self._generation += bool(done)
        for each in done:
            checksum = checksum_of(each.after)
            self._enter(unix_now, each.user, each.operation, each.handle, checksum)
        self.tally(day_of(unix_now), figures_of(done))
        if all(made):
            for kind, name, document in documents:
                self.put_documents(kind, {name: document})
        return made

    def last_entry(self) -> int:
        """See ``Ledger``."""
        self._check_open()
        return len(self._entries)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """See ``Ledger``."""
        self._check_open()
        yield from self._entries[after:]

    def note(self, text: str, user: str, unix_now: int) -> None:
        """See ``Ledger``."""
        self._check_open()
        self._enter(unix_now, user, 0, text, None)

    def tally(self, day: int, counts: Mapping[str, Figures]) -> None:
        """See ``Ledger``."""
        self._check_open()
        for prefix, more in counts.items():
            known = self._figures.get((day, prefix), Figures())
            self._figures[day, prefix] = known + more

    def figures(self, since: int = 0) -> Iterator[tuple[int, str, Figures]]:
        """See ``Ledger``."""
        self._check_open()
        for (day, prefix), figures in sorted(self._figures.items(), key=lambda item: item[0]):
            if day >= since:
                yield day, prefix, figures

    def documents(self, kind: str, start: str = "") -> dict[str, bytes]:
        """See ``Ledger``."""
        self._check_open()
        documents = sorted(self._documents.get(kind, {}).items())
        return {key: document for key, document in documents if key >= start}

    def put_documents(
        self, kind: str, changed: Mapping[str, bytes | None], *, announce: bool = False
    ) -> None:
        """See ``Ledger``."""
        self._check_open()
        self._generation += announce
        documents = self._documents.setdefault(kind, {})
        for key, document in changed.items():
            if document is None:
                documents.pop(key, None)
            else:
                documents[key] = document

    def handles(self, prefix: str = "") -> Iterator[str]:
        """See ``RecordStore``."""
        for handle, _ in self.records(prefix):
            yield handle

    def records(self, prefix: str = "") -> Iterator[Record]:
        """See ``RecordStore``."""
        self._check_open()
        start = fold_octets(prefix)
        for key in sorted(self._records):
            found = self._records.get(key)
            if found is not None and fold_octets(found[0]).startswith(start):
                yield found

    def generation(self) -> int:
        """See ``RecordStore``; starts at 0 in every process."""
        self._check_open()
        return self._generation

    def count(self) -> int:
        """See ``RecordStore``."""
        self._check_open()
        return len(self._records)

    def size_bytes(self) -> int:
        """See ``RecordStore``; keys and encoded values, without the objects around them."""
        self._check_open()
        return sum(len(key) + len(values.octets) for key, (_, values) in self._records.items())

    def watch(self, watch: CommitWatch) -> None:
        """See ``RecordStore``; nothing goes to disk here."""

    def backup(self) -> None:
        """See ``RecordStore``; a store that forgets has no place for one."""
        raise StoreError("a store in memory cannot be backed up")

    def close(self) -> None:
        """See ``RecordStore``."""
        self._closed = True
        self._records = {}

    def _enter(
        self, unix: int, user: str, operation: int, handle: str, checksum: int | None
    ) -> None:
        number = len(self._entries) + 1
        self._entries.append(Entry(number, unix, user, operation, handle, checksum))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


def open_memory_store(path: Path, *, create: bool = True) -> MemoryStore:
    """A new, empty store; ``path`` names nothing here, and nothing has to exist."""
    del path, create
    return MemoryStore()
