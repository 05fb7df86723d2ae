"""The JSON of the HTTP API: every data format there and back, and what is wrong with bad JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.site import AdminRecord
from resolver.model.value import HandleValue, Reference, TtlType
from resolver.wire.rest import (
    http_status,
    record_from_json,
    record_to_json,
    value_from_json,
    value_to_json,
)
from resolver.wire.rest_keys import JsonError
from resolver.wire.typed import encode_admin, encode_vlist
from resolver.wire.values import ValueList
from tests.support.recorded import VECTORS, http_exchanges

KEYS = VECTORS / "keys"

values = st.builds(
    HandleValue,
    index=st.integers(1, 2**31 - 1),
    type=st.sampled_from(["URL", "desc", "HS_ADMIN", "HS_SITE", "HS_VLIST", "HS_PUBKEY", "产品"]),
    data=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: text.encode("utf-8")),
    ttl=st.integers(-(2**31), 2**31 - 1),
    ttl_type=st.sampled_from([0, 1, 7]),
    timestamp=st.integers(0, 2**32 - 1),
    permissions=st.integers(0, 15),
    references=st.lists(
        st.builds(Reference, st.sampled_from(["88.901.1/x", ""]), st.integers(0, 9)), max_size=2
    ).map(tuple),
)


@given(values)
def test_a_value_there_and_back(value: HandleValue):
    shown = json.loads(json.dumps(value_to_json(value)))
    assert value_from_json(shown, "value") == value


@pytest.mark.parametrize(
    ("type_", "data", "format_"),
    [
        ("URL", b"https://example.com/", "string"),
        ("URL", b"\xff\xfe", "base64"),
        ("HS_ADMIN", encode_admin(AdminRecord(0x7F3, "88.901.1/ADMIN", 300)), "admin"),
        ("HS_ADMIN", b"short", "base64"),
        ("HS_VLIST", encode_vlist((Reference("88.901.1/USER", 300),)), "vlist"),
        ("HS_SITE", (KEYS / "ent.siteinfo.bin").read_bytes(), "site"),
        ("hs_site.prefix", (KEYS / "sec.siteinfo.bin").read_bytes(), "site"),
        ("HS_PUBKEY", (KEYS / "user_rsa_pub.bin").read_bytes(), "key"),
        ("HS_PUBKEY", (KEYS / "user_dsa_pub.bin").read_bytes(), "key"),
    ],
)
def test_typed_data_has_its_format(type_: str, data: bytes, format_: str):
    value = HandleValue(1, type_, data)
    shown = value_to_json(value)
    assert shown["data"]["format"] == format_
    assert value_from_json(json.loads(json.dumps(shown)), "value") == value


def test_the_fields_that_are_not_shown_are_the_defaults():
    assert value_to_json(HandleValue(1, "URL", b"x", timestamp=0)) == {
        "index": 1,
        "type": "URL",
        "data": {"format": "string", "value": "x"},
        "ttl": 86400,
        "timestamp": "1970-01-01T00:00:00Z",
    }
    assert value_from_json({"index": 1, "type": "URL", "data": "x"}, "value") == HandleValue(
        1, "URL", b"x"
    )


@pytest.mark.parametrize(
    ("given_", "field", "expected"),
    [
        ({"ttl": "2030-01-01T00:00:00Z"}, "ttl", 1893456000),
        ({"ttl": "2030-01-01T00:00:00Z"}, "ttl_type", TtlType.ABSOLUTE),
        ({"timestamp": "2023-11-14T22:13:20Z"}, "timestamp", 1700000000),
        ({"timestamp": "2023-11-15T06:13:20+08:00"}, "timestamp", 1700000000),
        ({"timestamp": "2023-11-14T22:13:20"}, "timestamp", 1700000000),
        ({"timestamp": 1700000000}, "timestamp", 1700000000),
        ({"index": "12"}, "index", 12),
        ({"data": {"format": "hex", "value": "00fF"}}, "data", b"\x00\xff"),
        ({"data": {"format": "base64", "value": "AAE="}}, "data", b"\x00\x01"),
        ({"permissions": "1100"}, "permissions", 12),
    ],
)
def test_other_ways_to_write_a_field(given_: dict[str, Any], field: str, expected: object):
    value = value_from_json({"index": 1, "type": "T", "data": "", **given_}, "value")
    assert getattr(value, field) == expected


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ("no object", "values[0]: a value is an object"),
        ({"index": None}, "values[0].index: None is no whole number"),
        ({"index": True}, "values[0].index: True is no whole number"),
        ({"index": 1.5}, "values[0].index: 1.5 is no whole number"),
        ({"index": "1" * 5000}, "values[0].index: '111"),
        ({"index": 2**40}, "values: value 1099511627776"),
        ({"type": 7}, "values[0].type: it is missing or no text"),
        ({"data": 7}, "values[0].data: it is neither text nor an object with format and value"),
        ({"data": {"format": "xml", "value": ""}}, "values[0].data.format: 'xml' is none of"),
        ({"data": {"format": ["a"], "value": ""}}, "values[0].data.format: ['a'] is none of"),
        ({"data": {"value": 7}}, "values[0].data.value: text is expected"),
        ({"data": {"format": "base64", "value": "?"}}, "values[0].data.value: it is not base64"),
        ({"data": {"format": "hex", "value": "0"}}, "values[0].data.value: it is not hexadecimal"),
        ({"data": {"format": "admin", "value": {}}}, "values[0].data.value: an administrator has"),
        ({"data": {"format": "site", "value": 1}}, "values[0].data.value"),
        ({"data": {"format": "key", "value": {}}}, "values[0].data.value"),
        ({"data": {"format": "vlist", "value": [1]}}, "values[0].data.value[0]: a reference"),
        ({"ttl": "soon"}, "values[0].ttl: 'soon' is not a date"),
        ({"timestamp": -1}, "values: value 1"),
        ({"permissions": "9"}, "values[0].permissions: '9' is not four of 0 and 1"),
        ({"references": {}}, "values[0].references: a list is expected"),
    ],
)
def test_what_is_wrong_is_named(changed: Any, text: str):
    value = changed
    if isinstance(changed, dict):
        value = {"index": 1, "type": "T", "data": "", **changed}
    with pytest.raises(JsonError) as caught:
        record_from_json({"handle": "88.901.1/x", "values": [value]})
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ([], "a record is an object with handle and values"),
        ({"values": []}, "handle: it is missing or no text"),
        ({"handle": "", "values": []}, "handle: it is missing or no text"),
        ({"handle": "x", "values": {}}, "values: they are missing or no list"),
    ],
)
def test_what_is_no_record(record: object, text: str):
    with pytest.raises(JsonError, match=text):
        record_from_json(record)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_is_a_record_or_an_error(document: object):
    with pytest.raises(JsonError):
        record_from_json(document)


def recorded_bodies() -> list[dict[str, Any]]:
    found = []
    for exchange in http_exchanges():
        text = exchange.get("response_text") or ""
        if text.startswith("{") and '"values":[{' in text:
            found.append(pytest.param(json.loads(text), id=exchange["name"]))
    return found


@pytest.mark.parametrize("body", recorded_bodies())
def test_recorded_records_are_written_as_they_were(body: dict[str, Any]):
    handle, values = record_from_json(body)
    written = record_to_json(handle, values)
    assert written == {"handle": body["handle"], "values": body["values"]}
    assert [list(value) for value in written["values"]] == [list(v) for v in body["values"]]


@pytest.mark.parametrize(
    ("code", "options", "status"),
    [
        (1, {}, 200),
        (100, {}, 404),
        (200, {}, 200),
        (200, {"reading": False}, 400),
        (301, {}, 400),
        (302, {}, 300),
        (402, {}, 401),
        (402, {"secure": False}, 403),
        (5, {}, 501),
        (3, {}, 503),
        (2, {}, 500),
        (999, {}, 500),
    ],
)
def test_the_status_of_a_response_code(code: int, options: dict[str, bool], status: int):
    assert http_status(code, **options) == status


def test_a_record_is_a_list_of_values():
    values_ = ValueList.of([HandleValue(2, "URL", b"b"), HandleValue(1, "URL", b"a")])
    assert record_from_json(record_to_json("88.901.1/X", values_)) == ("88.901.1/X", values_)
