"""The data of values whose type has a structure (RFC 3651 §3.2; docs/protocol.md §5).

Each kind has a ``decode_`` and an ``encode_``; decoding raises WireError and encoding what was
decoded gives the same octets. Types that are plain text (URL, HS_SERV, HS_ALIAS, …) need none of
this: ``HandleValue.text``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from resolver.model.site import AdminRecord, Interface, Server, Site
from resolver.model.value import HandleValue, Reference
from resolver.wire.cursor import Reader, Writer
from resolver.wire.values import encode_value

_IPV4_FILL: Final = bytes(12)
_VOLATILE_OCTETS: Final = 8
"""Index and timestamp at the front of a value, which its digest leaves out."""


def decode_site(octets: bytes) -> Site:
    """The site that an HS_SITE or HS_SITE.PREFIX value describes; no octet may be left over."""
    reader = Reader(octets)
    version = reader.u2()
    protocol = (reader.u1(), reader.u1())
    serial, flags, hash_option, hash_filter = (
        reader.u2(),
        reader.u1(),
        reader.u1(),
        reader.bytes_(),
    )
    attributes = tuple([(reader.text(), reader.text()) for _ in range(reader.count(8))])
    servers = tuple([_read_server(reader) for _ in range(reader.count(28))])
    if reader.remaining:
        raise reader.fail(f"{reader.remaining} octets behind a site")
    return Site(servers, version, protocol, serial, flags, hash_option, hash_filter, attributes)


def encode_site(site: Site) -> bytes:
    """The octets of ``site``."""
    writer = Writer().u2(site.version).u1(site.protocol[0]).u1(site.protocol[1])
    writer.u2(site.serial).u1(site.flags).u1(site.hash_option).bytes_(site.hash_filter)
    writer.u4(len(site.attributes))
    for name, value in site.attributes:
        writer.text(name).text(value)
    writer.u4(len(site.servers))
    for server in site.servers:
        address = server.address.packed
        writer.u4(server.server_id)
        writer.raw(address if len(address) == 16 else _IPV4_FILL + address)
        writer.bytes_(server.public_key).u4(len(server.interfaces))
        for interface in server.interfaces:
            writer.u1(interface.purpose).u1(interface.protocol).u4(interface.port)
    return writer.octets()


def _read_server(reader: Reader) -> Server:
    server_id, octets = reader.u4(), reader.raw(16)
    address: IPv4Address | IPv6Address
    # IPv4 stands in the last four octets behind zeros; :: and ::1 are IPv6 all the same.
    if octets.startswith(_IPV4_FILL) and octets[12:15] != bytes(3):
        address = IPv4Address(octets[12:])
    else:
        address = IPv6Address(octets)
    public_key = reader.bytes_()
    interfaces = tuple(
        [Interface(reader.u1(), reader.u1(), reader.u4()) for _ in range(reader.count(6))]
    )
    return Server(server_id, address, public_key, interfaces)


def decode_admin(octets: bytes) -> AdminRecord:
    """The administrator that an HS_ADMIN value names; two more octets (old records) are fine."""
    reader = Reader(octets)
    permissions, handle, index = reader.u2(), reader.text(), reader.i4()
    if reader.remaining not in (0, 2):
        raise reader.fail(f"{reader.remaining} octets behind an administrator")
    return AdminRecord(permissions, handle, index)


def encode_admin(admin: AdminRecord) -> bytes:
    """The octets of ``admin``."""
    return Writer().u2(admin.permissions).text(admin.handle).i4(admin.index).octets()


def decode_vlist(octets: bytes) -> tuple[Reference, ...]:
    """The members of an HS_VLIST value."""
    reader = Reader(octets)
    members = tuple([Reference(reader.text(), reader.i4()) for _ in range(reader.count(8))])
    if reader.remaining:
        raise reader.fail(f"{reader.remaining} octets behind a list")
    return members


def encode_vlist(members: tuple[Reference, ...]) -> bytes:
    """The octets of a list."""
    writer = Writer().u4(len(members))
    for member in members:
        writer.text(member.handle).i4(member.index)
    return writer.octets()


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """``RSA_PUB_KEY``; numbers as big-endian octets with a leading zero where the top bit is set.

    ``tail``: four zero octets in every recorded key.
    """

    exponent: bytes
    modulus: bytes
    tail: bytes = bytes(4)


@dataclass(frozen=True, slots=True)
class DsaPublicKey:
    """``DSA_PUB_KEY``."""

    q: bytes
    p: bytes
    g: bytes
    y: bytes
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class DhPublicKey:
    """``DH_PUB_KEY``."""

    y: bytes
    p: bytes
    g: bytes
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class PemPublicKey:
    """``SM2_PUB_KEY`` and ``SM9_PUB_KEY`` (teleinfo): X.509 PEM text."""

    key_type: str
    pem: bytes
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Any other kind of key; ``octets`` is what stands behind its type and flags."""

    key_type: str
    octets: bytes


PublicKey: TypeAlias = RsaPublicKey | DsaPublicKey | DhPublicKey | PemPublicKey | UnknownKey

_PEM_TYPES: Final = frozenset({"SM2_PUB_KEY", "SM9_PUB_KEY"})
_NUMBERS: Final[dict[str, tuple[int, Callable[..., PublicKey]]]] = {
    "RSA_PUB_KEY": (2, RsaPublicKey),
    "DSA_PUB_KEY": (4, DsaPublicKey),
    "DH_PUB_KEY": (3, DhPublicKey),
}


def decode_public_key(octets: bytes) -> PublicKey:
    """The key in an HS_PUBKEY value, or in a server of a site."""
    reader = Reader(octets)
    key_type = reader.text()
    reader.u2()
    if key_type in _NUMBERS:
        count, kind = _NUMBERS[key_type]
        numbers = [reader.bytes_() for _ in range(count)]
        return kind(*numbers, reader.rest())
    if key_type in _PEM_TYPES:
        return PemPublicKey(key_type, reader.bytes_(), reader.rest())
    return UnknownKey(key_type, reader.rest())


def encode_public_key(key: PublicKey) -> bytes:
    """The octets of ``key``."""
    numbers: tuple[bytes, ...]
    match key:
        case RsaPublicKey():
            numbers, name, tail = (key.exponent, key.modulus), "RSA_PUB_KEY", key.tail
        case DsaPublicKey():
            numbers, name, tail = (key.q, key.p, key.g, key.y), "DSA_PUB_KEY", key.tail
        case DhPublicKey():
            numbers, name, tail = (key.y, key.p, key.g), "DH_PUB_KEY", key.tail
        case PemPublicKey():
            numbers, name, tail = (key.pem,), key.key_type, key.tail
        case UnknownKey():
            numbers, name, tail = (), key.key_type, key.octets
    writer = Writer().text(name).u2(0)
    for number in numbers:
        writer.bytes_(number)
    return writer.raw(tail).octets()


def digested_octets(value: HandleValue) -> bytes:
    """The octets of a value that its digest in HS_SIGNATURE and HS_CERT is taken over: all but
    index and timestamp."""
    return encode_value(value)[_VOLATILE_OCTETS:]
