"""Recorded answers to recorded challenges, and answers that prove nothing."""

from collections.abc import Iterator

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import WireError
from resolver.model.value import HandleValue
from resolver.security import proves
from resolver.security.proofs import MAX_ITERATIONS
from resolver.wire.bodies import ChallengeAnswer, ChallengeAnswerRequest
from resolver.wire.message import decode_message, decode_request
from resolver.wire.proof import (
    MacProof,
    Pbkdf2Proof,
    Proof,
    SignatureProof,
    challenge_octets,
    decode_proof,
)
from tests.support.recorded import VECTORS, exchanges

KEYS = {
    ("88.118.8/USER01", 300): ("HS_PUBKEY", (VECTORS / "keys/user_rsa_pub.bin").read_bytes()),
    ("88.118.8/USER01", 301): ("HS_SECKEY", b"testpass"),
    ("88.118.8/USER01", 302): ("HS_PUBKEY", (VECTORS / "keys/user_dsa_pub.bin").read_bytes()),
    ("88.118.8/ADMIN", 300): ("HS_PUBKEY", (VECTORS / "keys/admin_rsa_pub.bin").read_bytes()),
    ("88.118.8/ADMIN", 301): ("HS_SECKEY", b"adminpass"),
}


def recorded() -> Iterator[object]:
    """(proof, key, challenge, whether the server took it) of every recorded challenge answer."""
    open_ = {}
    for exchange in exchanges():
        codes = []
        for octets in exchange.replies:
            try:
                reply = decode_message(octets)
            except WireError:
                continue  # encrypted
            codes.append(reply.response_code)
            if isinstance(reply.body, ChallengeAnswer) and reply.digest is not None:
                open_[exchange.file, reply.envelope.session_id] = reply
        for octets in exchange.requests:
            try:
                request = decode_request(octets)
            except WireError:
                continue
            answered = open_.get((exchange.file, request.envelope.session_id))
            body = request.body
            if request.op_code != OpCode.CHALLENGE_ANSWER or answered is None:
                continue
            assert isinstance(body, ChallengeAnswerRequest)
            key = KEYS.get((body.user, body.user_index))
            if key is None:
                continue
            proof = decode_proof(body.auth_type, body.signed_response, answered.envelope.version)
            yield pytest.param(
                proof,
                HandleValue(1, *key),
                challenge_octets(answered.body.nonce, answered.digest),
                ResponseCode.AUTHENTICATION_FAILED not in codes,
                id=exchange.name,
            )


@pytest.mark.parametrize(("proof", "key", "challenge", "taken"), list(recorded()))
def test_recorded_answers(proof: Proof, key: HandleValue, challenge: bytes, taken: bool):
    assert proves(proof, key, challenge, USER) == taken
    assert not proves(proof, key, challenge[:-1] + b"?", USER)


USER = "88.118.8/USER01"
SECRET = HandleValue(1, "HS_SECKEY", b"testpass")
PUBLIC = HandleValue(1, "HS_PUBKEY", KEYS["88.118.8/USER01", 300][1])


@pytest.mark.parametrize(
    ("proof", "key"),
    [
        (SignatureProof("SHA-256", b""), PUBLIC),
        (SignatureProof("SHA-256", b"x" * 256), PUBLIC),
        (SignatureProof("SHA-512", b"x" * 256), PUBLIC),
        (SignatureProof("", b""), PUBLIC),
        (SignatureProof("SHA-256", b"x" * 256), SECRET),
        (SignatureProof("SHA-256", b"x" * 256), HandleValue(1, "HS_PUBKEY", b"no key")),
        (SignatureProof("SHA-256", b"x" * 256), HandleValue(1, "HS_PUBKEY", b"\0\0\0\1X\0\0")),
        (SignatureProof("SHA-256", b"x" * 256), HandleValue(1, "URL", b"")),
        (MacProof(2, b""), SECRET),
        (MacProof(99, b"x" * 20), SECRET),
        (MacProof(2, b"x" * 20), PUBLIC),
        (Pbkdf2Proof(b"salt", MAX_ITERATIONS + 1, 160, b"x" * 20), SECRET),
        (Pbkdf2Proof(b"salt", 0, 160, b"x" * 20), SECRET),
        (Pbkdf2Proof(b"salt", 1000, 8, b"x" * 20), SECRET),
        (Pbkdf2Proof(b"s" * 1000, 1000, 160, b"x" * 20), SECRET),
    ],
)
def test_what_proves_nothing(proof: Proof, key: HandleValue):
    assert not proves(proof, key, b"challenge", USER)


def test_an_rsa_key_of_nonsense_proves_nothing():
    for exponent, modulus in ((b"\0", b"\0"), (b"\1\0\1", b"\2"), (b"", b""), (b"\xff", b"\xff")):
        data = b"\0\0\0\x0bRSA_PUB_KEY\0\0" + b"".join(
            len(number).to_bytes(4, "big") + number for number in (exponent, modulus)
        )
        key = HandleValue(1, "HS_PUBKEY", data)
        assert not proves(SignatureProof("SHA-256", b"x" * 256), key, b"challenge", USER)
