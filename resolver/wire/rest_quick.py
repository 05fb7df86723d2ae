"""Plain records out of JSON at once, without the objects in between.

Rules: what this module makes of a record is, octet for octet, what ``rest.record_from_json`` makes
of it; whatever it does not know it leaves to that (``None``), errors too. It knows values of text
and of administrators with the fields that Handle.Net writes, which is nearly everything in a dump.
"""

import struct
from functools import lru_cache
from struct import Struct
from typing import Any, Final, final

import msgspec

from resolver.model.errors import ResolverError
from resolver.model.value import DEFAULT_TTL, MAX_VALUES, Permission
from resolver.wire.rest import admin_from_json, moment_from_json

_COUNT: Final = Struct(">I")
_HEAD: Final = Struct(">iIBiBI")
"""As in ``resolver.wire.values``: index, timestamp, ttl type, ttl, permissions, type's length."""

_NO_REFERENCES: Final = _COUNT.pack(0)
_PERMISSIONS: Final = {f"{bits:04b}": bits for bits in range(16)}
_KEPT: Final = 1 << 14


@final
class _Data(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    format: str
    value: Any


class _Value(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    index: Any
    type: str
    data: str | _Data
    ttl: Any = DEFAULT_TTL
    timestamp: Any = 0
    permissions: str | None = None


class _Record(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    handle: str
    values: list[_Value]


_decode: Final = msgspec.json.Decoder(_Record).decode
_UNKNOWN: Final = (KeyError, TypeError, AttributeError, ValueError, ResolverError, struct.error)


def quick_record(text: bytes) -> tuple[str, bytes] | None:
    """The handle and the encoded value list of a record as JSON; None if it is not plain, or if
    its indexes do not ascend."""
    try:
        record = _decode(text)
        values = record.values
        parts = [_COUNT.pack(len(values))]
        last = 0
        for value in values:
            index, ttl, stamp, data = value.index, value.ttl, value.timestamp, value.data
            if type(index) is not int or index <= last or type(ttl) is not int:
                return None
            last = index
            front, back = _head(index, value.type, ttl, value.permissions)
            if type(stamp) is str:
                stamped = _moment(stamp)
            elif type(stamp) is int:
                stamped = _COUNT.pack(stamp)
            else:
                return None
            if type(data) is _Data:
                if data.format == "admin":
                    admin = data.value
                    rest = _admin(admin["handle"], admin["index"], admin["permissions"])
                    parts += (front, stamped, back, rest)
                    continue
                if data.format != "string":
                    return None
                data = data.value
            octets = data.encode()
            parts += (front, stamped, back, _COUNT.pack(len(octets)), octets, _NO_REFERENCES)
    except _UNKNOWN:
        return None
    return None if len(values) > MAX_VALUES else (record.handle, b"".join(parts))


@lru_cache(_KEPT)
def _head(index: int, type_: str, ttl: int, permissions: str | None) -> tuple[bytes, bytes]:
    """What a value has before its timestamp, and between that and its data."""
    bits = Permission.DEFAULT if permissions is None else _PERMISSIONS[permissions]
    name = type_.encode()
    head = _HEAD.pack(index, 0, 0, ttl, bits, len(name))
    return head[:4], head[8:] + name


@lru_cache(_KEPT)
def _moment(text: str) -> bytes:
    """The timestamp that a date stands for."""
    return _COUNT.pack(moment_from_json(text, ""))


@lru_cache(_KEPT, typed=True)
def _admin(handle: object, index: object, permissions: object) -> bytes:
    """The data of an administrator and what follows; most records of a dump have one of a few."""
    octets = admin_from_json({"handle": handle, "index": index, "permissions": permissions}, "")
    return _COUNT.pack(len(octets)) + octets + _NO_REFERENCES
