"""Plain records out of JSON at once, without the objects in between.

Rules: what this module makes of a record is, octet for octet, what ``rest.record_from_json`` makes
of it; whatever it does not know it leaves to that (``None``), errors too. It knows values of text
and of administrators with the fields that Handle.Net writes, which is nearly everything in a dump.
"""

import struct
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from resolver.model.errors import ResolverError
from resolver.model.value import DEFAULT_TTL, MAX_VALUES, Permission
from resolver.wire.rest import admin_from_json, moment_from_json

_COUNT: Final = Struct(">I")
_HEAD: Final = Struct(">iIBiBI")
"""As in ``resolver.wire.values``: index, timestamp, ttl type, ttl, permissions, type's length."""

_NO_REFERENCES: Final = _COUNT.pack(0)
_PERMISSIONS: Final = {f"{bits:04b}": bits for bits in range(16)}
_KEPT: Final = 1 << 14


def quick_values(found: Any) -> bytes | None:
    """The encoded value list of the ``values`` of a record; None if they are no list, if one of
    them is not plain, or if the indexes do not ascend.

    Args:
        found: what valid JSON decodes to, its texts without lone surrogates.
    """
    if type(found) is not list or len(found) > MAX_VALUES:
        return None
    parts = [_COUNT.pack(len(found))]
    last = 0
    try:
        for value in found:
            index, type_, data = value["index"], value["type"], value["data"]
            ttl, stamp = value.get("ttl", DEFAULT_TTL), value.get("timestamp", 0)
            if type(index) is not int or index <= last or type(ttl) is not int:
                return None
            last = index
            if type(stamp) is str:
                stamp = _moment(stamp)
            elif type(stamp) is not int:
                return None
            bits = value.get("permissions")
            bits = Permission.DEFAULT if bits is None else _PERMISSIONS[bits]
            if "references" in value or "ttlType" in value:
                return None
            octets = data.encode() if type(data) is str else _octets(data)
            name = type_.encode()
            head = _HEAD.pack(index, stamp, 0, ttl, bits, len(name))
            parts += (head, name, _COUNT.pack(len(octets)), octets, _NO_REFERENCES)
    except (KeyError, TypeError, AttributeError, ResolverError, struct.error):
        return None
    return b"".join(parts)


def _octets(data: dict[str, Any]) -> bytes:
    format_, value = data["format"], data["value"]
    if format_ == "string":
        return bytes(value.encode())
    if format_ != "admin":
        raise KeyError(format_)
    return _admin(value["handle"], value["index"], value["permissions"])


@lru_cache(_KEPT, typed=True)
def _admin(handle: object, index: object, permissions: object) -> bytes:
    """The data of an administrator; most records of a dump have one of a few."""
    return admin_from_json({"handle": handle, "index": index, "permissions": permissions}, "")


@lru_cache(_KEPT)
def _moment(text: str) -> int:
    return moment_from_json(text, "")
