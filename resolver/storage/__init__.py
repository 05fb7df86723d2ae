"""The records of a node, on disk or in memory.

Rules: whoever uses a store knows its protocols and ``open_store`` only. To add a backend: one
file here with a function that opens it, and its line in ``BACKENDS``; the tests in tests/storage
then run over it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from resolver.model.errors import ConfigError
from resolver.storage.base import MAX_RECORD_OCTETS, Record, RecordStore, check_record
from resolver.storage.ledger import Entry, Figures, Ledger, NodeStore, day_of, second_of_day
from resolver.storage.lmdb import open_lmdb_store
from resolver.storage.memory import open_memory_store

BACKENDS: Final[dict[str, Callable[..., NodeStore]]] = {
    "lmdb": open_lmdb_store,
    "memory": open_memory_store,
}


def open_store(kind: str, path: Path, *, create: bool = True) -> NodeStore:
    """The store of backend ``kind`` at ``path``; open it in the process that uses it.

    Args:
        kind: a name in ``BACKENDS``.
        path: the file of a backend that has one.
        create: whether to make a new store if there is none.

    Raises:
        ConfigError: there is no such backend.
        StoreError: it cannot be opened.
    """
    try:
        backend = BACKENDS[kind]
    except KeyError:
        raise ConfigError(
            f"unknown storage backend {kind!r}; known: {', '.join(sorted(BACKENDS))}"
        ) from None
    return backend(path, create=create)


__all__ = [
    "BACKENDS",
    "MAX_RECORD_OCTETS",
    "Entry",
    "Figures",
    "Ledger",
    "NodeStore",
    "Record",
    "RecordStore",
    "check_record",
    "day_of",
    "open_store",
    "second_of_day",
]
