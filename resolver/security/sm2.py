"""SM2 signatures with SM3, and keys as PEM (GB/T 32918.2, GB/T 32905, GM/T 0009).

Rules: keys are bare numbers here, 32 octets for a private one and 65 for a public one (04, x, y);
their PEM forms are PKCS #8 and X.509. The arithmetic is a library's, imported when the first
signature is made or checked; it is pure Python and takes some 20 to 40 ms.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable
from typing import Final

from resolver.model.errors import WireError

DEFAULT_USER_ID: Final = b"1234567812345678"
"""The user id where none is agreed on (GM/T 0009 §10)."""

_PRIVATE_OCTETS: Final = 32
_PUBLIC_OCTETS: Final = 65
_ORDER: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
# AlgorithmIdentifier: id-ecPublicKey with the curve sm2p256v1 (1.2.156.10197.1.301).
_ALGORITHM: Final = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_SPKI: Final = b"\x30\x59" + _ALGORITHM + b"\x03\x42\x00"
# PrivateKeyInfo version 0 around an ECPrivateKey version 1 (RFC 5208, RFC 5915).
_PKCS8: Final = bytes.fromhex("308187020100") + _ALGORITHM + bytes.fromhex("046d306b0201010420")
_PKCS8_PUBLIC: Final = bytes.fromhex("a144034200")
_PRIVATE_AFTER: Final = re.compile(
    re.escape(_ALGORITHM) + rb"\x04.\x30.\x02\x01\x01\x04\x20(.{32})", re.DOTALL
)


def sm3(octets: bytes) -> bytes:
    """The SM3 digest, 32 octets (GB/T 32905)."""
    from cryptography.hazmat.primitives.hashes import SM3, Hash

    state = Hash(SM3())
    state.update(octets)
    return state.finalize()


def generate_sm2() -> bytes:
    """A new private key."""
    return (secrets.randbelow(_ORDER - 2) + 1).to_bytes(_PRIVATE_OCTETS, "big")


def sm2_public(private: bytes) -> bytes:
    """The public key of a private one."""
    from gmalg import SM2

    return bytes(SM2(private).generate_pk(private))


def sm2_sign(
    private: bytes,
    message: bytes,
    user_id: bytes = DEFAULT_USER_ID,
    *,
    random_bits: Callable[[int], int] = secrets.randbits,
) -> bytes:
    """The signature of ``message``, DER encoded."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from gmalg import SM2

    signer = SM2(private, user_id, sm2_public(private), rnd_fn=random_bits)
    r, s = signer.sign(message)
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def sm2_verifies(public: bytes, signature: bytes, message: bytes, user_id: bytes) -> bool:
    """Whether ``signature`` (DER) of ``message`` was made with the private key of ``public``."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from gmalg import SM2
    from gmalg.errors import GMError

    try:
        r, s = decode_dss_signature(signature)
        if not (0 < r < _ORDER and 0 < s < _ORDER):
            return False
        parts = (number.to_bytes(_PRIVATE_OCTETS, "big") for number in (r, s))
        return bool(SM2(None, user_id, public).verify(message, *parts))
    except (GMError, ValueError):
        return False


def sm2_private_pem(private: bytes) -> bytes:
    """PKCS #8 PEM of a private key, not encrypted."""
    return _pem("PRIVATE KEY", _PKCS8 + private + _PKCS8_PUBLIC + sm2_public(private))


def sm2_public_pem(public: bytes) -> bytes:
    """X.509 PEM of a public key."""
    return _pem("PUBLIC KEY", _SPKI + public)


def sm2_private_from_pem(pem: bytes) -> bytes:
    """The private key in PKCS #8 PEM.

    Raises:
        WireError: this is no SM2 private key.
    """
    found = _PRIVATE_AFTER.search(_der("PRIVATE KEY", pem))
    if found is None or not 0 < int.from_bytes(found[1], "big") < _ORDER - 1:
        raise WireError("not an SM2 private key in PKCS #8", offset=0)
    return found[1]


def sm2_public_from_pem(pem: bytes) -> bytes:
    """The public key in X.509 PEM.

    Raises:
        WireError: this is no SM2 public key.
    """
    der = _der("PUBLIC KEY", pem)
    point = der.removeprefix(_SPKI)
    if point == der or len(point) != _PUBLIC_OCTETS or point[0] != 4:
        raise WireError("not an SM2 public key in X.509", offset=0)
    return point


def _pem(label: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _der(label: str, pem: bytes) -> bytes:
    """What stands between the lines of a PEM text, whose lines may end in CRLF."""
    pattern = f"-----BEGIN {label}-----(.*?)-----END {label}-----".encode()
    found = re.search(pattern, pem, re.DOTALL)
    try:
        return base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        raise WireError(f"a damaged PEM {label.lower()}", offset=0) from None
