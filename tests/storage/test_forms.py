"""A line read the quick way is what it is the long way: the same octets, or the same complaint."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.model.errors import ResolverError
from resolver.model.handle import prefix_of
from resolver.storage.forms import format_line, parse_line, quick_line
from resolver.storage.layout import key_of, pack, packed
from resolver.wire.rest_quick import quick_record
from resolver.wire.values import ValueList
from secondary_nodes.population import sample_records
from tests.storage.test_transfer import BAD, handles, value_lists

Outcome = tuple[str, bytes, bytes] | str


def quick(line: bytes) -> Outcome:
    try:
        handle, octets = quick_line(line)
        return handle, *packed(handle, octets)
    except ResolverError as error:
        return str(error)


def general(line: bytes) -> Outcome:
    try:
        handle, values = parse_line(line)
    except ResolverError as error:
        return str(error)
    key = key_of(handle)
    return handle, key, pack(handle, key, values.octets)


def encoded(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


numbers = st.sampled_from(
    [-1, 0, 1, 2, 100, 2**31 - 1, 2**31, 2**32, 2**63, 2**64, -(2**31), 10**30, 1.0, 1e2, True]
)
odd = (
    st.none()
    | st.booleans()
    | numbers
    | st.sampled_from(["", "1", "-1", "+1", " 1", "1/a", "\ud800", "\udc80", "é", "\x00", "1110"])
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.sampled_from(["handle", "index", "value"]), st.integers(), max_size=2)
)
"""What somebody may write where something else belongs."""

admins = st.fixed_dictionaries(
    {"handle": st.just("1/ADMIN") | odd},
    optional={
        "index": st.just(301) | odd,
        "permissions": st.sampled_from(["1" * 12, "0" * 12, "1", "2", "1" * 17]) | odd,
    },
)
data = (
    st.text(max_size=5)
    | odd
    | st.fixed_dictionaries(
        {"format": st.sampled_from(["string", "admin", "base64", "hex", "vlist", "site", "?"])},
        optional={"value": st.text(max_size=5) | admins | odd, "more": odd},
    )
)
dates = st.sampled_from(
    [
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00+08:00",
        "2024-01-01T00:00:00.999Z",
        "2024-01-01",
        "2024-01-01 00:00",
        "20240101T000000Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2106-02-07T06:28:16Z",
        "2024-02-30T00:00:00Z",
        "2024-W01-1",
        "１２３４-01-01T00:00:00Z",
    ]
)
plain_data = st.text(max_size=5) | st.fixed_dictionaries(
    {"format": st.just("string"), "value": st.text(max_size=5)}
)
plain_admin = st.just(
    {"format": "admin", "value": {"handle": "1/A", "index": 301, "permissions": "1" * 12}}
)
plain_values = st.fixed_dictionaries(
    {"type": st.sampled_from(["URL", "HS_ADMIN", ""]), "data": plain_data | plain_admin},
    optional={
        "permissions": st.sampled_from(["1110", "0000", None]),
        "ttl": st.integers(0, 90_000),
        "timestamp": st.just("2024-01-01T00:00:00Z") | st.integers(0, 2**32 - 1),
        "more": odd,
    },
)
strange = {
    "index": odd,
    "type": odd,
    "data": data,
    "permissions": st.sampled_from(["11110", "１110"]) | odd,
    "ttl": dates | odd,
    "ttlType": st.integers(0, 2) | odd,
    "timestamp": dates | odd,
    "references": st.lists(admins, max_size=1) | odd,
}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A plain record in which one thing is strange."""
    record: dict[str, Any] = {"handle": draw(st.sampled_from(["1/a", "1/A", "1/ä"]))}
    values = [
        {"index": index, **value}
        for index, value in enumerate(draw(st.lists(plain_values, max_size=3)), 1)
    ]
    record["values"] = values
    place = draw(st.sampled_from(["handle", "values", *strange, *strange]))
    if place == "handle":
        record["handle"] = draw(st.sampled_from(["1", "", "1/\udc80", "1/\ud800"]) | odd)
    elif place == "values" or not values:
        record["values"] = draw(odd)
    else:
        draw(st.sampled_from(values))[place] = draw(strange[place])
    return record


@settings(max_examples=600, deadline=None)
@given(documents() | odd)
def test_any_json_is_read_alike(document: Any) -> None:
    line = encoded(document)
    assert quick(line) == general(line)


