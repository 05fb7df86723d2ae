"""The network's key: made once, kept to its owner, never replaced."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from resolver.model.errors import ConfigError
from resolver.server.keys import load_or_make_key
from resolver.wire.typed import RsaPublicKey, decode_public_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "network.pem"


def public(record: bytes) -> RSAPublicKey:
    key = decode_public_key(record)
    assert isinstance(key, RsaPublicKey)
    exponent, modulus = (int.from_bytes(n, "big") for n in (key.exponent, key.modulus))
    return RSAPublicNumbers(exponent, modulus).public_key()


def test_a_key_is_made_once(path: Path):
    first = load_or_make_key(path)
    assert load_or_make_key(path).public_record == first.public_record
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_public_half_is_made_again_from_the_private_one(path: Path):
    first = load_or_make_key(path)
    path.with_suffix(".pub").unlink()
    assert load_or_make_key(path).public_record == first.public_record


@pytest.mark.parametrize(
    ("version", "name", "algorithm"),
    [((2, 11), "SHA-256", hashes.SHA256()), ((2, 3), "SHA1", hashes.SHA1())],
)
def test_what_it_signs_is_verified_with_the_public_half(
    path: Path, version: tuple[int, int], name: str, algorithm: hashes.HashAlgorithm
):
    key = load_or_make_key(path)
    named, signature = key.sign(b"octets", version)
    assert named == name
    public(key.public_record).verify(signature, b"octets", padding.PKCS1v15(), algorithm)
    with pytest.raises(InvalidSignature):
        public(key.public_record).verify(signature, b"others", padding.PKCS1v15(), algorithm)


@pytest.mark.parametrize("half", [".pem", ".pub"])
def test_a_damaged_key_is_told_and_kept(path: Path, half: str):
    load_or_make_key(path)
    damaged = path.with_suffix(half)
    damaged.write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match=damaged.name):
        load_or_make_key(path).sign(b"octets", (2, 11))
    assert damaged.read_bytes() == b"rubbish"
