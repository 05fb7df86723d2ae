"""Resolutions per prefix, as they are written down."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from resolver.cache import prefixes
from resolver.cache.prefixes import OTHERS_NAME, PrefixNumbers
from resolver.model.codes import ResponseCode
from resolver.model.errors import StoreError
from resolver.server import tally
from resolver.server.tally import Tally
from resolver.storage import Figures, NodeStore, day_of
from resolver.storage.lmdb import LmdbStore
from resolver.storage.memory import MemoryStore

NOW = 1_700_000_000
FOUND, MISSING = ResponseCode.SUCCESS, ResponseCode.HANDLE_NOT_FOUND


def figures(store: NodeStore) -> dict[str, Figures]:
    rows = list(store.figures())
    assert {day for day, _, _ in rows} <= {day_of(NOW)}
    return {prefix: found for _, prefix, found in rows}


async def test_what_is_counted_is_written_down():
    store = MemoryStore()
    counting = Tally(store, PrefixNumbers(), lambda: NOW)
    for handle, code in (
        ("88.901.x/1", FOUND),
        ("88.901.X/2", FOUND),
        ("88.901.x/3", MISSING),
        ("88.901.x", FOUND),
        ("0.NA/88.901", FOUND),
        ("88.666/nothing", MISSING),
        ("88.667/nothing", MISSING),
    ):
        counting.count(handle, code)
    assert figures(store) == {}
    await counting.close()
    assert figures(store) == {
        "88.901.X": Figures(3, 2),
        "0.NA": Figures(2, 2),
        OTHERS_NAME: Figures(2, 0),
    }


async def test_it_is_written_down_now_and_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tally, "INTERVAL_S", 0.0)
    loop, written = asyncio.get_running_loop(), asyncio.Event()

    class Watched(LmdbStore):
        def tally(self, day: int, counts: Mapping[str, Figures]) -> None:
            super().tally(day, counts)
            loop.call_soon_threadsafe(written.set)

    store = Watched(tmp_path / "records.mdb")
    counting = Tally(store, PrefixNumbers(), lambda: NOW)
    for handle in ("88.901.1/a", "88.901.1/b"):
        counting.count(handle, FOUND)
        await asyncio.wait_for(written.wait(), 10)
        written.clear()
    assert figures(store) == {"88.901.1": Figures(2, 2)}
    await counting.close()
    store.close()


async def test_what_cannot_be_written_is_kept(caplog: pytest.LogCaptureFixture):
    class Full(MemoryStore):
        full = True

        def tally(self, day, counts):
            if self.full:
                raise StoreError("the disk is full")
            super().tally(day, counts)

    store = Full()
    counting = Tally(store, PrefixNumbers(), lambda: NOW)
    counting.count("88.901.1/a", FOUND)
    await counting.close()
    assert "the disk is full" in caplog.text
    store.full = False
    counting.count("88.901.1/a", MISSING)
    await counting.close()
    assert figures(store) == {"88.901.1": Figures(2, 1)}


async def test_made_up_prefixes_are_not_told_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefixes, "MAX_PREFIXES", 2)
    store = MemoryStore()
    counting = Tally(store, PrefixNumbers(), lambda: NOW)
    for number in range(5):
        counting.count(f"88.{number}/x", FOUND)
    await counting.close()
    assert figures(store) == {
        "88.0": Figures(1, 1),
        "88.1": Figures(1, 1),
        OTHERS_NAME: Figures(3, 3),
    }


async def test_what_others_were_asked_for_is_told_apart():
    store = MemoryStore()
    counting = Tally(store, PrefixNumbers(), lambda: NOW)
    counting.count("88.901.1/a", FOUND, forwarded=True)
    counting.count("88.901.1/b", MISSING, forwarded=True)
    counting.count("88.901.1/a", FOUND)
    await counting.close()
    assert figures(store) == {
        "88.901.1": Figures(3, 2, forwarded=2, forwarded_successes=1),
    }
