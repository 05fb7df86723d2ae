"""Stores to test: every backend that is registered."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resolver.storage import BACKENDS, RecordStore, open_store


@pytest.fixture(params=sorted(BACKENDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Name of a backend."""
    return str(request.param)


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[RecordStore]:
    """A new, empty store of each backend."""
    opened = open_store(kind, tmp_path / "records.mdb")
    yield opened
    opened.close()


@pytest.fixture
def lmdb_path(tmp_path: Path) -> Path:
    """Where an LMDB store of this test may stand."""
    return tmp_path / "records.mdb"


@pytest.fixture
def reopened(kind: str, tmp_path: Path) -> Callable[[RecordStore], RecordStore]:
    """Closes a store and opens it again; backends without a file are skipped."""

    def reopen(store: RecordStore) -> RecordStore:
        store.close()
        if not (tmp_path / "records.mdb").exists():
            pytest.skip(f"{kind} keeps nothing")
        return open_store(kind, tmp_path / "records.mdb")

    return reopen
