"""Writes that arrive together share a transaction, and are acknowledged when it is on disk."""

import asyncio
import resource
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from resolver.model.errors import StoreError
from resolver.model.value import HandleValue
from resolver.server.writer import Writer
from resolver.storage.base import Change
from resolver.storage.lmdb import LmdbStore
from resolver.telemetry.counters import Counters
from resolver.wire.values import ValueList


def values(text: str) -> ValueList:
    return ValueList.of([HandleValue(1, "URL", text.encode())])


NOW = 1_700_000_000


class Gated(LmdbStore):
    """Waits at a gate before each transaction, and remembers how large they were."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[int] = []

    def apply(self, changes: Sequence[Change], unix_now: int) -> list[bool]:
        self.entered.set()
        self.gate.wait(10)
        self.batches.append(len(changes))
        return super().apply(changes, unix_now)


@pytest.fixture
def store(tmp_path: Path):
    store = Gated(tmp_path / "records.mdb")
    yield store
    store.gate.set()
    store.close()


async def test_what_waits_is_written_together(store: Gated):
    writer = Writer(store, lambda: NOW, Counters())
    first = asyncio.create_task(writer.commit(Change("88.901.1/0", None, values("0"))))
    await asyncio.to_thread(store.entered.wait)
    rest = [
        asyncio.create_task(writer.commit(Change(f"88.901.1/{n}", None, values(str(n)))))
        for n in range(1, 500)
    ]
    await asyncio.sleep(0)  # one turn of the loop: all of them have asked
    assert not first.done()
    store.gate.set()
    assert await first
    assert all(await asyncio.gather(*rest))
    assert store.batches == [1, 499]
    assert store.count() == 500


async def test_of_two_who_saw_the_same_only_one_writes(store: Gated):
    store.gate.set()
    writer = Writer(store, lambda: NOW, Counters())
    made = await asyncio.gather(
        *(writer.commit(Change("88.901.1/x", None, values(str(n)))) for n in range(10))
    )
    assert sum(made) == 1
    before = store.get("88.901.1/x")
    assert await writer.commit(Change("88.901.1/X", before, values("new")))
    assert not await writer.commit(Change("88.901.1/x", before, None))
    assert list(store.handles()) == ["88.901.1/x"]


async def test_a_record_that_cannot_be_stored_fails_alone(store: Gated):
    store.gate.set()
    writer = Writer(store, lambda: NOW, Counters())
    long = asyncio.create_task(writer.commit(Change("x" * 3000, None, values("x"))))
    good = asyncio.create_task(writer.commit(Change("88.901.1/x", None, values("x"))))
    with pytest.raises(StoreError, match="at most 2048"):
        await long
    assert await good


async def test_a_store_that_cannot_be_written_fails_all(store: Gated):
    store.gate.set()
    writer = Writer(store, lambda: NOW, Counters())
    store.close()
    with pytest.raises(StoreError):
        await writer.commit(Change("88.901.1/x", None, values("x")))


async def test_the_log_says_when_changes_fail_and_when_they_go_on(
    store: Gated, caplog: pytest.LogCaptureFixture
):
    store.gate.set()
    counters = Counters()
    writer = Writer(store, lambda: NOW, counters)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        for number in range(3):
            with pytest.raises(StoreError, match="may not grow further") as failure:
                await writer.commit(Change(f"88.901.1/{number}", None, values("x")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert str(store.path) in str(failure.value)
    assert failure.value.told == (
        "the records cannot be written: the file may not grow further; nothing was changed"
    )
    for number in range(3):
        assert await writer.commit(Change(f"88.901.1/{number}", None, values("x")))
    assert counters.write_failures == 3
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "changes are refused",
        "changes are written again, after 3 that could not be",
    ]


async def test_who_leaves_does_not_stop_the_others(store: Gated):
    writer = Writer(store, lambda: NOW, Counters())
    first = asyncio.create_task(writer.commit(Change("88.901.1/1", None, values("1"))))
    await asyncio.to_thread(store.entered.wait)
    second = asyncio.create_task(writer.commit(Change("88.901.1/2", None, values("2"))))
    await asyncio.sleep(0)
    first.cancel()
    store.gate.set()
    assert await second
    await writer.close()
    assert store.count() == 2
