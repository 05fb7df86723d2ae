"""Sessions end, are bounded, and do not begin on groups that are no good."""

import itertools
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.security.sessions import MAX_LIFETIME_S, Session, SessionTable, agree
from resolver.wire.bodies import SessionSetupRequest
from resolver.wire.message import decode_request
from resolver.wire.typed import DhPublicKey, decode_public_key
from tests.support.recorded import exchanges

NOW = 1000
KEY = bytes(range(32))


def table(most: int = 10) -> SessionTable:
    numbers = itertools.count(1)
    return SessionTable(lambda count: next(numbers).to_bytes(count, "big"), most)


def test_a_session_ends_after_its_time_without_a_message():
    sessions = table()
    session = sessions.begin(KEY, 60, NOW)
    assert sessions.get(session.number, NOW + 60) is session
    assert sessions.get(session.number, NOW + 120) is session
    assert sessions.get(session.number, NOW + 181) is None
    assert not session.is_open


@pytest.mark.parametrize("asked", [0, 10**9])
def test_no_session_lives_for_ever(asked: int):
    assert table().begin(KEY, asked, NOW).lifetime == MAX_LIFETIME_S


def test_the_one_that_was_silent_longest_makes_room():
    sessions = table(most=2)
    first, second = sessions.begin(KEY, 60, NOW), sessions.begin(KEY, 60, NOW)
    assert sessions.get(first.number, NOW) is first
    third = sessions.begin(KEY, 60, NOW)
    assert len(sessions) == 2
    assert (first.is_open, second.is_open, third.is_open) == (True, False, True)


def test_a_session_that_was_terminated_is_gone():
    sessions = table()
    session = sessions.begin(KEY, 60, NOW)
    sessions.end(session)
    assert sessions.get(session.number, NOW) is None


@given(st.binary(max_size=200))
def test_sealing_there_and_back(payload: bytes):
    session = Session(1, KEY, 60, NOW)
    sealed = session.seal(payload, secrets.token_bytes)
    assert session.unseal(sealed) == payload


@given(st.binary(max_size=200))
def test_rubbish_is_unsealed_to_something_or_nothing(octets: bytes):
    Session(1, KEY, 60, NOW).unseal(octets)


@pytest.fixture(scope="module")
def theirs() -> DhPublicKey:
    (setup,) = (e for e in exchanges() if e.name == "session_dh_tcp#1")
    body = decode_request(setup.requests[0]).body
    assert isinstance(body, SessionSetupRequest)
    assert body.public_key is not None
    key = decode_public_key(body.public_key)
    assert isinstance(key, DhPublicKey)
    return key


def test_the_group_of_real_clients_is_good(theirs: DhPublicKey):
    agreed = agree(theirs, secrets.token_bytes)
    assert agreed is not None
    ours, key = agreed
    assert (ours.p, ours.g, len(key)) == (theirs.p, theirs.g, 32)


@pytest.mark.parametrize(
    "change",
    [
        {"p": b""},
        {"p": b"\x17"},
        {"p": b"\x01" * 1000},
        {"p": b"\x80" + bytes(127)},
        {"g": b"\0"},
        {"g": b"\1"},
        {"y": b"\0"},
        {"y": b"\1"},
    ],
)
def test_other_groups_are_refused(theirs: DhPublicKey, change: dict[str, bytes]):
    assert agree(replace(theirs, **change), secrets.token_bytes) is None


def test_a_number_of_order_two_is_refused(theirs: DhPublicKey):
    p = int.from_bytes(theirs.p, "big")
    minus_one = (p - 1).to_bytes(len(theirs.p), "big")
    assert agree(replace(theirs, y=minus_one), secrets.token_bytes) is None
