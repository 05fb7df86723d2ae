"""What every registered storage backend promises (resolver.storage.base)."""

from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import resolver.storage
from resolver.model.errors import ConfigError, StoreError
from resolver.model.handle import fold
from resolver.model.value import HandleValue
from resolver.storage import BACKENDS, Record, RecordStore, open_store
from resolver.storage.base import MAX_RECORD_OCTETS, Change
from resolver.storage.layout import fold_octets, key_of, pack
from resolver.wire.values import ValueList

PARTS = {
    "base",
    "chunks",
    "forms",
    "generation",
    "layout",
    "ledger",
    "lmdb_errors",
    "lmdb_file",
    "lmdb_ledger",
    "transfer",
}
"""Modules of the package that are not backends."""


NOW = 1_700_000_000


def values(text: str = "x", index: int = 1) -> ValueList:
    return ValueList.of([HandleValue(index, "DESC", text.encode(), timestamp=1)])


def test_every_module_of_the_package_is_registered() -> None:
    modules = {module.name for module in iter_modules(resolver.storage.__path__)} - PARTS
    registered = {opener.__module__.rpartition(".")[2] for opener in BACKENDS.values()}
    assert modules == registered
    for name in modules:
        import_module(f"resolver.storage.{name}")


def test_packed_records_go_in_in_any_order(store: RecordStore) -> None:
    def packed(handle: str, text: str) -> tuple[bytes, bytes]:
        key = key_of(handle)
        return key, pack(handle, key, values(text).octets)

    assert store.put_packed([]) == 0
    items = [packed("1/b", "b"), packed("1/a", "first"), packed("1/A", "last")]
    assert store.put_packed(items) == 2
    # Behind what is there, before it, and over it.
    assert store.put_packed([packed("1/c", "c"), packed("1/d", "d")]) == 2
    assert store.put_packed([packed("0/x", "x"), packed("1/d", "new")]) == 2
    found = {handle: record[0].text for handle, record in store.records()}
    assert found == {"0/x": "x", "1/A": "last", "1/b": "b", "1/c": "c", "1/d": "new"}


def test_an_unknown_backend_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown storage backend 'sql'; known: lmdb, memory"):
        open_store("sql", tmp_path / "x")


def test_what_was_put_is_found(store: RecordStore) -> None:
    assert store.put_many([("88.901.1/a", values("a")), ("88.901.1/b", values("b"))]) == 2
    assert store.get("88.901.1/a") == values("a")
    assert store.get("88.901.1/b") == values("b")
    assert store.get("88.901.1/c") is None
    assert store.count() == 2


def test_an_empty_store(store: RecordStore) -> None:
    assert store.count() == 0
    assert list(store.handles()) == []
    assert list(store.records()) == []
    assert store.get("88.901.1/a") is None
    assert store.get("") is None
    assert store.put_many([]) == 0
    assert store.delete("88.901.1/a") is False
    assert store.delete("") is False


def test_put_replaces(store: RecordStore) -> None:
    store.put_many([("88.901.1/a", values("old"))])
    store.put_many([("88.901.1/a", values("new"))])
    assert store.get("88.901.1/a") == values("new")
    assert store.count() == 1


def test_the_last_of_equal_handles_wins(store: RecordStore) -> None:
    assert store.put_many([("1/a", values("first")), ("1/A", values("last"))]) == 1
    assert store.get("1/a") == values("last")
    assert list(store.handles()) == ["1/A"]


def test_delete(store: RecordStore) -> None:
    store.put_many([("88.901.1/a", values()), ("88.901.1/b", values())])
    assert store.delete("88.901.1/A") is True
    assert store.delete("88.901.1/a") is False
    assert store.get("88.901.1/a") is None
    assert list(store.handles()) == ["88.901.1/b"]


def test_ascii_case_is_folded_and_nothing_else(store: RecordStore) -> None:
    store.put_many([("88.901.1/Motor-ä", values("small")), ("88.901.1/MOTOR-Ä", values("big"))])
    assert store.count() == 2
    assert store.get("88.901.1/mOtOr-ä") == values("small")
    assert store.get("88.901.1/mOtOr-Ä") == values("big")


def test_the_spelling_is_kept(store: RecordStore) -> None:
    store.put_many([("0.NA/88.901", values()), ("88.901.1/Motor", values())])
    assert list(store.handles()) == ["0.NA/88.901", "88.901.1/Motor"]
    store.put_many([("88.901.1/MOTOR", values())])
    assert list(store.handles()) == ["0.NA/88.901", "88.901.1/MOTOR"]


def test_octets_that_are_not_utf_8_survive(store: RecordStore) -> None:
    handle = b"88.901.1/\xff\x00\xfe".decode("utf-8", "surrogateescape")
    store.put_many([(handle, values()), ("\x00", values("nul"))])
    assert store.get(handle) == values()
    assert list(store.handles()) == ["\x00", handle]


