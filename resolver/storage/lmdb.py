"""The store on disk: one memory-mapped LMDB file per node.

Rules:
- The environment is one file (``records.mdb`` beside ``records.mdb-lock`` and
  ``records.mdb-generation``) of several databases:
  ``about`` names the project and the format, ``records`` holds ``resolver.storage.layout``, the
  others are ``resolver.storage.lmdb_ledger``'s.
- Many processes may open the same file, each after its fork; within a process a file is opened
  once. A writer never blocks readers.
- Every read begins and ends its own transaction: it sees the last commit of whichever process,
  and no snapshot outlives it. (A kept snapshot would save 0.2 µs a read, but an idle reader
  would then pin every page it can see, and the file would grow with each write.)
- Every write is one transaction, on disk (fsync) before the call returns. Whatever happens, the
  file holds the last completed one.
- The map grows by itself. It is address space, not memory: only pages in use cost anything.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import lt
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias, TypeVar

import lmdb

from resolver.model.errors import StoreError
from resolver.storage.base import Change, Document, Record, check_record, same
from resolver.storage.generation import Generation
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
from resolver.storage.lmdb_errors import reason_of
from resolver.storage.lmdb_ledger import DATABASES, LmdbLedger
from resolver.wire.values import ValueList

FORMAT: Final = b"wuhan records 1"
"""Project and format version, as stored in every file."""

INITIAL_MAP_OCTETS: Final = 16 << 20
"""Address space a new store starts with."""

_ABOUT: Final = b"about"
_RECORDS: Final = b"records"
_FORMAT_KEY: Final = b"format"
_PAGE_RECORDS: Final = 1000
_PAGE_OCTETS: Final = 1 << 20
"""An iteration reads so many records, or octets, at a time."""

_MAX_RETRIES: Final = 64
"""Of one call; the map doubles with each, so this is never the limit that is met."""

_DONE: Final = {
    "open": "opened",
    "read": "read",
    "write": "written",
    "grow": "written",
    "back up": "backed up",
}
"""What cannot be done → what clients are told it is."""


def _always(_: object) -> bool:
    return True


T = TypeVar("T")
Txn: TypeAlias = "lmdb.Transaction[bytes]"


class LmdbStore:
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
        self.path: Final = path
        # Guards the address of the map against the thread that reads while another grows it.
        self._mapping: Final = Lock()
        # One thread writes at a time: the map must not grow under another's transaction.
        self._writing: Final = Lock()
        self._process: Final = os.getpid()
        if not create and not path.exists():
            raise StoreError(f"there is no record store at {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(
                os.fspath(path),
                subdir=False,
                map_size=map_octets,
                max_dbs=2 + DATABASES,
                max_spare_txns=2,
                mode=0o600,
                readahead=False,
            )
        except lmdb.Error as error:
            raise self._failure("open", error) from error
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error.strerror}") from error
        try:
            self._env.reader_check()
            self._records, self._ledger = self._write(self._prepare)
            self._generation: Final = Generation(
                path.with_name(path.name + "-generation"), self._env.info()["last_txnid"]
            )
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

    def generation(self) -> int:
        """See ``RecordStore``: the number LMDB gave the last change of records, in 0.1 µs."""
        return self._generation.value()

    def count(self) -> int:
        """See ``RecordStore``."""
        return self._read(lambda txn: txn.stat(self._records)["entries"])

    def size_bytes(self) -> int:
        """See ``RecordStore``: the length of the file."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror}") from error

    def backup(self) -> None:
        """See ``RecordStore``: a file beside the store's, ``records.mdb.backup``, without its free
        pages. Readers and writers go on meanwhile."""
        final = self.path.with_name(self.path.name + ".backup")
        unfinished = final.with_name(final.name + ".new")
        try:
            with unfinished.open("wb") as file:
                unfinished.chmod(0o600)
                self._env.copyfd(file.fileno(), compact=True)
                os.fsync(file.fileno())
            unfinished.replace(final)
        except lmdb.Error as error:
            unfinished.unlink(missing_ok=True)
            raise self._failure("back up", error) from error
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise StoreError(f"cannot write {unfinished}: {error.strerror}") from error

    def close(self) -> None:
        """See ``RecordStore``."""
        self._env.close()
        self._generation.close()

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """See ``Ledger``."""
        while page := self._read(partial(self._ledger.page, after=after)):
            yield from page
            after = page[-1].number

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

    def _prepare(self, txn: Txn) -> "tuple[lmdb._Database, LmdbLedger]":
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

    def _fill_up(self) -> None:
        """Give a truncated file its full length back, so that reading a lost page is an error and
        not a SIGBUS. (The last pages may be missing in good files too: LMDB leaves out those it
        took and gave back in one transaction.) Called with the write lock held."""
        length = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        if self.path.stat().st_size < length:
            os.truncate(self.path, length)

    def _read(self, work: Callable[[Txn], T]) -> T:
        for _ in range(_MAX_RETRIES):
            try:
                with self._mapping, self._env.begin(self._records) as txn:
                    return work(txn)
            except lmdb.MapResizedError:
                self._adopt_map()
            except lmdb.ReadersFullError as error:
                if not self._env.reader_check():
                    raise self._failure("read", error) from error
            except lmdb.Error as error:
                raise self._failure("read", error) from error
        raise StoreError(f"cannot read {self.path}: other processes keep growing it")

    def _write(self, work: Callable[[Txn], T], changes: Callable[[T], bool] | None = None) -> T:
        """What ``work`` makes of a transaction, which is on disk then; ``changes`` says of the
        outcome whether records are others now."""
        if os.getpid() != self._process:
            raise StoreError(f"{self.path} was opened before the fork; open it in this process")
        with self._writing:
            for _ in range(_MAX_RETRIES):
                try:
                    with self._env.begin(write=True) as txn:
                        number, outcome = txn.id(), work(txn)
                    if changes is not None and changes(outcome):
                        self._generation.set(number)
                    return outcome
                except lmdb.MapFullError:
                    self._resize(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._adopt_map()
                except lmdb.Error as error:
                    raise self._failure("write", error) from error
        raise StoreError(f"cannot write {self.path}: other processes keep growing it")

    def _adopt_map(self) -> None:
        """Take over the size to which another process has grown the map."""
        self._resize(0)

    def _resize(self, octets: int) -> None:
        """Give the map another size; 0 is the size that the file has.

        Raises:
            StoreError: there is no address space for it.
        """
        try:
            with self._mapping:
                self._env.set_mapsize(octets)
        except (lmdb.Error, MemoryError) as error:
            reason = error if isinstance(error, lmdb.Error) else lmdb.MemoryError(str(error))
            raise self._failure("grow", reason) from error

    def _failure(self, what: str, error: lmdb.Error) -> StoreError:
        reason = reason_of(error)
        told = f"the records cannot be {_DONE[what]}: {reason}"
        return StoreError(f"cannot {what} {self.path}: {reason}", told=told)


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
