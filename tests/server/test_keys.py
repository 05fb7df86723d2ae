"""The network's key: made once, kept to its owner, never replaced."""

import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    RSAPublicNumbers,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from resolver.model.errors import ConfigError
from resolver.server.keys import load_or_make_key, take_key
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


def test_the_public_half_of_a_key_that_is_gone_goes_too(path: Path):
    old = load_or_make_key(path)
    path.unlink()
    new = load_or_make_key(path)
    assert new.public_record != old.public_record
    _, signature = new.sign(b"octets", (2, 11))
    public(new.public_record).verify(signature, b"octets", padding.PKCS1v15(), hashes.SHA256())


def test_of_many_processes_one_makes_it(path: Path):
    """As containers do that start at the same time with one folder between them."""
    code = (
        "import sys; from pathlib import Path; from resolver.server.keys import load_or_make_key;"
        "print('here', flush=True); sys.stdin.readline();"
        "print(load_or_make_key(Path(sys.argv[1])).public_record.hex())"
    )
    command = (sys.executable, "-c", code, str(path))
    with ExitStack() as running:
        made = [
            running.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True))
            for _ in range(4)
        ]
        for process in made:
            running.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
        for process in made:
            assert process.stdin is not None
            process.stdin.write("now\n")
            process.stdin.flush()
        records = {process.communicate(timeout=30)[0].strip() for process in made}
    key = load_or_make_key(path)
    assert records == {key.public_record.hex()}
    _, signature = key.sign(b"octets", (2, 11))
    public(key.public_record).verify(signature, b"octets", padding.PKCS1v15(), hashes.SHA256())
    assert sorted(file.name for file in path.parent.iterdir()) == ["network.pem", "network.pub"]
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def pem(private: EllipticCurvePrivateKey | RSAPrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an unencrypted private key in PEM form"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
        (pem(rsa.generate_private_key(65537, 2048), b"secret"), "not an unencrypted private key"),
    ],
    ids=["empty", "elliptic", "encrypted"],
)
def test_what_is_no_key_of_ours(path: Path, content: bytes, reason: str):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        load_or_make_key(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("half", [".pem", ".pub"])
def test_a_key_that_cannot_be_read(path: Path, half: str):
    load_or_make_key(path)
    unreadable = path.with_suffix(half)
    unreadable.unlink()
    unreadable.mkdir()  # modes do not keep root out, but this does
    with pytest.raises(ConfigError, match=rf"network\{half}: cannot be read \(Is a directory\)"):
        load_or_make_key(path).sign(b"octets", (2, 11))


@pytest.mark.parametrize("half", [".pem", ".pub"])
def test_a_damaged_key_is_told_and_kept(path: Path, half: str):
    load_or_make_key(path)
    damaged = path.with_suffix(half)
    damaged.write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match=damaged.name):
        load_or_make_key(path).sign(b"octets", (2, 11))
    assert damaged.read_bytes() == b"rubbish"


def test_a_key_that_is_given_takes_the_place_of_one_that_is_there(path: Path, tmp_path: Path):
    given = tmp_path / "given.pem"
    other = load_or_make_key(given)
    load_or_make_key(path)
    for _ in range(2):
        take_key(given, path)
        taken = load_or_make_key(path)
        assert taken.public_record == other.public_record
        assert taken.control_secret() == other.control_secret()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_given_and_is_none(path: Path, tmp_path: Path):
    given = tmp_path / "given.pem"
    with pytest.raises(ConfigError, match=r"given\.pem: cannot be read"):
        take_key(given, path)
    given.write_text("no key", encoding="utf-8")
    with pytest.raises(ConfigError, match="not an unencrypted private key"):
        take_key(given, path)
    assert not path.exists()
