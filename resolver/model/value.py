"""Handle values and their references (RFC 3651 §3.1, protocol.md §5)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

DEFAULT_TTL: Final = 86400
"""Seconds; what servers of the field give a value when nobody says otherwise."""

MAX_VALUES: Final = 2048
"""Most values one record may have."""


class Permission:
    """Bits of a value's permissions (RFC 3651 §3.1)."""

    PUBLIC_WRITE: Final = 1
    PUBLIC_READ: Final = 2
    ADMIN_WRITE: Final = 4
    ADMIN_READ: Final = 8
    DEFAULT: Final = 0x0E


class TtlType(IntEnum):
    """How a value's ttl field counts."""

    RELATIVE = 0
    ABSOLUTE = 1


@dataclass(frozen=True, slots=True)
class Reference:
    """Another value this one points at."""

    handle: str
    index: int


@dataclass(frozen=True, slots=True)
class HandleValue:
    """One indexed value of a record.

    Attributes:
        index: signed 32-bit on the wire; positive in a valid record.
        type: what the data is (``URL``, ``HS_SITE``, …); compared without ASCII case.
        data: the octets; typed data (``HS_…``) is decoded by resolver.wire.typed.
        ttl: seconds (RELATIVE) or unix time (ABSOLUTE), signed 32-bit.
        ttl_type: a TtlType, or any other number 0–255 a foreign server may send.
        timestamp: unix seconds of the last change, unsigned 32-bit.
        permissions: Permission bits.
    """

    index: int
    type: str
    data: bytes
    ttl: int = DEFAULT_TTL
    ttl_type: int = TtlType.RELATIVE
    timestamp: int = 0
    permissions: int = Permission.DEFAULT
    references: tuple[Reference, ...] = ()

    @property
    def text(self) -> str:
        """The data as UTF-8 text; octets that are not UTF-8 as surrogate escapes."""
        return self.data.decode("utf-8", "surrogateescape")
