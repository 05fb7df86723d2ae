"""One LMDB file: how it is opened, read, written, grown and copied.

Rules:
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
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias, TypeVar

import lmdb

from resolver.model.errors import StoreError
from resolver.storage.base import CommitWatch
from resolver.storage.generation import Generation
from resolver.storage.lmdb_errors import reason_of

INITIAL_MAP_OCTETS: Final = 16 << 20
"""Address space a new file starts with."""

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

T = TypeVar("T")
Txn: TypeAlias = "lmdb.Transaction[bytes]"
Database: TypeAlias = "lmdb._Database"


class LmdbFile:
    """A file of several databases, one of which is read most.

    Attributes:
        path: the file.
    """

    _records: Database
    """The database that transactions look into if nothing else is said; set by who prepares it."""

    _generation: Generation

    def __init__(self, path: Path, *, create: bool, map_octets: int, databases: int) -> None:
        """
        Args:
            path: the file; its folder is made if it is missing.
            create: whether to make a new file if there is none.
            map_octets: initial size of the map of a new file.
            databases: how many there may be in it.

        Raises:
            StoreError: not an LMDB file, damaged, or not accessible.
        """
        self.path: Final = path
        # Guards the address of the map against the thread that reads while another grows it.
        self._mapping: Final = Lock()
        # One thread writes at a time: the map must not grow under another's transaction.
        self._writing: Final = Lock()
        self._process: Final = os.getpid()
        self._watch: CommitWatch | None = None
        if not create and not path.exists():
            raise StoreError(f"there is no record store at {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(
                os.fspath(path),
                subdir=False,
                map_size=map_octets,
                max_dbs=databases,
                max_spare_txns=2,
                mode=0o600,
                readahead=False,
            )
        except lmdb.Error as error:
            raise self._failure("open", error) from error
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error.strerror}") from error

    def generation(self) -> int:
        """The number LMDB gave the last change of records, in 0.1 µs."""
        return self._generation.value()

    def size_bytes(self) -> int:
        """The length of the file."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror}") from error

    def watch(self, watch: CommitWatch) -> None:
        """See ``RecordStore``."""
        self._watch = watch

    def backup(self) -> None:
        """Copy the file, without its free pages, to one beside it, ``records.mdb.backup``. Readers
        and writers go on meanwhile."""
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
        """Close the file."""
        self._env.close()
        self._generation.close()

    def _count_changes(self) -> None:
        """Open the counter of changes, which stands beside the file."""
        self._generation = Generation(
            self.path.with_name(self.path.name + "-generation"), self._env.info()["last_txnid"]
        )

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
                        if self._watch is not None:
                            self._watch.began()
                    if self._watch is not None:
                        self._watch.ended()
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
