"""Import and export of JSON Lines."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.model.errors import StoreError
from resolver.model.handle import fold
from resolver.model.value import HandleValue, Reference
from resolver.storage import RecordStore, open_store
from resolver.storage.memory import MemoryStore
from resolver.storage.transfer import (
    MAX_LINE_OCTETS,
    ImportReport,
    LineError,
    export_lines,
    format_line,
    import_lines,
    import_routed,
    read_lines,
)
from resolver.wire.values import ValueList


def url(handle: str, text: str = "https://id.example/") -> bytes:
    return format_line(handle, ValueList.of([HandleValue(1, "URL", text.encode(), timestamp=1)]))


def test_a_line_is_the_rest_shape() -> None:
    values = ValueList.of(
        [HandleValue(1, "DESC", "光模块".encode(), timestamp=1_704_067_200, permissions=12)]
    )
    assert format_line("88.901.1/a", values).decode() == (
        '{"handle":"88.901.1/a","values":[{"index":1,"type":"DESC",'
        '"data":{"format":"string","value":"光模块"},"permissions":"1100","ttl":86400,'
        '"timestamp":"2024-01-01T00:00:00Z"}]}\n'
    )


def test_good_lines_go_in(store: RecordStore) -> None:
    report = import_lines(store, [url("1/a"), url("1/B")])
    assert report == ImportReport(lines=2, imported=2)
    assert list(store.handles()) == ["1/a", "1/B"]


def test_lenient_about_the_file_not_about_the_record(store: RecordStore) -> None:
    lines = [
        b"\xef\xbb\xbf" + url("1/a"),
        b"\r\n",
        b"   \n",
        url("1/b").rstrip() + b"\r\n",
        b"",
        url("1/c").rstrip(),
    ]
    assert import_lines(store, lines) == ImportReport(lines=3, imported=3)
    assert list(store.handles()) == ["1/a", "1/b", "1/c"]


BAD = [
    (b"{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
    (b"\xff\xfe", "not UTF-8 at octet 1"),
    (b"NaN", "not JSON: NaN is not a number of JSON"),
    (b"[" * 100_000, "not a record: nested too deeply"),
    (b'{"handle":"1/a","values":[' + b"1" * 5000 + b"]}", "not JSON: "),
    (b"x" * (MAX_LINE_OCTETS + 1), f"longer than {MAX_LINE_OCTETS} octets"),
    (url("1/" + "x" * 2047), "has 2049 octets, at most 2048 are allowed"),
    (
        format_line("1/a", ValueList.of([HandleValue(3, "A", b""), HandleValue(3, "B", b"")])),
        "1/a has two values of index 3",
    ),
    (b'{"handle":"1/\\ud800","values":[]}', "UTF-8 cannot carry"),
    (b'{"handle":"88.901","values":[]}', "has no slash; the record of a prefix is 0.NA/88.901"),
    (b"[]", ""),
    (b"null", ""),
    (b'"1/a"', ""),
    (b"{}", ""),
    (b'{"handle":7,"values":[]}', ""),
    (b'{"handle":"1/a"}', ""),
    (b'{"handle":"1/a","values":{}}', ""),
    (b'{"handle":"1/a","values":[{}]}', ""),
    (b'{"handle":"1/a","values":[7]}', ""),
    (b'{"handle":"1/a","values":[{"index":1e99,"type":"URL","data":"x"}]}', ""),
    (b'{"handle":"1/a","values":[{"index":99999999999,"type":"URL","data":"x"}]}', ""),
    (b'{"handle":"1/a","values":[{"index":0,"type":"URL","data":"x"}]}', ""),
    (b'{"handle":"1/a","values":[{"index":1,"type":"URL","data":"\\udc00\\ud800"}]}', ""),
    (b'{"handle":"1/a","values":[{"index":1,"type":"URL","data":{"format":"x","value":""}}]}', ""),
    (b'{"handle":"1/a","values":[{"index":1,"type":"U","data":"x","ttl":99999999999}]}', ""),
    (b'{"handle":"1/a","values":[{"index":1,"type":"U","data":"x","timestamp":"no"}]}', ""),
]


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[str(line[:60]) for line, _ in BAD])
def test_a_bad_line_is_told_and_the_others_go_in(line: bytes, reason: str) -> None:
    store, told = MemoryStore(), list[LineError]()
    report = import_lines(store, [url("1/before"), line, url("1/after")], on_error=told.append)
    assert (report.lines, report.imported, report.failed) == (3, 2, 1)
    assert report.errors == told
    assert told[0].line == 2
    assert reason in told[0].reason
    assert len(told[0].reason) > 10
    assert list(store.handles()) == ["1/after", "1/before"]


def test_duplicates_are_counted_and_the_last_wins(store: RecordStore) -> None:
    store.put_many([("1/old", ValueList.of([]))])
    lines = [url("1/a", "first"), url("1/b"), url("1/A", "last"), url("1/old")]
    for batch in (1, 2, 100):
        report = import_lines(store, lines, batch=batch)
        assert report == ImportReport(lines=4, imported=4, duplicates=1)
        assert store.count() == 3
        found = store.get("1/a")
        assert found is not None
        assert found[0].text == "last"


def test_progress_is_told_after_each_commit(store: RecordStore) -> None:
    seen = []
    import_lines(
        store,
        [url(f"1/{number}") for number in range(10)],
        batch=4,
        on_progress=lambda report: seen.append((report.lines, report.imported, store.count())),
    )
    assert seen == [(4, 4, 4), (8, 8, 8), (10, 10, 10)]


def test_a_report_keeps_a_thousand_errors_and_counts_all() -> None:
    report = import_lines(MemoryStore(), [b"x"] * 1500)
    assert (report.lines, report.failed, len(report.errors)) == (1500, 1500, 1000)


def test_records_go_where_they_belong() -> None:
    stores = {"1": MemoryStore(), "2": MemoryStore()}
    lines = [url("1/a"), url("2/a"), url("3/a"), url("1/b")]
    report = import_routed(lambda handle: stores.get(handle.partition("/")[0]), lines)
    assert (report.imported, report.failed) == (3, 1)
    assert report.errors == [LineError(3, "3/a: no node of this network is responsible for it")]
    assert list(stores["1"].handles()) == ["1/a", "1/b"]
    assert list(stores["2"].handles()) == ["2/a"]


def test_a_store_that_fails_stops_the_import() -> None:
    store = MemoryStore()
    store.close()
    with pytest.raises(StoreError):
        import_lines(store, [url("1/a")])


def test_export_takes_a_prefix(store: RecordStore) -> None:
    import_lines(store, [url("1/a"), url("2/a"), url("2/B")])
    assert list(export_lines(store, "2/")) == [url("2/a"), url("2/B")]


@pytest.mark.parametrize("length", [MAX_LINE_OCTETS - 1, MAX_LINE_OCTETS, MAX_LINE_OCTETS + 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_lines_of_a_file_are_bounded(length: int, end: bytes) -> None:
    rest = [b"after\n"] if end else []
    lines = list(read_lines(io.BytesIO(b"x" * length + end + b"".join(rest))))
    assert lines[1:] == rest
    assert len(lines[0].rstrip(b"\r\n")) == length
    assert len(lines[0]) <= MAX_LINE_OCTETS + 2


def test_an_endless_line_is_skipped() -> None:
    lines = list(read_lines(io.BytesIO(b"x" * (3 * MAX_LINE_OCTETS + 5) + b"\nafter\n")))
    assert [len(line) for line in lines] == [MAX_LINE_OCTETS + 2, 6]


u4, i4 = st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1)
octet_text = st.binary(max_size=12).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = octet_text | plain_text
types = st.sampled_from(
    ["URL", "DESC", "HS_ADMIN", "HS_SITE", "HS_VLIST", "HS_PUBKEY", "HS_SECKEY"]
)
datas = st.binary(max_size=40) | texts.map(lambda text: text.encode("utf-8", "surrogateescape"))
references = st.lists(st.builds(Reference, texts, i4), max_size=2).map(tuple)
handle_values = st.builds(
    HandleValue,
    index=st.integers(1, 2**31 - 1),
    type=types | texts,
    data=datas,
    ttl=i4,
    ttl_type=st.integers(0, 1),
    timestamp=u4,
    permissions=st.integers(0, 15),
    references=references,
)
value_lists = st.lists(handle_values, max_size=4, unique_by=lambda value: value.index)
handles = st.tuples(st.sampled_from(["88.901.1/", "0.NA/"]), texts).map("".join)


@settings(max_examples=150)
@given(st.dictionaries(handles, value_lists, max_size=4))
def test_export_import_export_is_byte_identical(
    records: dict[str, list[HandleValue]],
) -> None:
    store, copy = MemoryStore(), MemoryStore()
    store.put_many((handle, ValueList.of(values)) for handle, values in records.items())
    lines = list(export_lines(store))
    report = import_lines(copy, lines)
    assert report.errors == []
    assert report.imported == len(lines) == len({fold(handle) for handle in records})
    assert list(export_lines(copy)) == lines
    assert list(copy.records()) == list(store.records())
    for line in lines:
        assert json.loads(line.decode("utf-8"))


def test_export_and_import_of_a_file(tmp_path: Path) -> None:
    with (tmp_path / "export.jsonl").open("wb") as file:
        file.writelines(url(f"1/{number}") for number in range(100))
    store = open_store("lmdb", tmp_path / "records.mdb")
    with (tmp_path / "export.jsonl").open("rb") as file:
        assert import_lines(store, read_lines(file)).imported == 100
    assert store.count() == 100
    store.close()
