"""Sites and administrators: the typed data that says who serves a prefix and who may change it
(RFC 3651 §3.2, protocol.md §5, §12)."""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import md5
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from resolver.model.handle import fold

PRIMARY: Final = 0x80
MULTI_PRIMARY: Final = 0x40


class Protocol(IntEnum):
    """Transport of an interface."""

    UDP = 0
    TCP = 1
    HTTP = 2
    HTTPS = 3


class Purpose(IntEnum):
    """What an interface serves."""

    ADMIN = 1
    QUERY = 2
    BOTH = 3


class HashOption(IntEnum):
    """Which part of a handle chooses the server of a site."""

    PREFIX = 0
    SUFFIX = 1
    WHOLE = 2


@dataclass(frozen=True, slots=True)
class Interface:
    """One port of a server. ``purpose`` and ``protocol`` are numbers; the enums name the known."""

    purpose: int
    protocol: int
    port: int


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a site; ``public_key`` is the encoded HS_PUBKEY record, or empty."""

    server_id: int
    address: IPv4Address | IPv6Address
    public_key: bytes
    interfaces: tuple[Interface, ...]

    def port(self, protocol: int, *, admin: bool = False) -> int | None:
        """The port of the first interface that speaks ``protocol`` and serves queries
        (administration when ``admin``), or None."""
        wanted = Purpose.ADMIN if admin else Purpose.QUERY
        for interface in self.interfaces:
            if interface.protocol == protocol and interface.purpose & wanted:
                return interface.port
        return None


@dataclass(frozen=True, slots=True)
class Site:
    """The content of an HS_SITE or HS_SITE.PREFIX value.

    Attributes:
        version: format of the record, 1.
        protocol: (major, minor) protocol version the site speaks.
        serial: 16-bit serial number; clients refetch a site whose serial changed.
        flags: PRIMARY, MULTI_PRIMARY.
        hash_option: a HashOption number.
        hash_filter: deprecated, kept so that a record re-encodes to the same octets.
        attributes: (name, value) pairs.
    """

    servers: tuple[Server, ...]
    version: int = 1
    protocol: tuple[int, int] = (2, 11)
    serial: int = 1
    flags: int = PRIMARY
    hash_option: int = HashOption.WHOLE
    hash_filter: bytes = b""
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def is_primary(self) -> bool:
        """Whether administration goes here."""
        return bool(self.flags & PRIMARY)

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute called ``name``."""
        return next((value for key, value in self.attributes if key == name), None)

    def server_for(self, handle: str) -> Server:
        """The server of this site that is responsible for ``handle`` (protocol.md §12).

        Raises:
            ValueError: the site has no servers.
        """
        if not self.servers:
            raise ValueError("the site has no servers")
        return self.servers[server_index(handle, self.hash_option, len(self.servers))]


def server_index(handle: str, hash_option: int, servers: int) -> int:
    """The position, in a site of ``servers`` servers, of the one responsible for ``handle``:
    the absolute value of the last four octets of MD5 over the chosen part, upper-cased, modulo
    the number of servers."""
    if servers == 1:
        return 0
    prefix, slash, suffix = handle.partition("/")
    part = {HashOption.PREFIX: prefix, HashOption.SUFFIX: suffix if slash else ""}.get(
        HashOption(hash_option) if hash_option in (0, 1, 2) else HashOption.WHOLE, handle
    )
    digest = md5(fold(part).encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return abs(int.from_bytes(digest[-4:], "big", signed=True)) % servers


class AdminRight:
    """Bits of an HS_ADMIN value (RFC 3651 §3.2.1)."""

    CREATE_HANDLE: Final = 0x001
    DELETE_HANDLE: Final = 0x002
    CREATE_PREFIX: Final = 0x004
    DELETE_PREFIX: Final = 0x008
    MODIFY_VALUE: Final = 0x010
    REMOVE_VALUE: Final = 0x020
    ADD_VALUE: Final = 0x040
    MODIFY_ADMIN: Final = 0x080
    REMOVE_ADMIN: Final = 0x100
    ADD_ADMIN: Final = 0x200
    READ_VALUE: Final = 0x400
    LIST_HANDLES: Final = 0x800
    ALL: Final = 0xFFF


@dataclass(frozen=True, slots=True)
class AdminRecord:
    """The content of an HS_ADMIN value; index 0 means any key of ``handle``."""

    permissions: int
    handle: str
    index: int
