"""What every store keeps besides records: journal, figures, documents."""

from pathlib import Path
from typing import Final

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver.model.codes import OpCode
from resolver.model.errors import StoreError
from resolver.model.value import HandleValue
from resolver.storage import Entry, Figures, NodeStore, day_of
from resolver.storage.base import Change
from resolver.storage.ledger import checksum_of
from resolver.storage.lmdb import LmdbStore
from resolver.storage.lmdb_ledger import LmdbLedger
from resolver.wire.values import ValueList

NOW: Final = 1_700_000_000
USER: Final = "300:88.901.1/ADMIN"


def values(text: str) -> ValueList:
    return ValueList.of([HandleValue(1, "URL", text.encode())])


def test_changes_that_were_made_are_in_the_journal(store: NodeStore) -> None:
    before, after = values("a"), values("b")
    store.apply([Change("88.901.1/a", None, before, OpCode.CREATE_HANDLE, USER)], NOW)
    store.apply(
        [
            Change("88.901.1/a", None, after, OpCode.CREATE_HANDLE, USER),
            Change("88.901.1/A", before, after, OpCode.MODIFY_VALUE),
            Change("88.901.1/a", after, None, OpCode.DELETE_HANDLE, "0:x/\udcff"),
        ],
        NOW + 1,
    )
    assert list(store.entries()) == [
        Entry(1, NOW, USER, 100, "88.901.1/a", checksum_of(before)),
        Entry(2, NOW + 1, "", 104, "88.901.1/A", checksum_of(after)),
        Entry(3, NOW + 1, "0:x/\udcff", 101, "88.901.1/a", None),
    ]
    assert [entry.number for entry in store.entries(after=1)] == [2, 3]
    assert list(store.entries(after=3)) == []


def test_a_note_is_an_entry_too(store: NodeStore) -> None:
    store.note("10 records imported", "operator", NOW)
    assert list(store.entries()) == [Entry(1, NOW, "operator", 0, "10 records imported", None)]


def test_nothing_is_entered_of_what_was_not_made(store: NodeStore) -> None:
    store.apply([Change("88.901.1/a", values("a"), None)], NOW)
    with pytest.raises(StoreError):
        store.apply(
            [Change("88.901.1/a", None, values("a")), Change("x" * 3000, None, values("x"))], NOW
        )
    assert list(store.entries()) == []
    assert list(store.figures()) == []


def test_figures_count_records_made_and_deleted(store: NodeStore) -> None:
    store.apply(
        [
            Change("88.901.1/a", None, values("a")),
            Change("88.901.1/b", None, values("b")),
            Change("88.901.1/b", values("b"), values("c")),
            Change("88.901.1/b", values("c"), None),
            Change("88.ABC/a", None, values("a")),
            Change("0.NA/88.901.1", None, values("a")),
        ],
        NOW,
    )
    day = day_of(NOW)
    assert list(store.figures()) == [
        (day, "0.NA", Figures(created=1)),
        (day, "88.901.1", Figures(created=2, deleted=1)),
        (day, "88.ABC", Figures(created=1)),
    ]


def test_figures_add_up_by_day(store: NodeStore) -> None:
    store.tally(20_000, {"88.901.1": Figures(10, 9), "88.902": Figures(1, 1)})
    store.tally(20_001, {"88.901.1": Figures(5, 5)})
    store.tally(20_000, {"88.901.1": Figures(1, 0, 3, 2)})
    assert list(store.figures()) == [
        (20_000, "88.901.1", Figures(11, 9, 3, 2)),
        (20_000, "88.902", Figures(1, 1)),
        (20_001, "88.901.1", Figures(5, 5)),
    ]


def test_a_day_begins_at_midnight_in_china() -> None:
    midnight = 1_700_064_000  # 2023-11-16 00:00 in Shanghai
    assert day_of(midnight) == day_of(midnight - 1) + 1 == day_of(midnight + 86_399)