@settings(max_examples=150)
@given(handles, value_lists)
def test_records_of_stores_are_read_alike(handle: str, record: list[Any]) -> None:
    line = format_line(handle, ValueList.of(record))
    assert quick(line) == general(line)


@settings(max_examples=200)
@given(documents(), st.data())
def test_damaged_lines_are_read_alike(document: Any, drawn: st.DataObject) -> None:
    line = bytearray(encoded(document))
    for _ in range(drawn.draw(st.integers(1, 3))):
        at = drawn.draw(st.integers(0, len(line) - 1))
        line[at : at + 1] = drawn.draw(
            st.binary(max_size=2) | st.sampled_from([b"\\ud800", b'"', b",", b"1e5", b"-0", b" "])
        )
    assert quick(bytes(line)) == general(bytes(line))


@pytest.mark.parametrize("line", [line for line, _ in BAD], ids=[str(line[:60]) for line, _ in BAD])
def test_known_bad_lines_are_read_alike(line: bytes) -> None:
    assert quick(line) == general(line)


@pytest.mark.parametrize(
    "text",
    [
        '{"handle":"1/a","values":[],"values":[{"index":1,"type":"A","data":"x"}]}',
        '{"handle":"1/a","values":[{"index":1,"index":2,"type":"A","data":"x"}]}',
        '{"handle":"1/a","values":{}}',
        '{"handle":"1/a","values":""}',
        '{"handle":"1/a","values":[{"index":1,"type":"A","data":"\\ud83d\\ude00"}]}',
        '{"handle":"1/a","values":[{"index":1,"type":"A","data":"\\ude00\\ud83d"}]}',
        '{"handle":"1/a","values":[{"index":-0,"type":"A","data":"x"}]}',
        '{"handle":"1/a","values":[{"index":01,"type":"A","data":"x"}]}',
        '{"handle":"1/a","values":[{"index":1,"type":"A","data":"\t"}]}',
        '{"handle":"1/a","values":[{"index":1,"type":"A","data":"\x7f"}]}',
        '\ufeff{"handle":"1/a","values":[]}',
        '{"handle":"1/a","values":[]} x',
        '{"handle":"1/a","values":[],}',
        ' {"handle":"1/a","values":[]}\t',
        '\x0b{"handle":"1/a","values":[]}',
    ],
)
def test_odd_json_is_read_alike(text: str) -> None:
    line = text.encode("utf-8", "surrogatepass")
    assert quick(line) == general(line)


@pytest.mark.parametrize("count", [2047, 2048, 2049])
def test_long_records_are_read_alike(count: int) -> None:
    record = [{"index": n, "type": "A", "data": "x"} for n in range(1, count + 1)]
    line = encoded({"handle": "1/a", "values": record})
    assert quick(line) == general(line)
    text = encoded({"handle": "1/a", "values": [{"index": 1, "type": "A", "data": "x" * 270_000}]})
    assert quick(text) == general(text)
    assert "at most" in str(quick(text))


@pytest.mark.parametrize("number", ["1", "true", "1.0", '"1"', "null"])
@pytest.mark.parametrize("place", ["index", "ttl", "timestamp", "admin", "permissions"])
def test_what_python_holds_for_the_number_one_is_read_alike(number: str, place: str) -> None:
    # After the number itself, which a cache that takes them for equal would give.
    for written in ("1", number):
        fields = dict.fromkeys(("index", "ttl", "timestamp", "admin"), "1")
        fields |= {"permissions": '"1110"', place: written}
        index = fields["admin"]
        admin = f'{{"handle":"1/A","index":{index},"permissions":"111111111111"}}'
        data = f'"data":{{"format":"admin","value":{admin}}}'
        named = ",".join(f'"{name}":{text}' for name, text in fields.items())
        line = f'{{"handle":"1/a","values":[{{"type":"HS_ADMIN",{data},{named}}}]}}'.encode()
        assert quick(line) == general(line)


def test_sample_records_need_no_long_way() -> None:
    for handle, record in sample_records("88.901.1", 5):
        plain = quick_record(format_line(handle, record))
        # KIT has references.
        assert plain == (None if handle.endswith("KIT") else (handle, record.octets))
        assert prefix_of(handle) == "88.901.1"
