"""The store on disk: one memory-mapped LMDB file per node.

Rules:
- The environment is one file (``records.mdb`` beside ``records.mdb-lock`` and
  ``records.mdb-generation``) of several databases:
  ``about`` names the project and the format, ``records`` holds ``resolver.storage.layout``, the
  others are ``resolver.storage.lmdb_ledger``'s.
- How the file is opened, read, written and grown: ``resolver.storage.lmdb_file``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import lt
from pathlib import Path
from typing import Final

import lmdb

from resolver.model.errors import StoreError
from resolver.storage.base import Change, Document, Record, check_record, same
from resolver.storage.layout import (
    fold_octets,
    key_of,
    key_of_octets,
    pack,
    prefix_key,
    unpack_name,
    unpack_octets,
    unpack_values,
)
from resolver.storage.ledger import Entry, Figures
from resolver.storage.lmdb_file import INITIAL_MAP_OCTETS, Database, LmdbFile, Txn
from resolver.storage.lmdb_ledger import DATABASES, LmdbLedger
from resolver.wire.values import ValueList

FORMAT: Final = b"wuhan records 1"
"""Project and format version, as stored in every file."""

_ABOUT: Final = b"about"
_RECORDS: Final = b"records"
_FORMAT_KEY: Final = b"format"
_PAGE_RECORDS: Final = 1000
_PAGE_OCTETS: Final = 1 << 20
"""An iteration reads so many records, or octets, at a time."""


def _always(_: object) -> bool:
    return True


class LmdbStore(LmdbFile):
    """Records in one LMDB file; see ``RecordStore``.

    Attributes:
        path: the file.
    """

    def __init__(
        self, path: Path, *, create: bool = True, map_octets: int = INITIAL_MAP_OCTETS
    ) -> None:
        """
        Args:
            path: the file; its folder is made if it is missing.
            create: whether to make a new store if there is none.
            map_octets: initial size of the map of a new store.

        Raises:
            StoreError: not a store of this format, damaged, or not accessible.
        """
        super().__init__(path, create=create, map_octets=map_octets, databases=2 + DATABASES)
        try:
            self._env.reader_check()
            self._records, self._ledger = self._write(self._prepare)
            self._count_changes()
        except StoreError:
            self._env.close()
            raise

    def get(self, handle: str) -> ValueList | None:
        """See ``RecordStore``."""
        if not handle:
            return None
        key = key_of(handle)
        stored = self._stored_at(key)
        return None if stored is None else unpack_values(key, stored)

    def find(self, folded: bytes) -> bytes | None:
        """See ``RecordStore``."""
        if not folded:
            return None
        key = key_of_octets(folded)
        stored = self._stored_at(key)
        return None if stored is None else unpack_octets(key, stored)

    def put_many(self, records: Iterable[Record]) -> int:
        """See ``RecordStore``."""
        packed: dict[bytes, bytes] = {}
        for handle, values in records:
            check_record(handle, values)
            key = key_of(handle)
            packed[key] = pack(handle, key, values.octets)
        return self.put_packed(packed.items())

    def put_packed(self, items: Iterable[tuple[bytes, bytes]]) -> int:
        """See ``RecordStore``."""
        ordered = list(items)
        keys = [key for key, _ in ordered]
        if not all(map(lt, keys, keys[1:])):
            ordered = sorted(dict(ordered).items())
        if ordered:
            self._write(partial(self._put, ordered), _always)
        return len(ordered)

    def delete(self, handle: str) -> bool:
        """See ``RecordStore``."""
        if not handle:
            return False
        key = key_of(handle)
        return self._write(lambda txn: txn.delete(key, db=self._records), bool)

    def apply(
        self, changes: Sequence[Change], unix_now: int, documents: Sequence[Document] = ()
    ) -> list[bool]:
        """See ``RecordStore``."""
        for change in changes:
            if change.after is not None:
                check_record(change.handle, change.after)
        return self._write(partial(self._apply, changes, unix_now, documents), any)

    def handles(self, prefix: str = "") -> Iterator[str]:
        """See ``RecordStore``."""
        for key, stored in self._stored(prefix):
            yield unpack_name(key, stored)

    def records(self, prefix: str = "") -> Iterator[Record]:
        """See ``RecordStore``."""
        for key, stored in self._stored(prefix):
            yield unpack_name(key, stored), unpack_values(key, stored)

    def count(self) -> int:
        """See ``RecordStore``."""
        return self._read(lambda txn: txn.stat(self._records)["entries"])

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """See ``Ledger``."""
        while page := self._read(partial(self._ledger.page, after=after)):
            yield from page
            after = page[-1].number

    def last_entry(self) -> int:
        """See ``Ledger``."""
        return self._read(self._ledger.last)

    def note(self, text: str, user: str, unix_now: int) -> None:
        """See ``Ledger``."""
        self._write(partial(self._ledger.note, text, user, unix_now))

    def tally(self, day: int, counts: Mapping[str, Figures]) -> None:
        """See ``Ledger``."""
        self._write(partial(self._ledger.tally, day, counts))

    def figures(self, since: int = 0) -> Iterator[tuple[int, str, Figures]]:
        """See ``Ledger``."""
        yield from self._read(partial(self._ledger.figures, since))

    def documents(self, kind: str, start: str = "") -> dict[str, bytes]:
        """See ``Ledger``."""
        return self._read(partial(self._ledger.documents, kind, start))

    def put_documents(
        self, kind: str, changed: Mapping[str, bytes | None], *, announce: bool = False
    ) -> None:
        """See ``Ledger``."""
        work = partial(self._ledger.put_documents, kind, changed)
        self._write(work, _always if announce else None)

    def _stored_at(self, key: bytes) -> bytes | None:
        try:
            with self._mapping:
                # The transaction ends when the expression lets go of it.
                return self._env.begin(self._records).get(key)
        except lmdb.Error:
            return self._read(lambda txn: txn.get(key))

    def _put(self, ordered: list[tuple[bytes, bytes]], txn: Txn) -> None:
        cursor = txn.cursor(self._records)
        # Behind the last key LMDB fills pages to the end; anywhere else it splits them in half.
        behind = not cursor.last() or cursor.key() < ordered[0][0]
        cursor.putmulti(ordered, append=behind)

    def _apply(
        self,
        changes: Sequence[Change],
        unix_now: int,
        documents: Sequence[Document],
        txn: Txn,
    ) -> list[bool]:
        made = []
        for change in changes:
            key = key_of(change.handle)
            if change.before is None and change.after is not None:
                new = pack(change.handle, key, change.after.octets)
                made.append(txn.put(key, new, overwrite=False, db=self._records))
                continue
            stored = txn.get(key, db=self._records)
            now = None if stored is None else unpack_values(key, stored)
            fits = same(now, change.before)
            made.append(fits)
            if fits and stored is not None and change.after is not None:
                # A record keeps the spelling of who created it.
                name = unpack_name(key, stored)
                txn.put(key, pack(name, key, change.after.octets), db=self._records)
            elif fits:
                txn.delete(key, db=self._records)
        done = [change for change, fits in zip(changes, made, strict=True) if fits]
        if done:
            self._ledger.append(txn, done, unix_now)
        if all(made):
            for kind, name, document in documents:
                self._ledger.put_documents(kind, {name: document}, txn)
        return made

    def _stored(self, prefix: str) -> Iterator[tuple[bytes, bytes]]:
        wanted = fold_octets(prefix)
        start = prefix_key(wanted)
        last: bytes | None = None
        while page := self._read(partial(_page, start=start, last=last)):
            for key, stored in page:
                # Only a prefix longer than a key's head has to be looked for in the name.
                if start == wanted or fold_octets(unpack_name(key, stored)).startswith(wanted):
                    yield key, stored
            last = page[-1][0]

    def _prepare(self, txn: Txn) -> tuple[Database, LmdbLedger]:
        """The databases of this file, which are made if the file is new."""
        self._fill_up()
        is_new = txn.stat()["entries"] == 0
        try:
            about = self._env.open_db(_ABOUT, txn=txn, create=is_new)
            records = self._env.open_db(_RECORDS, txn=txn, create=is_new)
        except (lmdb.NotFoundError, lmdb.IncompatibleError) as error:
            raise StoreError(
                f"cannot open {self.path}: this is an LMDB file, but not a record store"
            ) from error
        if is_new:
            txn.put(_FORMAT_KEY, FORMAT, db=about)
        found = txn.get(_FORMAT_KEY, b"", db=about)
        if found != FORMAT:
            raise StoreError(
                f"cannot open {self.path}: its format is {found.decode(errors='replace')!r}, this"
                f" version reads {FORMAT.decode()!r}; export it with the version that wrote it"
            )
        return records, LmdbLedger(self._env, txn)


def _page(txn: Txn, start: bytes, last: bytes | None) -> list[tuple[bytes, bytes]]:
    """The next records whose keys begin with ``start``, after the key ``last``."""
    page: list[tuple[bytes, bytes]] = []
    octets = 0
    cursor = txn.cursor()
    if not (cursor.set_range(last or start) if last or start else cursor.first()):
        return page
    for key, stored in cursor.iternext():
        if not key.startswith(start):
            break
        if key == last:
            continue
        page.append((key, stored))
        octets += len(stored)
        if len(page) >= _PAGE_RECORDS or octets >= _PAGE_OCTETS:
            break
    return page


def open_lmdb_store(path: Path, *, create: bool = True) -> LmdbStore:
    """The store in the file ``path``."""
    return LmdbStore(path, create=create)