def test_documents(store: NodeStore) -> None:
    store.put_documents("homes", {"88.901.1": b"\0one", "88.901.2": b"two", "x\udcff": b""})
    store.put_documents("homes-of-another", {"88.901.1": b"other"})
    store.put_documents("homes", {"88.901.2": None, "never there": None})
    assert store.documents("homes") == {"88.901.1": b"\0one", "x\udcff": b""}
    assert store.documents("nothing") == {}


def test_documents_go_with_changes_or_not_at_all(store: NodeStore) -> None:
    create = Change("88.901.1/a", None, values("a"))
    store.put_documents("waiting", {"88.901.1": b"wants one"})
    documents = [("homes", "88.901.1", b"here"), ("waiting", "88.901.1", None)]
    assert store.apply([create], NOW, documents) == [True]
    assert store.documents("homes") == {"88.901.1": b"here"}
    assert store.documents("waiting") == {}
    assert store.apply([create], NOW, [("homes", "88.901.2", b"here")]) == [False]
    assert store.documents("homes") == {"88.901.1": b"here"}


def test_a_restart_forgets_nothing(store: NodeStore, reopened) -> None:
    store.apply([Change("88.901.1/a", None, values("a"), 100, USER)], NOW)
    store.tally(day_of(NOW), {"88.901.1": Figures(7, 6)})
    store.put_documents("homes", {"88.901.1": b"here"})
    entries = list(store.entries())
    store = reopened(store)
    try:
        assert list(store.entries()) == entries
        assert list(store.figures()) == [(day_of(NOW), "88.901.1", Figures(7, 6, 1, 0))]
        assert store.documents("homes") == {"88.901.1": b"here"}
        store.note("again", "", NOW)
        assert [entry.number for entry in store.entries()] == [1, 2]
    finally:
        store.close()


def test_the_journal_keeps_the_latest(lmdb_path: Path) -> None:
    env = lmdb.open(str(lmdb_path), subdir=False, max_dbs=4)
    with env.begin(write=True) as txn:
        ledger = LmdbLedger(env, txn, most=3)
        for number in range(5):
            ledger.note(f"note {number}", "", NOW, txn)
        assert [(entry.number, entry.handle) for entry in ledger.page(txn, 0)] == [
            (3, "note 2"),
            (4, "note 3"),
            (5, "note 4"),
        ]
    env.close()


def test_a_long_journal_is_read_in_pages(lmdb_path: Path) -> None:
    store = LmdbStore(lmdb_path)
    changes = [Change(f"88.901.1/{number}", None, values("a"), 100) for number in range(2500)]
    store.apply(changes, NOW)
    assert [entry.number for entry in store.entries()] == list(range(1, 2501))
    store.close()


def test_a_store_of_before_the_ledger_gets_one(lmdb_path: Path) -> None:
    store = LmdbStore(lmdb_path)
    store.put_many([("88.901.1/a", values("a"))])
    store.close()
    env = lmdb.open(str(lmdb_path), subdir=False, max_dbs=5)
    with env.begin(write=True) as txn:
        for name in (b"journal", b"figures", b"documents"):
            txn.drop(env.open_db(name, txn=txn))
    env.close()
    store = LmdbStore(lmdb_path)
    assert list(store.entries()) == []
    store.apply([Change("88.901.1/a", values("a"), None, 101)], NOW)
    assert [entry.number for entry in store.entries()] == [1]
    store.close()


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([None, "x", "y"]), st.booleans()),
        max_size=30,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_the_journal_tells_what_the_records_are(tmp_path_factory, plan) -> None:
    store = LmdbStore(tmp_path_factory.mktemp("store") / "records.mdb")
    for name, text, honest in plan:
        handle = f"88.901.1/{name}"
        before = store.get(handle) if honest else values("something else")
        after = None if text is None else values(text)
        store.apply([Change(handle, before, after, 100)], NOW)
    last = {entry.handle: entry.checksum for entry in store.entries()}
    assert {handle: checksum_of(store.get(handle)) for handle in last} == last
    totals = sum((figures for _, _, figures in store.figures()), Figures())
    assert totals.created - totals.deleted == store.count()
    store.close()
