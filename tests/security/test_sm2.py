"""SM2 and SM3 against the examples of their standards, and keys in the forms clients bring."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.model.errors import WireError
from resolver.model.value import HandleValue
from resolver.security import proves
from resolver.security.sm2 import (
    DEFAULT_USER_ID,
    generate_sm2,
    sm2_private_from_pem,
    sm2_private_pem,
    sm2_public,
    sm2_public_from_pem,
    sm2_public_pem,
    sm2_sign,
    sm2_verifies,
    sm3,
)
from resolver.wire.proof import SignatureProof
from resolver.wire.typed import PemPublicKey, encode_public_key
from tests.support.recorded import VECTORS

# GB/T 32918.5-2017, annex A.2: keys, random number, signature.
PRIVATE = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
PUBLIC = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
RANDOM = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
R = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
S = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
MESSAGE = b"message digest"


def der(r: str, s: str) -> bytes:
    """Both numbers have their top bit set."""
    return bytes.fromhex(f"3046022100{r}022100{s}")


@pytest.mark.parametrize(
    ("octets", "digest"),
    [  # GB/T 32905-2016, annex A
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_the_digests_of_the_standard(octets: bytes, digest: str):
    assert sm3(octets).hex() == digest


def test_the_signature_of_the_standard():
    assert sm2_public(PRIVATE) == PUBLIC
    made = sm2_sign(PRIVATE, MESSAGE, random_bits=lambda bits: RANDOM)
    assert made == der(R, S)
    assert sm2_verifies(PUBLIC, made, MESSAGE, DEFAULT_USER_ID)


@pytest.mark.parametrize(
    ("public", "signature", "message", "user_id"),
    [
        (PUBLIC, der(R, S), b"another message", DEFAULT_USER_ID),
        (PUBLIC, der(R, S), MESSAGE, b"somebody else"),
        (PUBLIC, der(R, S), MESSAGE, b""),
        (PUBLIC, der(S, R), MESSAGE, DEFAULT_USER_ID),
        (PUBLIC, der("ff" * 32, S), MESSAGE, DEFAULT_USER_ID),
        (PUBLIC, bytes.fromhex("3006020100020100"), MESSAGE, DEFAULT_USER_ID),
        (PUBLIC, b"", MESSAGE, DEFAULT_USER_ID),
        (PUBLIC, b"no DER at all", MESSAGE, DEFAULT_USER_ID),
        (b"\4" + bytes(64), der(R, S), MESSAGE, DEFAULT_USER_ID),
        (b"\4" + b"\1" * 64, der(R, S), MESSAGE, DEFAULT_USER_ID),
        (sm2_public(b"\7" * 32), der(R, S), MESSAGE, DEFAULT_USER_ID),
    ],
)
def test_what_is_no_signature(public: bytes, signature: bytes, message: bytes, user_id: bytes):
    assert not sm2_verifies(public, signature, message, user_id)


def test_keys_as_the_recorded_client_has_them():
    private = sm2_private_from_pem((VECTORS / "keys" / "user_sm2_priv.pem").read_bytes())
    pem = (VECTORS / "keys" / "user_sm2_pub.pem").read_bytes()
    assert sm2_public_from_pem(pem) == sm2_public(private)
    assert sm2_public_from_pem(pem.replace(b"\n", b"\r\n")) == sm2_public(private)


def test_keys_come_back_from_pem():
    private = generate_sm2()
    assert sm2_private_from_pem(sm2_private_pem(private)) == private
    public = sm2_public(private)
    assert sm2_public_from_pem(sm2_public_pem(public)) == public


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_what_is_no_key(octets: bytes):
    for label, read in (
        (b"PUBLIC KEY", sm2_public_from_pem),
        (b"PRIVATE KEY", sm2_private_from_pem),
    ):
        for pem in (octets, b"-----BEGIN " + label + b"-----" + octets + b"-----END " + label):
            with pytest.raises(WireError):
                read(pem)


def test_a_proof_names_its_user_as_they_spell_it():
    private, user = generate_sm2(), "88.118.8/用户"
    pem = sm2_public_pem(sm2_public(private)).replace(b"\n", b"\r\n")
    key = HandleValue(303, "HS_PUBKEY", encode_public_key(PemPublicKey("SM2_PUB_KEY", pem)))
    signature = sm2_sign(private, sm3(b"nonce and digest"), user.encode())
    proof = SignatureProof("SM3", signature)
    assert proves(proof, key, b"nonce and digest", user)
    assert not proves(proof, key, b"nonce and digest", user.upper() + " ")
    assert not proves(proof, key, b"another challenge", user)
    assert not proves(SignatureProof("SHA-256", signature), key, b"nonce and digest", user)
    for damaged in (
        PemPublicKey("SM9_PUB_KEY", pem),
        PemPublicKey("SM2_PUB_KEY", pem[:-40]),
        PemPublicKey("SM2_PUB_KEY", b""),
    ):
        value = HandleValue(303, "HS_PUBKEY", encode_public_key(damaged))
        assert not proves(proof, value, b"nonce and digest", user)
