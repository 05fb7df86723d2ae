"""Public keys as JSON Web Keys, the way Handle.Net writes them, and the error of all JSON input."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from resolver.model.errors import ResolverError
from resolver.wire.typed import DsaPublicKey, PublicKey, RsaPublicKey


class JsonError(ResolverError):
    """JSON that is not what the API takes; the text says where and why."""


def reject(place: str, reason: str) -> NoReturn:
    """Raise the error for what stands at ``place``."""
    raise JsonError(f"{place}: {reason}" if place else reason)


def key_to_json(key: PublicKey) -> dict[str, Any] | None:
    """The JWK of an RSA or DSA key; None for kinds that have no JWK here."""
    match key:
        case RsaPublicKey():
            return {"kty": "RSA", "n": _encode(key.modulus), "e": _encode(key.exponent)}
        case DsaPublicKey():
            return {
                "kty": "DSA",
                "y": _encode(key.y),
                "p": _encode(key.p),
                "q": _encode(key.q),
                "g": _encode(key.g),
            }
        case _:
            return None


def key_from_json(value: object, place: str) -> PublicKey:
    """The key that a JWK describes.

    Raises:
        JsonError: it describes none.
    """
    if not isinstance(value, Mapping):
        reject(place, "a key is an object")
    kind = value.get("kty")
    if kind == "RSA":
        return RsaPublicKey(_decode(value, "e", place), _decode(value, "n", place))
    if kind == "DSA":
        q, p, g, y = (_decode(value, name, place) for name in "qpgy")
        return DsaPublicKey(q, p, g, y)
    reject(f"{place}.kty", f"{kind!r} is neither RSA nor DSA")


def _encode(number: bytes) -> str:
    octets = number.lstrip(b"\0") or b"\0"
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decode(value: Mapping[str, Any], name: str, place: str) -> bytes:
    text: Final = value.get(name)
    if not isinstance(text, str):
        reject(f"{place}.{name}", "it is missing")
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        reject(f"{place}.{name}", "it is not base64url")
    # The wire has two's complement: a zero in front where the top bit is set.
    return b"\0" + octets if octets[:1] >= b"\x80" else octets
