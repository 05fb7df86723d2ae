"""Which trace a request belongs to: the W3C text, and how a request message carries it."""

import pytest

from resolver.model.codes import OpFlag
from resolver.wire.credential import Credential
from resolver.wire.envelope import ENVELOPE_OCTETS
from resolver.wire.message import decode_request, encode_message
from resolver.wire.resolving import encode_question
from resolver.wire.traceparent import TraceParent, parent_in, parent_of, with_parent

SECRET = b"k" * 32
PARENT = TraceParent(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)
TEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def question(handle: str = "88.901.1/motor") -> bytes:
    return encode_question(
        handle, (1,), ("URL",), flags=OpFlag.RECU, recursion_count=0, expiration=1_700_000_000
    )


def test_the_text_is_that_of_the_standard():
    assert str(PARENT) == TEXT
    assert parent_in(TEXT) == PARENT
    assert parent_in(TEXT[:-2] + "00") == TraceParent(PARENT.trace_id, PARENT.span_id, False)
    assert PARENT.trace == TEXT[3:35]


def test_a_later_version_may_say_more():
    assert parent_in("cc" + TEXT[2:] + "-what-comes") == PARENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        TEXT.upper(),
        TEXT + "-more",
        "ff" + TEXT[2:],
        TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        TEXT.replace("00f067aa0ba902b7", "0" * 16),
        TEXT[:-1],
        f" {TEXT}",
    ],
)
def test_what_is_none_is_as_if_it_were_not_there(text: str):
    assert parent_in(text) is None


def test_a_message_carries_it_and_is_else_the_same():
    plain = question()
    carrying = with_parent(plain, PARENT, SECRET)
    request = decode_request(carrying)
    assert parent_of(request, carrying, SECRET) == PARENT
    assert len(carrying) == ENVELOPE_OCTETS + request.envelope.length <= 512
    assert encode_message(request) == carrying
    request.credential = None
    assert encode_message(request) == plain


def test_only_who_knows_the_secret_can_say_so():
    plain = question()
    carrying = with_parent(plain, PARENT, SECRET)
    assert parent_of(decode_request(carrying), carrying, b"another") is None
    assert parent_of(decode_request(plain), plain, SECRET) is None
    # The credential of one question says nothing about another.
    other = decode_request(question("88.901.1/pump"))
    other.credential = decode_request(carrying).credential
    octets = encode_message(other)
    assert parent_of(decode_request(octets), octets, SECRET) is None
    request = decode_request(carrying)
    request.credential = Credential("HS_MAC", "HMAC-SHA256", b"x" * 32, signer=TEXT)
    octets = encode_message(request)
    assert parent_of(decode_request(octets), octets, SECRET) is None
