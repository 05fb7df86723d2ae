"""Slow and failed resolutions: which are kept, and how they are told."""

import logging

import msgpack
import pytest

from resolver.model.codes import ResponseCode
from resolver.server.clock import SystemClock
from resolver.server.logs import FIELDS
from resolver.server.recent import KEPT, LONGEST, Recent, latest
from resolver.wire.answer import Answer, Hop
from resolver.wire.bodies import EMPTY_BODY, ErrorAnswer

HOP = Hop(
    "optics", "127.0.0.1:2701", "tcp", "88.901.1", (), "timeout", 0, "no answer", False, None,
    False, 0.5,
)  # fmt: skip
FAILED = Answer(ResponseCode.ERROR, ErrorAnswer("nobody answers"), hops=(HOP,))
GOOD = Answer(ResponseCode.SUCCESS, EMPTY_BODY, hops=(HOP,))


def recent(name: str = "recursive") -> Recent:
    return Recent(name, SystemClock(), slow_s=1.0)


def test_what_failed_or_took_long_is_kept():
    kept = recent()
    kept.resolved("88.901.1/quick", GOOD, 0.2, "")
    assert (kept.last_at, kept.since(0.0)) == (0.0, [])
    kept.resolved("88.901.1/slow", GOOD, 1.2, "")
    kept.resolved("88.901.1/failed", FAILED, 0.1, "ab" * 16)
    slow, failed = kept.since(0.0)
    assert (slow["kind"], slow["handle"], slow["node"], slow["message"]) == (
        "slow", "88.901.1/slow", "recursive", ""
    )  # fmt: skip
    assert "trace" not in slow
    assert (failed["kind"], failed["message"], failed["trace"]) == (
        "failed", "nobody answers", "ab" * 16
    )  # fmt: skip
    assert [(hop["node"], hop["kind"]) for hop in failed["path"]] == [("optics", "timeout")]
    assert kept.since(slow["at"]) == [failed]
    assert kept.since(kept.last_at) == []


def test_the_log_has_one_a_second_and_the_list_each(caplog: pytest.LogCaptureFixture):
    kept = recent()
    with caplog.at_level(logging.WARNING):
        for number in range(KEPT + 5):
            kept.resolved(f"88.901.1/{number}", FAILED, 0.1, "t")
    (record,) = caplog.records
    assert "failed after 0.100 s: 88.901.1/0: nobody answers; optics (tcp)" in record.message
    assert getattr(record, FIELDS)["trace"] == "t"
    rows = kept.since(0.0)
    assert [row["handle"] for row in rows] == [f"88.901.1/{n}" for n in range(5, KEPT + 5)]


def test_whatever_stands_in_it_can_be_told():
    kept = recent()
    kept.resolved("88.901.1/\udcff" + "x" * 1000, FAILED, 0.1, "")
    (row,) = kept.since(0.0)
    assert len(row["handle"]) == LONGEST + 1
    assert msgpack.unpackb(msgpack.packb(row)) == row


def test_the_latest_of_several_nodes():
    one, other = recent("a"), recent("b")
    for number in range(KEPT):
        (one if number % 2 else other).resolved(f"x/{number}", FAILED, 0.1, "")
    other.resolved("x/last", FAILED, 0.1, "")
    found = latest([*one.since(0.0), *other.since(0.0)])
    assert len(found) == KEPT
    assert [row["handle"] for row in found[:2]] == ["x/last", f"x/{KEPT - 1}"]
