"""Sites as JSON, the way Handle.Net writes siteinfo (docs/protocol.md §13)."""

import base64
import binascii
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from resolver.model.errors import WireError
from resolver.model.site import (
    MULTI_PRIMARY,
    PRIMARY,
    HashOption,
    Interface,
    Protocol,
    Purpose,
    Server,
    Site,
)
from resolver.wire.rest_keys import key_from_json, key_to_json, reject
from resolver.wire.typed import decode_public_key, encode_public_key

T = TypeVar("T")

_HASH_NAMES: Final = {
    HashOption.PREFIX: "prefix",
    HashOption.SUFFIX: "suffix",
    HashOption.WHOLE: "whole",
}


def site_to_json(site: Site) -> dict[str, Any]:
    """``site`` as the API shows it."""
    major, minor = site.protocol
    shown: dict[str, Any] = {
        "version": site.version,
        "protocolVersion": f"{major}.{minor}",
        "serialNumber": site.serial,
        "primarySite": site.is_primary,
        "multiPrimary": bool(site.flags & MULTI_PRIMARY),
    }
    if site.hash_option != HashOption.WHOLE:
        known = _HASH_NAMES.get(HashOption(site.hash_option)) if site.hash_option < 3 else None
        shown["hashOption"] = known or site.hash_option
    shown["attributes"] = [{"name": name, "value": value} for name, value in site.attributes]
    shown["servers"] = [_server_to_json(server) for server in site.servers]
    return shown


def site_from_json(value: object, place: str) -> Site:
    """The site that ``value`` describes.

    Raises:
        JsonError: it describes none; the text names the field.
    """
    site = _mapping(value, place)
    protocol = _get(site, "protocolVersion", str, place, "2.11")
    major, _, minor = protocol.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        reject(f"{place}.protocolVersion", f"{protocol!r} is not of the form 2.11")
    flags = PRIMARY if _get(site, "primarySite", bool, place, True) else 0
    flags |= MULTI_PRIMARY if _get(site, "multiPrimary", bool, place, False) else 0
    return Site(
        tuple(
            _server_from_json(server, f"{place}.servers[{number}]")
            for number, server in enumerate(_get(site, "servers", list, place, []))
        ),
        version=_get(site, "version", int, place, 1),
        protocol=(int(major), int(minor)),
        serial=_get(site, "serialNumber", int, place, 1),
        flags=flags,
        hash_option=_hash_option(site.get("hashOption", "whole"), place),
        attributes=tuple(
            _attribute(pair, f"{place}.attributes[{number}]")
            for number, pair in enumerate(_get(site, "attributes", list, place, []))
        ),
    )


def _server_to_json(server: Server) -> dict[str, Any]:
    shown: dict[str, Any] = {"serverId": server.server_id, "address": str(server.address)}
    if server.public_key:
        try:
            jwk = key_to_json(decode_public_key(server.public_key))
        except WireError:
            jwk = None
        if jwk is not None:
            shown["publicKey"] = {"format": "key", "value": jwk}
        else:
            text = base64.b64encode(server.public_key).decode()
            shown["publicKey"] = {"format": "base64", "value": text}
    shown["interfaces"] = [
        {
            "query": bool(interface.purpose & Purpose.QUERY),
            "admin": bool(interface.purpose & Purpose.ADMIN),
            "protocol": Protocol(interface.protocol).name
            if interface.protocol in Protocol._value2member_map_
            else interface.protocol,
            "port": interface.port,
        }
        for interface in server.interfaces
    ]
    return shown


def _server_from_json(value: object, place: str) -> Server:
    server = _mapping(value, place)
    try:
        address = ip_address(_get(server, "address", str, place, ""))
    except ValueError as error:
        reject(f"{place}.address", str(error))
    return Server(
        _get(server, "serverId", int, place, 1),
        address,
        _public_key(server.get("publicKey"), f"{place}.publicKey"),
        tuple(
            _interface(interface, f"{place}.interfaces[{number}]")
            for number, interface in enumerate(_get(server, "interfaces", list, place, []))
        ),
    )


def _public_key(value: object, place: str) -> bytes:
    if value is None:
        return b""
    key = _mapping(value, place)
    if key.get("format") == "base64":
        try:
            return base64.b64decode(_get(key, "value", str, place, ""), validate=True)
        except binascii.Error:
            reject(f"{place}.value", "it is not base64")
    return encode_public_key(key_from_json(key.get("value"), f"{place}.value"))


def _interface(value: object, place: str) -> Interface:
    interface = _mapping(value, place)
    purpose = Purpose.QUERY if _get(interface, "query", bool, place, False) else 0
    purpose |= Purpose.ADMIN if _get(interface, "admin", bool, place, False) else 0
    name = interface.get("protocol")
    if isinstance(name, str) and name.upper() in Protocol.__members__:
        protocol = int(Protocol[name.upper()])
    elif isinstance(name, int):
        protocol = name
    else:
        reject(f"{place}.protocol", f"{name!r} is none of {', '.join(Protocol.__members__)}")
    return Interface(purpose, protocol, _get(interface, "port", int, place, 0))


def _hash_option(value: object, place: str) -> int:
    if isinstance(value, int):
        return value
    option = next((option for option, name in _HASH_NAMES.items() if name == value), None)
    if option is None:
        reject(f"{place}.hashOption", f"{value!r} is none of {', '.join(_HASH_NAMES.values())}")
    return option


def _attribute(value: object, place: str) -> tuple[str, str]:
    pair = _mapping(value, place)
    return _get(pair, "name", str, place, ""), _get(pair, "value", str, place, "")


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        reject(place, "an object is expected")
    return value


def _get(value: Mapping[str, Any], name: str, kind: type[T], place: str, default: T) -> T:
    found = value.get(name, default)
    # bool is an int to Python, not to JSON.
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        reject(f"{place}.{name}", f"{found!r} is no {kind.__name__}")
    return found
