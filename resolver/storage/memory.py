"""The store that forgets: for tests and networks without a data folder."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from resolver.model.errors import StoreError
from resolver.storage.base import Change, Record, check_record, same
from resolver.storage.layout import fold_octets, key_of
from resolver.wire.values import ValueList


class MemoryStore:
    """Records in a dict; see ``RecordStore``."""

    def __init__(self) -> None:
        self._records: dict[bytes, Record] = {}
        self._generation = 0
        self._closed = False

    def get(self, handle: str) -> ValueList | None:
        """See ``RecordStore``."""
        self._check_open()
        found = self._records.get(key_of(handle))
        return None if found is None else found[1]

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

    def delete(self, handle: str) -> bool:
        """See ``RecordStore``."""
        self._check_open()
        if self._records.pop(key_of(handle), None) is None:
            return False
        self._generation += 1
        return True

    def apply(self, changes: Sequence[Change]) -> list[bool]:
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
        self._generation += any(made)
        return made

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

    def close(self) -> None:
        """See ``RecordStore``."""
        self._closed = True
        self._records = {}

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


def open_memory_store(path: Path, *, create: bool = True) -> MemoryStore:
    """A new, empty store; ``path`` names nothing here, and nothing has to exist."""
    del path, create
    return MemoryStore()
