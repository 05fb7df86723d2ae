"""The key a sandbox network signs with.

All nodes of one local network share one RSA key, made on first start and kept in the data folder
(mode 0600): a hundred key pairs would take longer to make than the network to start, and nobody
outside relies on the difference. Its public half stands in every HS_SITE, and in a file of its own,
so that a node need not load a cryptography library (8 MB in every process) before it signs.
"""

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resolver.model.errors import ConfigError, WireError
from resolver.security.handshake import control_secret
from resolver.wire.typed import RsaPublicKey, decode_public_key, encode_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_BITS: Final = 2048
_SHA256_SINCE: Final = (2, 7)


class NetworkKey:
    """An RSA key pair in the forms the protocol needs; the private half is loaded on first use.

    Attributes:
        public_record: the public half as an HS_PUBKEY record (docs/protocol.md §5).
    """

    def __init__(self, path: Path, public_record: bytes) -> None:
        self.public_record: Final = public_record
        self._path: Final = path
        self._private: RSAPrivateKey | None = None

    def control_secret(self) -> bytes:
        """What all nodes of the network know, and nobody else (``resolver.security.handshake``).

        Raises:
            ConfigError: the private key cannot be read.
        """
        return control_secret(_read(self._path))

    def sign(self, octets: bytes, version: tuple[int, int]) -> tuple[str, bytes]:
        """PKCS#1 v1.5 over SHA-256, over SHA-1 for clients before 2.7 (docs/protocol.md §8)."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        if self._private is None:
            self._private = _load(self._path)
        if version >= _SHA256_SINCE:
            return "SHA-256", self._private.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        return "SHA1", self._private.sign(octets, padding.PKCS1v15(), hashes.SHA1())


def load_or_make_key(path: Path) -> NetworkKey:
    """The key in the PEM file at ``path``, made and written first if there is none.

    Several processes may do so at a time: one of them makes the key, for all.

    Raises:
        ConfigError: a file is there but cannot be read, or holds no unencrypted RSA key.
    """
    public = path.with_suffix(".pub")
    if not (path.exists() and public.exists()):
        _make_missing(path, public)
    record = _read(public)
    try:
        decode_public_key(record)
    except WireError as error:
        raise ConfigError(
            f"{public}: no public key record ({error}); remove it, and it is made anew"
        ) from None
    return NetworkKey(path, record)


def take_key(given: Path, path: Path) -> None:
    """Have the key in the PEM file ``given`` at ``path``, instead of one that is there.

    Nodes on several machines are given the same key so; what else works in a data folder finds it
    where it always is.

    Raises:
        ConfigError: ``given`` cannot be read, or holds no unencrypted RSA key.
    """
    octets = _read(given)
    public = _public_record(_load(given))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or _read(path) != octets:
        _write(path, octets)
    _write(path.with_suffix(".pub"), public)


def _make_missing(path: Path, public: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        # Others may have made it while this process waited.
        if not path.exists():
            public.unlink(missing_ok=True)  # of a key that is gone
            _make(path)
        if not public.exists():
            _write(public, _public_record(_load(path)))
    finally:
        os.close(folder)


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    octets = rsa.generate_private_key(public_exponent=65537, key_size=_BITS).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(path, octets)


def _load(path: Path) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        loaded = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not an unencrypted private key in PEM form ({error})") from None
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise ConfigError(f"{path}: not an RSA key")
    return loaded


def _public_record(private: "RSAPrivateKey") -> bytes:
    numbers = private.public_key().public_numbers()
    return encode_public_key(RsaPublicKey(_number(numbers.e), _number(numbers.n)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _write(path: Path, octets: bytes) -> None:
    """Write aside and rename, so that a crash leaves no half a key."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    draft.rename(path)


def _number(value: int) -> bytes:
    """Big-endian two's complement, as the protocol writes numbers."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big")
