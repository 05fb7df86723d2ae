"""Keys that a client proves who it is with (docs/protocol.md §9, §15)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resolver.model.errors import ConfigError, WireError
from resolver.security.sm2 import sm2_private_from_pem, sm2_sign, sm3
from resolver.wire.cursor import encode_text
from resolver.wire.proof import (
    PUBLIC_KEY,
    SECRET_KEY,
    MacProof,
    SignatureProof,
    WireProof,
    encode_proof,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.dsa import DSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SHA256_MAC = 3


class Key(Protocol):
    """What somebody has who can say who they are."""

    @property
    def auth_type(self) -> str:
        """HS_PUBKEY or HS_SECKEY."""

    def prove(self, challenge: bytes, user: str) -> WireProof:
        """The proof of having it, over nonce and digest."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that the record of the user holds too."""

    octets: bytes
    auth_type: str = SECRET_KEY

    def prove(self, challenge: bytes, user: str) -> WireProof:
        """See ``Key``: SHA-256 of secret, challenge and secret."""
        mac = hashlib.sha256(self.octets + challenge + self.octets).digest()
        return MacProof(_SHA256_MAC, mac)


@dataclass(frozen=True, slots=True)
class Sm2Key:
    """A private SM2 key."""

    private: bytes
    auth_type: str = PUBLIC_KEY

    def prove(self, challenge: bytes, user: str) -> WireProof:
        """See ``Key``; the user's handle is signed too."""
        return SignatureProof("SM3", sm2_sign(self.private, sm3(challenge), encode_text(user)))


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private RSA or DSA key."""

    key: "RSAPrivateKey | DSAPrivateKey"
    auth_type: str = PUBLIC_KEY

    def prove(self, challenge: bytes, user: str) -> WireProof:
        """See ``Key``."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        if isinstance(self.key, rsa.RSAPrivateKey):
            signature = self.key.sign(challenge, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = self.key.sign(challenge, hashes.SHA256())
        return SignatureProof("SHA-256", signature)


def load_key(path: Path) -> Key:
    """The key in a file: a private key in PEM (RSA, DSA, SM2), or else a secret.

    Raises:
        ConfigError: it cannot be read, or is of no use to prove anything.
    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if b"-----BEGIN" not in octets:
        secret = octets.strip()
        if not secret:
            raise ConfigError(f"{path} is empty")
        return Secret(secret)
    if b"PRIVATE KEY-----" not in octets:
        raise ConfigError(f"{path} is no private key")
    try:
        return Sm2Key(sm2_private_from_pem(octets))
    except WireError:
        pass
    return _load_pem(path, octets)


def signed_response(key: Key, challenge: bytes, user: str) -> bytes:
    """What a challenge answer carries."""
    return encode_proof(key.prove(challenge, user))


def _load_pem(path: Path, octets: bytes) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: not an unencrypted private key in PEM form ({error})") from None
    if not isinstance(key, rsa.RSAPrivateKey | dsa.DSAPrivateKey):
        raise ConfigError(f"{path}: not an RSA, DSA or SM2 key")
    return PrivateKey(key)
