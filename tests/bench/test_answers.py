"""What counts as a right answer, on replies made by the codec."""

from ipaddress import ip_address

import pytest

from bench.answers import Population, Question, Route
from resolver.model.codes import OpCode
from resolver.model.site import Interface, Protocol, Purpose, Server, Site
from resolver.model.value import HandleValue
from resolver.wire.bodies import ErrorAnswer, RecordAnswer
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.typed import encode_site
from resolver.wire.values import ValueList
from secondary_nodes.population import sample_records

POPULATION = Population(3, {"88.901.1": 2801})
RECORDS = dict(sample_records("88.901.1", 3))
ASKED = POPULATION.product("88.901.1", 2)


def reply(
    body: RecordAnswer | ErrorAnswer, code: int = 1, operation: int = OpCode.RESOLVE
) -> bytes:
    envelope = Envelope(request_id=7)
    return encode_message(Message(envelope, operation, code, expiration=1, body=body))


def test_a_question_is_a_plain_resolution():
    octets = encode_message(Message(Envelope(), 1))[:12] + ASKED.octets
    message = decode_message(octets)
    assert (message.op_code, message.body.handle) == (OpCode.RESOLVE, "88.901.1/000002")
    assert ASKED.values == RECORDS["88.901.1/000002"].octets


def test_the_population_s_values_are_right():
    answer = reply(RecordAnswer(ASKED.handle, RECORDS[ASKED.handle]))
    assert ASKED.is_right(answer)
    assert ASKED.trouble(answer) == ""


@pytest.mark.parametrize(
    ("octets", "trouble"),
    [
        (reply(RecordAnswer(ASKED.handle, RECORDS["88.901.1/000003"])), "other values"),
        (
            reply(RecordAnswer("88.901.1/000003", RECORDS["88.901.1/000003"])),
            "another identifier: 88.901.1/000003",
        ),
        (reply(ErrorAnswer(""), 100), "response code 100 (handle not found)"),
        (reply(ErrorAnswer("later"), 9), "response code 9"),
        (reply(ErrorAnswer("")), "an unreadable answer"),
        (b"\0" * 10, "an unreadable answer"),
    ],
)
def test_anything_else_is_wrong_and_says_why(octets: bytes, trouble: str):
    assert not ASKED.is_right(octets)
    assert trouble in ASKED.trouble(octets)


def test_what_does_not_exist_must_not_be_found():
    absent = POPULATION.absent("88.901.1/none")
    assert absent.is_right(reply(ErrorAnswer(""), 100))
    assert absent.trouble(reply(RecordAnswer("88.901.1/none", RECORDS[ASKED.handle])))
    assert POPULATION.absent("88.901.1/none") is absent


def test_a_key_look_up_is_about_one_value():
    asked = POPULATION.administrator("88.901.1")
    chosen = ValueList.of(v for v in RECORDS["88.901.1/ADMIN"] if v.index == 100)
    assert asked.is_right(reply(RecordAnswer("88.901.1/ADMIN", chosen)))


def site_reply(port: int, key: bytes = b"") -> bytes:
    interface = Interface(Purpose.BOTH, Protocol.TCP, port)
    site = Site((Server(1, ip_address("127.0.0.1"), key, (interface,)),))
    values = ValueList.of([HandleValue(1, "HS_SITE", encode_site(site))])
    return reply(RecordAnswer("88.901.1", values))


def test_the_first_route_is_taken_apart_and_later_ones_must_be_the_same():
    route: Question = Route("88.901.1", 2801)
    assert "without port 2801" in route.trouble(site_reply(2999))
    first = site_reply(2801)
    assert not route.is_right(first)
    assert route.trouble(first) == ""
    assert route.is_right(first)
    assert route.trouble(site_reply(2801, b"other key")) == "other values than before"
