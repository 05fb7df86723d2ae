"""Import and export."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.model.errors import StoreError
from resolver.model.handle import fold
from resolver.model.value import HandleValue, Reference
from resolver.storage import NodeStore, open_store
from resolver.storage.chunks import parse_chunk, read_chunks
from resolver.storage.forms import FORMS, MAX_LINE_OCTETS, Form, format_line
from resolver.storage.memory import MemoryStore
from resolver.storage.transfer import (
    ImportReport,
    LineError,
    export_records,
    import_parsed,
)
from resolver.wire.values import ValueList

JSONL, MSGPACK = FORMS["jsonl"], FORMS["msgpack"]


def url(handle: str, text: str = "https://id.example/") -> bytes:
    return format_line(handle, ValueList.of([HandleValue(1, "URL", text.encode(), timestamp=1)]))


def imported(
    store: NodeStore, file: bytes, *, chunk_octets: int = 1 << 20, **options: Any
) -> ImportReport:
    """Import a file whose records all go to one store."""
    chunks = read_chunks(io.BytesIO(file), chunk_octets)
    parsed = (parse_chunk(chunk, lambda handle: "here") for chunk in chunks)
    return import_parsed(lambda name: store, parsed, **options)


def exported(store: NodeStore, form: Form = JSONL, prefix: str = "") -> bytes:
    """The file that ``store`` makes."""
    return form.header + b"".join(export_records(store, form, prefix))


def test_a_line_is_the_rest_shape() -> None:
    values = ValueList.of(
        [HandleValue(1, "DESC", "光模块".encode(), timestamp=1_704_067_200, permissions=12)]
    )
    assert format_line("88.901.1/a", values).decode() == (
        '{"handle":"88.901.1/a","values":[{"index":1,"type":"DESC",'
        '"data":{"format":"string","value":"光模块"},"permissions":"1100","ttl":86400,'
        '"timestamp":"2024-01-01T00:00:00Z"}]}\n'
    )


def test_good_lines_go_in(store: NodeStore) -> None:
    report = imported(store, url("1/a") + url("1/B"))
    assert report == ImportReport(lines=2, imported=2)
    assert list(store.handles()) == ["1/a", "1/B"]


def test_lenient_about_the_file_not_about_the_record(store: NodeStore) -> None:
    lines = [
        b"\xef\xbb\xbf" + url("1/a"),
        b"\r\n",
        b"   \n",
        url("1/b").rstrip() + b"\r\n",
        b"\n",
        url("1/c").rstrip(),
    ]
    assert imported(store, b"".join(lines)) == ImportReport(lines=3, imported=3)
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
    file = url("1/before") + line.removesuffix(b"\n") + b"\n" + url("1/after")
    report = imported(store, file, on_error=told.append)
    assert (report.lines, report.imported, report.failed) == (3, 2, 1)
    assert report.errors == told
    assert told[0].line == 2
    assert reason in told[0].reason
    assert len(told[0].reason) > 10
    assert list(store.handles()) == ["1/after", "1/before"]


def test_duplicates_are_counted_and_the_last_wins(store: NodeStore) -> None:
    store.put_many([("1/old", ValueList.of([]))])
    lines = [url("1/a", "first"), url("1/b"), url("1/A", "last"), url("1/old")]
    for batch in (1, 2, 100):
        report = imported(store, b"".join(lines), chunk_octets=1, batch=batch)
        assert report == ImportReport(lines=4, imported=4, duplicates=1)
        assert store.count() == 3
        found = store.get("1/a")
        assert found is not None
        assert found[0].text == "last"


def test_progress_is_told_after_each_commit(store: NodeStore) -> None:
    seen = []
    imported(
        store,
        b"".join(url(f"1/{number}") for number in range(10)),
        chunk_octets=1,
        batch=4,
        on_progress=lambda report: seen.append((report.lines, report.imported, store.count())),
    )
    assert seen == [(4, 4, 4), (8, 8, 8), (10, 10, 10)]


def test_a_report_keeps_a_thousand_errors_and_counts_all() -> None:
    report = imported(MemoryStore(), b"x\n" * 1500)
    assert (report.lines, report.failed, len(report.errors)) == (1500, 1500, 1000)


def test_records_go_where_they_belong() -> None:
    stores = {"1": MemoryStore(), "2": MemoryStore()}
    places = {"1": "1", "2": "2"}
    lines = io.BytesIO(url("1/a") + url("2/a") + url("3/a") + url("1/b"))
    for octets in (1, 1 << 20):
        chunks = read_chunks(lines, octets)
        parsed = [parse_chunk(each, lambda name: places.get(name[0])) for each in chunks]
        report = import_parsed(lambda name: stores[name], parsed)
        assert (report.imported, report.failed) == (3, 1)
        reason = "3/a: no node of this network is responsible for it"
        assert report.errors == [LineError(3, reason)]
        assert list(stores["1"].handles()) == ["1/a", "1/b"]
        assert list(stores["2"].handles()) == ["2/a"]
        lines.seek(0)


def test_a_store_that_fails_stops_the_import() -> None:
    store = MemoryStore()
    store.close()
    with pytest.raises(StoreError):
        imported(store, url("1/a"))


def test_export_takes_a_prefix(store: NodeStore) -> None:
    imported(store, url("1/a") + url("2/a") + url("2/B"))
    assert exported(store, prefix="2/") == url("2/a") + url("2/B")


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
@given(st.dictionaries(handles, value_lists, max_size=4), st.sampled_from([JSONL, MSGPACK]))
def test_export_import_export_is_byte_identical(
    records: dict[str, list[HandleValue]], form: Form
) -> None:
    store, copy = MemoryStore(), MemoryStore()
    store.put_many((handle, ValueList.of(values)) for handle, values in records.items())
    file = exported(store, form)
    report = imported(copy, file)
    assert report.errors == []
    assert report.imported == store.count() == len({fold(handle) for handle in records})
    assert exported(copy, form) == file
    assert list(copy.records()) == list(store.records())
    for line in exported(store).splitlines():
        assert json.loads(line.decode("utf-8"))


@pytest.mark.parametrize("form", [JSONL, MSGPACK])
def test_export_and_import_of_a_store_on_disk(tmp_path: Path, form: Form) -> None:
    first, second = (open_store("lmdb", tmp_path / name) for name in ("first", "second"))
    imported(first, b"".join(url(f"1/{number}") for number in range(1000)))
    file = exported(first, form)
    # In order, then backwards over what is there.
    assert imported(second, file, chunk_octets=5000) == ImportReport(lines=1000, imported=1000)
    assert list(second.records()) == list(first.records())
    lines = list(export_records(first, form))
    backwards = form.header + b"".join(reversed(lines)) + lines[0]
    report = imported(second, backwards, chunk_octets=5000)
    assert report == ImportReport(lines=1001, imported=1001, duplicates=1)
    assert exported(second, form) == file
    first.close()
    second.close()
