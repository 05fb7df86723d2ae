"""Challenges are answered once, in time, and there are never too many."""

import itertools

from resolver.model.codes import OpCode
from resolver.security.challenges import LIFETIME_S, ChallengeTable
from resolver.wire.bodies import HandleRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Digest, Message

REQUEST = Message(
    envelope=Envelope(), op_code=OpCode.DELETE_HANDLE, body=HandleRequest("88.901.1/x")
)
DIGEST = Digest(3, b"d" * 32)
NOW = 1000


def table(most: int = 10) -> ChallengeTable:
    numbers = itertools.count(1)
    return ChallengeTable(lambda count: next(numbers).to_bytes(count, "big"), most)


def test_a_challenge_is_answered_once():
    open_ = table()
    challenge = open_.issue(REQUEST, DIGEST, (2, 11), NOW)
    assert challenge.octets == challenge.nonce + DIGEST.octets
    assert open_.take(challenge.number, NOW) is challenge
    assert open_.take(challenge.number, NOW) is None


def test_a_challenge_expires():
    open_ = table()
    early = open_.issue(REQUEST, DIGEST, (2, 11), NOW)
    late = open_.issue(REQUEST, DIGEST, (2, 11), NOW)
    assert open_.take(early.number, NOW + LIFETIME_S) is early
    assert open_.take(late.number, NOW + LIFETIME_S + 1) is None


def test_the_oldest_makes_room():
    open_ = table(most=3)
    issued = [open_.issue(REQUEST, DIGEST, (2, 11), NOW) for _ in range(5)]
    assert len(open_) == 3
    assert [open_.take(one.number, NOW) is not None for one in issued] == [
        False, False, True, True, True,
    ]  # fmt: skip


def test_numbers_are_never_zero_or_taken():
    numbers = iter([b"\0\0\0\0", b"\0\0\0\1", b"n" * 16, b"\0\0\0\1", b"\0\0\0\2", b"n" * 16])
    open_ = ChallengeTable(lambda count: next(numbers))
    assert open_.issue(REQUEST, DIGEST, (2, 11), NOW).number == 1
    assert open_.issue(REQUEST, DIGEST, (2, 11), NOW).number == 2
