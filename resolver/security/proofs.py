"""Whether an answer to a challenge proves possession of a key (docs/protocol.md §9).

Rules: a proof that cannot be checked proves nothing; nothing here raises for what a client sent.
The cryptography library is imported when the first signature is checked, as most nodes never
check one.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from resolver.model.errors import WireError
from resolver.model.value import HandleValue
from resolver.security.sm2 import sm2_public_from_pem, sm2_verifies, sm3
from resolver.wire.cursor import encode_text
from resolver.wire.proof import (
    MacProof,
    PasswordProof,
    Pbkdf2Proof,
    PossessionProof,
    Proof,
    SignatureProof,
)
from resolver.wire.typed import (
    DsaPublicKey,
    PemPublicKey,
    PublicKey,
    RsaPublicKey,
    decode_public_key,
)

SECRET_KEY: Final = "HS_SECKEY"
PUBLIC_KEY: Final = "HS_PUBKEY"
KEY_TYPES: Final = (PUBLIC_KEY, SECRET_KEY)

MAX_ITERATIONS: Final = 100_000
"""Of PBKDF2; clients take 10,000. More would let anybody keep the node busy."""

_KEY_BITS: Final = range(128, 513)
_MAX_SALT: Final = 256

_BY_CODE: Final[dict[int | None, Callable[..., "hashlib._Hash"]]] = {
    None: hashlib.md5,
    1: hashlib.md5,
    2: hashlib.sha1,
    3: hashlib.sha256,
}
_HMAC_BY_CODE: Final = {0x12: "sha1", 0x13: "sha256"}


def proves(proof: Proof, key: HandleValue, challenge: bytes, user: str) -> bool:
    """Whether ``proof`` was made with the key in the value ``key`` over ``challenge``; ``user`` is
    the handle of who says so, as they spell it: SM2 signs it too.

    Takes up to 50 ms: key stretching is meant to be slow.
    """
    match proof, key.type.upper():
        case SignatureProof(), "HS_PUBKEY":
            try:
                public = decode_public_key(key.data)
            except WireError:
                return False
            if isinstance(public, PemPublicKey):
                return _signed_sm2(proof, public, challenge, user)
            return verifies(public, proof, challenge)
        case PossessionProof(), "HS_PUBKEY":
            try:
                return _same_key(decode_public_key(key.data), proof.public)
            except WireError:
                return False
        case PasswordProof(), "HS_SECKEY":
            return hmac.compare_digest(proof.secret, key.data)
        case ((MacProof() | Pbkdf2Proof()), "HS_SECKEY"):
            expected = _mac(proof, key.data, challenge)
            return expected is not None and hmac.compare_digest(expected, proof.mac)
    return False


def _mac(proof: MacProof | Pbkdf2Proof, secret: bytes, challenge: bytes) -> bytes | None:
    if isinstance(proof, Pbkdf2Proof):
        if (
            not 0 < proof.iterations <= MAX_ITERATIONS
            or proof.key_bits not in _KEY_BITS
            or len(proof.salt) > _MAX_SALT
        ):
            return None
        stretched = hashlib.pbkdf2_hmac(
            "sha1", secret, proof.salt, proof.iterations, proof.key_bits // 8
        )
        return hmac.digest(stretched, challenge, "sha1")
    if proof.code in _HMAC_BY_CODE:
        return hmac.digest(secret, challenge, _HMAC_BY_CODE[proof.code])
    make = _BY_CODE.get(proof.code)
    return None if make is None else make(secret + challenge + secret).digest()


def verifies(public: PublicKey, proof: SignatureProof, octets: bytes) -> bool:
    """Whether ``proof`` is a signature of ``octets`` by the RSA or DSA key ``public``."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa

    algorithm: hashes.HashAlgorithm
    match proof.hash_algorithm.upper().replace("-", ""):
        case "SHA256":
            algorithm = hashes.SHA256()
        case "SHA1":
            algorithm = hashes.SHA1()
        case _:
            return False
    try:
        if isinstance(public, RsaPublicKey):
            numbers = rsa.RSAPublicNumbers(_number(public.exponent), _number(public.modulus))
            numbers.public_key().verify(proof.signature, octets, padding.PKCS1v15(), algorithm)
        elif isinstance(public, DsaPublicKey):
            parameters = dsa.DSAParameterNumbers(
                _number(public.p), _number(public.q), _number(public.g)
            )
            key = dsa.DSAPublicNumbers(_number(public.y), parameters).public_key()
            key.verify(proof.signature, octets, algorithm)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _signed_sm2(proof: SignatureProof, public: PemPublicKey, challenge: bytes, user: str) -> bool:
    """As teleinfo's id-pointer-sdk signs: the SM3 digest of the challenge is the message, which
    SM2 digests once more; the user id is the handle (docs/protocol.md §15)."""
    if public.key_type != "SM2_PUB_KEY" or proof.hash_algorithm.upper() != "SM3":
        return False
    try:
        point = sm2_public_from_pem(public.pem)
    except WireError:
        return False
    return sm2_verifies(point, proof.signature, sm3(challenge), encode_text(user))


def _same_key(one: PublicKey, other: PublicKey) -> bool:
    """Whether two keys have the same numbers, however long they are written."""
    pairs: tuple[tuple[bytes, bytes], ...]
    match one, other:
        case RsaPublicKey(), RsaPublicKey():
            pairs = ((one.exponent, other.exponent), (one.modulus, other.modulus))
        case DsaPublicKey(), DsaPublicKey():
            pairs = ((one.p, other.p), (one.q, other.q), (one.g, other.g), (one.y, other.y))
        case _:
            return False
    return all(_number(a) == _number(b) for a, b in pairs)


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