@pytest.mark.parametrize("octets", [1, 478, 479, 480, 509, 510, 511, 512, 513, 2047, 2048])
def test_handles_of_any_length(store: RecordStore, octets: int) -> None:
    name = "x" * octets
    other = "x" * (octets - 1) + "y"
    store.put_many([(name, values("x")), (other, values("y"))])
    assert store.get(name.upper()) == values("x")
    assert store.get(other) == values("y")
    assert sorted(store.handles()) == sorted([name, other])
    assert sorted(store.handles(name)) == [name]
    assert store.delete(name)
    assert list(store.handles()) == [other]


def test_a_name_cannot_pose_as_the_key_of_a_long_one(store: RecordStore) -> None:
    from hashlib import sha256

    long = "A" * 600
    forged = b"A" * 479 + sha256(long.encode()).digest()
    store.put_many([(long, values("long"))])
    store.put_many([(forged.decode("utf-8", "surrogateescape"), values("forged"))])
    assert store.get(long) == values("long")
    assert store.count() == 2


def test_handles_come_in_key_order_and_by_prefix(store: RecordStore) -> None:
    names = ["0.NA/88.901", "88.901.1/B", "88.901.1/a", "88.901.10/a", "88.901.2/a"]
    store.put_many([(name, values(name)) for name in reversed(names)])
    ordered = ["0.NA/88.901", "88.901.1/a", "88.901.1/B", "88.901.10/a", "88.901.2/a"]
    assert list(store.handles()) == ordered
    assert list(store.handles("88.901.1/")) == ["88.901.1/a", "88.901.1/B"]
    assert list(store.handles("0.na/")) == ["0.NA/88.901"]
    assert list(store.handles("88.901.3/")) == []
    assert list(store.records("88.901.2")) == [("88.901.2/a", values("88.901.2/a"))]
    assert [name for name, _ in store.records()] == ordered


def test_prefixes_longer_than_a_key(store: RecordStore) -> None:
    stem = "88.901.1/" + "x" * 600
    store.put_many([(stem + "/a", values()), (stem + "/b", values()), ("88.901.1/y", values())])
    assert sorted(store.handles(stem.upper())) == [stem + "/a", stem + "/b"]
    assert list(store.handles(stem + "/a")) == [stem + "/a"]


def test_iteration_goes_on_over_many_pages(store: RecordStore) -> None:
    names = [f"88.901.1/{number:06d}" for number in range(2500)]
    store.put_many([(name, values(name)) for name in names])
    assert list(store.handles()) == names
    large = ValueList.of([HandleValue(1, "DESC", b"x" * 200_000)])
    store.put_many([(f"88.901.2/{number}", large) for number in range(9)])
    assert [len(found.octets) for _, found in store.records("88.901.2/")] == [len(large.octets)] * 9


def test_writing_while_iterating(store: RecordStore) -> None:
    names = [f"1/{number:04d}" for number in range(1500)]
    store.put_many([(name, values()) for name in names])
    seen = []
    for name in store.handles():
        # Each change waits for the disk; what is read at once ends with the thousandth.
        if len(seen) % 50 == 0 or 990 < len(seen) < 1010:
            store.delete(name)
            store.put_many([("0/new", values())])
        seen.append(name)
    assert seen == names


def test_generation_rises_with_every_change_and_only_then(store: RecordStore) -> None:
    start = store.generation()
    store.put_many([("1/a", values())])
    first = store.generation()
    store.put_many([("1/a", values())])
    second = store.generation()
    store.delete("1/b")
    store.put_many([])
    store.get("1/a")
    assert store.generation() == second
    store.delete("1/a")
    assert start < first < second < store.generation()


def test_generation_and_records_outlive_the_process(
    store: RecordStore, reopened: Callable[[RecordStore], RecordStore]
) -> None:
    store.put_many([("1/a", values())])
    generation = store.generation()
    with closing(reopened(store)) as again:
        assert again.generation() >= generation
        assert again.get("1/A") == values()
        again.put_many([("1/b", values())])
        assert again.generation() > generation


TOO_MANY = ValueList.of([HandleValue(index, "X", b"") for index in range(1, 2050)])
TOO_LONG = ValueList.of([HandleValue(1, "X", b"x" * MAX_RECORD_OCTETS)])
TWICE = ValueList.of([HandleValue(7, "X", b"a"), HandleValue(7, "Y", b"b")])
REFUSED = [
    (("1/" + "x" * 2047, values()), "has 2049 octets, at most 2048"),
    (("", values()), "the handle is empty"),
    (("1/\ud800", values()), "UTF-8 cannot carry"),
    (("1/a", TOO_MANY), "2049 values, at most 2048"),
    (("1/a", TOO_LONG), "octets of values, at most 258048 fit"),
    (("1/a", TWICE), "two values of index 7"),
    (("1/a", values(index=0)), "value of index 0, indexes start at 1"),
    (("1/a", values(index=-5)), "value of index -5"),
]


