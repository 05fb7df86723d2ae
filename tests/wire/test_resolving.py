"""The quick way to read and write resolutions makes what the ordinary one makes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.model.codes import OpCode, OpFlag
from resolver.model.errors import WireError
from resolver.model.value import HandleValue
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.cursor import decode_text
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, decode_request, encode_message
from resolver.wire.resolving import encode_question, encode_record, read_question, read_record
from resolver.wire.values import ValueList
from resolver.wire.version import CURRENT
from tests.support.recorded import exchanges

u4 = st.integers(0, 0xFFFFFFFF)
texts = st.binary(max_size=12).map(decode_text)
indexes = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3).map(tuple)
types = st.lists(texts, max_size=3).map(tuple)
flags = u4.map(lambda bits: bits & ~OpFlag.RECU_AUTH & ~OpFlag.RRDG)
versions = st.sampled_from([(2, 0), (2, 1), (2, 5), (2, 7), (2, 10), (2, 11), (3, 7)])
envelopes = st.builds(
    Envelope, versions, st.tuples(st.integers(0, 3), st.integers(0, 255)), u4, u4, u4
)
value_lists = st.lists(
    st.builds(HandleValue, st.integers(1, 99), texts, st.binary(max_size=9)), max_size=4
).map(ValueList.of)
questions = st.builds(
    Message,
    envelope=envelopes,
    op_code=st.just(int(OpCode.RESOLVE)),
    flags=flags,
    site_serial=st.integers(0, 0xFFFF),
    recursion_count=st.integers(0, 255),
    expiration=u4,
    body=st.builds(ResolveRequest, texts, indexes, types),
)
records = st.builds(
    Message,
    envelope=envelopes,
    op_code=st.just(int(OpCode.RESOLVE)),
    response_code=st.just(1),
    flags=flags,
    site_serial=st.integers(0, 0xFFFF),
    recursion_count=st.integers(0, 255),
    expiration=u4,
    body=st.builds(RecordAnswer, texts, value_lists),
)
RECORDED_PLAIN = 40
"""Messages among the recorded ones that are plain, at least."""

A_QUESTION = encode_question("88.901.1/x", (), ("URL",), flags=0, recursion_count=0, expiration=9)
A_RECORD = encode_message(
    Message(
        envelope=Envelope(),
        op_code=OpCode.RESOLVE,
        response_code=1,
        body=RecordAnswer("88.901.1/x", ValueList.of([HandleValue(1, "URL", b"https://e.com/")])),
    )
)


def _ordinary(read: Callable[[bytes], Message], octets: bytes) -> Message | None:
    try:
        return read(octets)
    except WireError:
        return None


@given(questions)
def test_a_plain_question_is_read_as_it_is(question: Message) -> None:
    """The same message as the ordinary decoder makes, and never left to it."""
    octets = encode_message(question)
    assert read_question(octets) == decode_request(octets)


@given(records)
def test_a_plain_record_is_read_as_it_is(record: Message) -> None:
    """The same message, down to its values."""
    octets = encode_message(record)
    quick, ordinary = read_record(octets), decode_message(octets)
    assert quick is not None
    assert quick == ordinary
    assert isinstance(quick.body, RecordAnswer)
    assert isinstance(ordinary.body, RecordAnswer)
    assert list(quick.body.values) == list(ordinary.body.values)
    assert quick.body.values.unfit_index() == ordinary.body.values.unfit_index()


@given(st.sampled_from([A_QUESTION, A_RECORD]), st.data())
def test_what_is_damaged_is_left_to_the_ordinary_way(whole: bytes, data: st.DataObject) -> None:
    """Some octets changed, cut off or added: the quick way says the same or nothing."""
    octets = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    damaged += data.draw(st.sampled_from([b"", bytes(1), bytes(4)]))
    question, record = read_question(damaged), read_record(damaged)
    assert question is None or question == _ordinary(decode_request, damaged)
    assert record is None or record == _ordinary(decode_message, damaged)


@given(st.binary(max_size=80))
def test_no_octets_make_it_raise(octets: bytes) -> None:
    """Anything at all may arrive."""
    assert read_question(octets) is None or len(octets) >= 60
    assert read_record(octets) is None or len(octets) >= 56


def test_recorded_messages_are_read_alike() -> None:
    """What real clients and servers said; most of what they resolve is plain."""
    quick = 0
    for exchange in exchanges():
        for octets in exchange.requests:
            question = read_question(octets)
            assert question is None or question == decode_request(octets)
            quick += question is not None
        for octets in exchange.replies:
            record = read_record(octets)
            assert record is None or record == decode_message(octets)
            quick += record is not None
    assert quick >= RECORDED_PLAIN


@given(records)
def test_a_record_is_written_as_it_is(record: Message) -> None:
    """The same octets as the ordinary encoder makes, of replies that suggest our version."""
    envelope = replace(record.envelope, suggested=CURRENT, sequence=0)
    assert isinstance(record.body, RecordAnswer)
    assert encode_record(
        record.body,
        version=envelope.version,
        session_id=envelope.session_id,
        request_id=envelope.request_id,
        flags=record.flags,
        serial=record.site_serial,
        recursion_count=record.recursion_count,
        expiration=record.expiration,
    ) == encode_message(replace(record, envelope=envelope))


@given(texts, indexes, types, flags, st.integers(0, 255), u4)
@example("88.901.1/x", (), (), 0, 0, 0)
def test_a_question_is_written_as_it_is(
    handle: str,
    asked: tuple[int, ...],
    wanted: tuple[str, ...],
    bits: int,
    count: int,
    expiration: int,
) -> None:
    """The same octets as the ordinary encoder makes."""
    octets = encode_question(
        handle, asked, wanted, flags=bits, recursion_count=count, expiration=expiration
    )
    assert octets == encode_message(
        Message(
            envelope=Envelope(),
            op_code=OpCode.RESOLVE,
            flags=bits,
            recursion_count=count,
            expiration=expiration,
            body=ResolveRequest(handle, asked, wanted),
        )
    )


def test_a_field_that_does_not_fit_is_an_error() -> None:
    """As of the ordinary encoder."""
    body = RecordAnswer("88.901.1/x", ValueList.of([]))
    with pytest.raises(WireError):
        encode_record(
            body, version=CURRENT, session_id=0, request_id=0, flags=0, serial=0,
            recursion_count=256, expiration=0,
        )  # fmt: skip
