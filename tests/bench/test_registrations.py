"""The benchmark of registrations counts what a real node acknowledged, and nothing else."""

import json
import socket
from collections.abc import Iterator

import pytest

from bench import registrations
from resolver.model.codes import OpCode, ResponseCode
from resolver.wire.bodies import Body, ErrorAnswer, HandleAnswer, RecordRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_request, encode_message


@pytest.mark.slow
def test_a_short_run(capsys: pytest.CaptureFixture[str]):
    options = ["--records", "200", "--window", "50", "--connections", "4", "--rounds", "1"]
    status = registrations.main([*options, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    assert (report["window"], report["connections"], report["rounds"]) == (50, 4, 1)
    for name in ("bulk", "single"):
        assert report[name]["rate"] > 0
        assert report[name]["commits"] >= 1
        raw = report[f"raw_{name}"]["rate"]
        assert report[name]["ratio"] == pytest.approx(report[name]["rate"] / raw)
    # What arrives together shares a transaction; what waits for its turn cannot.
    assert report["bulk"]["commits"] < 200
    assert report["single"]["commits"] >= 20 / 4
    registrations.print_report(report)
    assert "4 sessions, one by one" in capsys.readouterr().out


def test_every_request_registers_another_record():
    made = [decode_request(octets) for octets in registrations._requests("t", 3)]
    assert [message.envelope.request_id for message in made] == [2, 3, 4]
    assert {message.op_code for message in made} == {OpCode.CREATE_HANDLE}
    bodies = [message.body for message in made if isinstance(message.body, RecordRequest)]
    assert len({body.handle for body in bodies}) == len({body.values for body in bodies}) == 3


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def reply(number: int, code: int, body: Body) -> bytes:
    envelope = Envelope(request_id=number)
    return encode_message(Message(envelope, OpCode.CREATE_HANDLE, response_code=code, body=body))


def test_only_what_succeeded_is_acknowledged(ends: tuple[socket.socket, socket.socket]):
    here, there = ends
    good = [reply(number, ResponseCode.SUCCESS, HandleAnswer("1/a")) for number in (2, 3)]
    # A reply in two parts, and two in one.
    there.sendall(good[0][:30])
    acknowledged = registrations._acknowledged(here)
    there.sendall(good[0][30:] + good[1])
    assert [next(acknowledged), next(acknowledged)] == [2, 3]
    there.sendall(reply(4, ResponseCode.HANDLE_EXISTS, ErrorAnswer("it exists")))
    with pytest.raises(SystemExit, match="refused: 101"):
        next(acknowledged)