@pytest.mark.parametrize(("record", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_a_refused_record_leaves_the_store_as_it_was(
    store: RecordStore, record: Record, reason: str
) -> None:
    store.put_many([("1/old", values())])
    generation = store.generation()
    with pytest.raises(StoreError, match=reason):
        store.put_many([("1/before", values()), record, ("1/after", values())])
    assert list(store.handles()) == ["1/old"]
    assert store.generation() == generation


def test_an_error_of_the_source_leaves_the_store_as_it_was(store: RecordStore) -> None:
    def source() -> Iterator[Record]:
        yield "1/a", values()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.put_many(source())
    assert store.count() == 0


def test_the_largest_record(store: RecordStore) -> None:
    full = ValueList.of([HandleValue(1, "X", b"x" * (MAX_RECORD_OCTETS - 31))])
    assert len(full.octets) == MAX_RECORD_OCTETS
    many = ValueList.of([HandleValue(index, "X", b"x") for index in range(1, 2049)])
    empty = ValueList.of([])
    store.put_many([("1/full", full), ("1/many", many), ("1/empty", empty)])
    assert store.get("1/full") == full
    assert store.get("1/many") == many
    assert store.get("1/empty") == empty


def test_size_grows(store: RecordStore) -> None:
    before = store.size_bytes()
    store.put_many([(f"1/{number}", values("x" * 1000)) for number in range(1000)])
    assert store.size_bytes() >= before + 1_000_000


def test_a_closed_store_says_so(store: RecordStore) -> None:
    store.close()
    with pytest.raises(StoreError):
        store.get("1/a")
    with pytest.raises(StoreError):
        store.put_many([("1/a", values())])
    with pytest.raises(StoreError):
        store.generation()
    with pytest.raises(StoreError):
        list(store.handles())


def test_a_read_is_quick_enough_to_be_made_on_the_event_loop(store: RecordStore) -> None:
    store.put_many([(f"88.901.1/{number:06d}", values("x" * 140)) for number in range(1000)])
    started = perf_counter()
    for number in range(1000):
        store.get(f"88.901.1/{number:06d}")
    # 50 times what it takes: a backend that asks a server or a cold disk is beyond it.
    assert perf_counter() - started < 0.25


handles = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.tuples(st.booleans(), handles, st.text(max_size=5)), max_size=30))
def test_a_store_behaves_like_a_dict(store: RecordStore, data: list[tuple[bool, str, str]]) -> None:
    for handle in list(store.handles()):
        store.delete(handle)
    model: dict[str, Record] = {}
    for add, handle, text in data:
        if add:
            store.put_many([(handle, values(text))])
            model[fold(handle)] = (handle, values(text))
        else:
            assert store.delete(handle) is (model.pop(fold(handle), None) is not None)
    assert store.count() == len(model)
    expected = [model[key] for key in sorted(model, key=lambda name: name.encode())]
    assert list(store.records()) == expected
    assert all(store.get(key) == found for key, (_, found) in model.items())


def test_changes_are_made_where_the_record_is_as_it_was(store: RecordStore) -> None:
    store.put_many([("88.901.1/A", values("a")), ("88.901.1/b", values("b"))])
    made = store.apply(
        [
            Change("88.901.1/new", None, values("new")),
            Change("88.901.1/a", values("a"), values("a2")),
            Change("88.901.1/b", values("b"), None),
            Change("88.901.1/a", values("a"), values("a3")),
            Change("88.901.1/b", values("b"), values("b2")),
            Change("88.901.1/new", None, values("other")),
            Change("88.901.1/none", None, None),
        ],
        NOW,
    )
    assert made == [True, True, True, False, False, False, True]
    assert list(store.records()) == [
        ("88.901.1/A", values("a2")),
        ("88.901.1/new", values("new")),
    ]


def test_changes_that_are_not_made_are_no_change(store: RecordStore) -> None:
    store.put_many([("88.901.1/a", values("a"))])
    generation = store.generation()
    assert store.apply([Change("88.901.1/a", None, values("x"))], NOW) == [False]
    assert store.generation() == generation
    assert store.apply([], NOW) == []


def test_a_change_that_cannot_be_stored_stops_all(store: RecordStore) -> None:
    too_long = Change("x" * 3000, None, values("x"))
    with pytest.raises(StoreError, match="at most 2048"):
        store.apply([Change("88.901.1/a", None, values("a")), too_long], NOW)
    assert store.count() == 0


@pytest.mark.parametrize("handle", ["1/a", "1/ä", "1/" + "x" * 600])
def test_octets_by_folded_octets(store: RecordStore, handle: str) -> None:
    folded = fold_octets(handle)
    assert store.find(folded) is None
    store.put_many([(handle, values())])
    assert store.find(folded) == values().octets
    assert store.find(b"") is None
