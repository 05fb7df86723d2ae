"""How records and traces look on a terminal."""

from ipaddress import ip_address

import pytest

from resolver.cli.record_view import (
    aligned,
    columns,
    cut,
    data_text,
    hop_text,
    record_lines,
    trace_lines,
)
from resolver.client import Record, Trace
from resolver.model.site import AdminRecord, Interface, Protocol, Purpose, Server, Site
from resolver.model.value import HandleValue, Reference, TtlType
from resolver.wire.answer import Hop
from resolver.wire.typed import encode_admin, encode_site, encode_vlist
from resolver.wire.values import ValueList


def hop(node: str, question: str, kind: str, **fields) -> Hop:
    known = {
        "address": "127.0.0.1:1", "transport": "tcp", "types": (), "code": 1, "target": "",
        "authoritative": False, "ttl": 86400, "cached": False, "seconds": 0.0002,
    }  # fmt: skip
    return Hop(node=node, question=question, kind=kind, **(known | fields))


RECORD = Record(
    "88.901.1/000001",
    ValueList.of(
        [
            HandleValue(1, "URL", b"https://example.com"),
            HandleValue(100, "DESC", "电机".encode(), ttl=1_800_000_000, ttl_type=TtlType.ABSOLUTE),
        ]
    ),
    86400,
    1,
    "127.0.0.1:3641",
)


def test_a_record():
    assert record_lines(RECORD) == [
        "88.901.1/000001",
        "    1  URL   https://example.com  86400",
        "  100  DESC  电机                 until 1800000000",
    ]


def test_a_trace():
    hops = (
        hop("wuhan", "88.901", "referral", target="optics 127.0.0.1:2701"),
        hop("", "88.901.1", "timeout", target="it did not answer", ttl=None, seconds=2.0),
        hop("88.901.1", "88.901.1/000001", "answer", authoritative=True),
    )
    trace = Trace(
        "88.901.1/000001", "recursive", "127.0.0.1:3641", "miss", 86400, 0.00102, hops, RECORD, None
    )
    assert trace_lines(trace) == [
        "recursive 127.0.0.1:3641   miss                                                  1.02 ms",
        "├─ wuhan        88.901           referral → optics 127.0.0.1:2701  TTL 86400     0.20 ms",
        "├─ 127.0.0.1:1  88.901.1         timeout: it did not answer                   2000.00 ms",
        "└─ 88.901.1     88.901.1/000001  answer, 2 values, authoritative   TTL 86400     0.20 ms",
    ]


def test_a_trace_of_a_cached_answer():
    trace = Trace(
        "88.901.1/000001", "recursive", "127.0.0.1:3641", "hit", 86000, 0.0, (), RECORD, None
    )
    assert trace_lines(trace) == ["recursive 127.0.0.1:3641   hit, TTL 86000  0.00 ms"]


@pytest.mark.parametrize(
    ("came", "text"),
    [
        (hop("works", "x", "not found", code=100), "not found"),
        (hop("works", "x", "not found", code=200), "exists, no such values"),
        (hop("works", "x", "error", code=3), "error: code 3"),
        (hop("works", "x", "error", code=0, target="no\nroute"), "error: no\\nroute"),
        (hop("works", "x", "referral", authoritative=True), "referral"),
        (hop("works", "x", "answer", cached=True), "answer, cached"),
    ],
)
def test_what_came_of_an_exchange(came: Hop, text: str):
    assert hop_text(came) == text


def test_one_value_is_no_plural():
    assert hop_text(hop("works", "x", "answer"), 1) == "answer, 1 value"


def test_a_note_ends_the_trace():
    trace = Trace("x", "", "127.0.0.1:1", "", None, 0.0, (), None, None, "walked from here")
    assert trace_lines(trace)[-1] == "(walked from here)"


@pytest.mark.parametrize(
    ("type_", "data", "text"),
    [
        ("URL", b"https://example.com", "https://example.com"),
        ("DESC", "a\x1b[31m\n\u2028b".encode(), "a\\x1b[31m\\n\\u2028b"),
        ("BLOB", b"\xff\x00\x01", "(3 octets) ff0001"),
        ("BLOB", b"\xff" * 40, "(40 octets) " + "ff" * 32 + "…"),
        ("HS_ADMIN", encode_admin(AdminRecord(0x7F3, "88.901.1/ADMIN", 300)),
         "300:88.901.1/ADMIN 011111110011"),
        ("hs_vlist", encode_vlist((Reference("88.901.1/a", 1), Reference("b", 2))),
         "1:88.901.1/a, 2:b"),
        ("HS_ADMIN", b"\xff", "(1 octets) ff"),
        ("HS_SITE", encode_site(Site(())), "(no servers)"),
        ("HS_SITE.PREFIX",
         encode_site(Site(
             (Server(1, ip_address("127.0.0.1"), b"",
                     (Interface(Purpose.BOTH, Protocol.TCP, 2701),)),),
             attributes=(("name", "optics"),))),
         "optics 127.0.0.1:2701"),
    ],
)  # fmt: skip
def test_data(type_: str, data: bytes, text: str):
    assert data_text(HandleValue(1, type_, data)) == text


def test_columns_and_cuts():
    assert columns("电机ab") == 6
    assert cut("电机ab", 6) == "电机ab"
    assert cut("电机ab", 5) == "电机…"
    assert cut("电机ab", 4) == "电…"
    assert cut("x" * 1000, 10) == "x" * 9 + "…"


def test_cells_line_up():
    assert aligned([("a", "1"), ("标标", "22")], "<>") == ["a      1", "标标  22"]
    assert aligned([], "<>") == []
