"""A client that answers challenges with the keys of the recordings, in the form in which the
recorded client did. Written from docs/protocol.md §9; shares no code with what verifies."""

import hashlib
import hmac
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resolver.wire.proof import MacProof, Pbkdf2Proof, Proof, SignatureProof
from tests.support.recorded import VECTORS

KEYS: Final = VECTORS / "keys"
PRIVATE: Final = {
    ("88.118.8/USER01", 300): KEYS / "user_rsa_priv.pem",
    ("88.118.8/USER01", 302): KEYS / "user_dsa_priv.pem",
    ("88.118.8/ADMIN", 300): KEYS / "admin_rsa_priv.pem",
}
SECRETS: Final = {
    ("88.118.8/USER01", 301): b"testpass",
    ("88.118.8/ADMIN", 301): b"adminpass",
}


def prove(like: Proof, user: str, index: int, challenge: bytes) -> Proof:
    """A proof over ``challenge`` in the form of ``like``, with the key that user has at ``index``;
    with a wrong one if they have none of that kind."""
    if isinstance(like, SignatureProof):
        path = PRIVATE.get((user, index), KEYS / "admin_rsa_priv.pem")
        return SignatureProof(like.hash_algorithm, _sign(path, like.hash_algorithm, challenge))
    secret = SECRETS.get((user, index), b"no secret of anybody")
    if isinstance(like, Pbkdf2Proof):
        key = hashlib.pbkdf2_hmac("sha1", secret, like.salt, like.iterations, like.key_bits // 8)
        mac = hmac.new(key, challenge, "sha1").digest()
        return Pbkdf2Proof(like.salt, like.iterations, like.key_bits, mac)
    return MacProof(like.code, mac_of(like.code, secret, challenge))


def mac_of(code: int | None, secret: bytes, challenge: bytes) -> bytes:
    """The plain MAC of a coded kind."""
    name = {None: "md5", 1: "md5", 2: "sha1", 3: "sha256"}[code]
    return hashlib.new(name, secret + challenge + secret).digest()


def _sign(path: Path, name: str, octets: bytes) -> bytes:
    algorithm = hashes.SHA1() if name.startswith("SHA1") else hashes.SHA256()
    key = load_pem_private_key(path.read_bytes(), None)
    if isinstance(key, DSAPrivateKey):
        return key.sign(octets, algorithm)
    assert isinstance(key, RSAPrivateKey)
    return key.sign(octets, padding.PKCS1v15(), algorithm)
