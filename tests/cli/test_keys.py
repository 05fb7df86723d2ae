"""``wuhan keys create``."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resolver.cli.keys import key_value
from resolver.model.errors import ConfigError, WireError
from resolver.security.sm2 import sm2_private_from_pem, sm2_public, sm2_public_from_pem
from resolver.wire.typed import DsaPublicKey, PemPublicKey, RsaPublicKey, decode_public_key
from tests.support.offline import Result
from tests.support.recorded import VECTORS

Run = Callable[..., Result]


def created(run: Run, folder: Path, kind: str, *options: str) -> tuple[Path, Path]:
    result = run("keys", "create", "admin", "--type", kind, "--out", folder, "--json", *options)
    assert result.code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["type"] == kind
    return Path(told["private"]), Path(told["public"])


@pytest.mark.parametrize(
    ("kind", "expected"), [("rsa", RsaPublicKey), ("dsa", DsaPublicKey), ("sm2", PemPublicKey)]
)
def test_key_pairs(run: Run, tmp_path: Path, kind: str, expected: type):
    private, public = created(run, tmp_path / "new", kind)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    value = key_value(public, 300)
    assert (value.index, value.type) == (300, "HS_PUBKEY")
    assert isinstance(decode_public_key(value.data), expected)
    if kind == "sm2":
        key = sm2_private_from_pem(private.read_bytes())
        assert sm2_public(key) == sm2_public_from_pem(public.read_bytes())
    else:
        assert load_pem_private_key(private.read_bytes(), None)


def test_the_size_of_an_rsa_key(run: Run, tmp_path: Path):
    private, _ = created(run, tmp_path, "rsa", "--bits", "3072")
    assert load_pem_private_key(private.read_bytes(), None).key_size == 3072  # type: ignore[union-attr]


def test_a_secret(run: Run, tmp_path: Path):
    private, public = created(run, tmp_path, "secret")
    assert private == public
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    value = key_value(private, 301)
    assert (value.type, value.permissions) == ("HS_SECKEY", 0x0C)
    assert len(value.data) >= 32


def test_it_says_what_to_do_next(run: Run, tmp_path: Path):
    result = run("keys", "create", "admin", "--type", "sm2", "--out", tmp_path)
    assert result.stdout.splitlines()[-1] == (
        f"next: wuhan prefix apply PREFIX --key {tmp_path}/admin.pub.pem --hosted"
    )


def test_nothing_is_overwritten(run: Run, tmp_path: Path):
    private, _ = created(run, tmp_path, "sm2")
    before = private.read_bytes()
    again = run("keys", "create", "admin", "--type", "sm2", "--out", tmp_path)
    assert again.code == 1
    assert "exists; choose another name" in again.stderr
    assert private.read_bytes() == before
    away = run("keys", "create", "../admin", "--out", tmp_path)
    assert away.code == 1
    assert "no name of a file" in away.stderr


def test_recorded_keys_as_values():
    for name in ("user_rsa", "user_dsa"):
        value = key_value(VECTORS / "keys" / f"{name}_pub.pem")
        recorded = decode_public_key((VECTORS / "keys" / f"{name}_pub.bin").read_bytes())
        assert decode_public_key(value.data) == recorded


def test_what_is_no_key(tmp_path: Path):
    file = tmp_path / "key"
    for octets, error, reason in (
        (b"  \n", ConfigError, "is empty"),
        (b"-----BEGIN PRIVATE KEY-----", ConfigError, "the public half is wanted"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", WireError, "not a public"),
    ):
        file.write_bytes(octets)
        with pytest.raises(error, match=reason):
            key_value(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        key_value(tmp_path / "missing")
