"""The JSON of the HTTP API (docs/protocol.md §13): values, records, sites, status codes.

Rules: what Handle.Net writes for a value is what is written here, key for key. Where that form
would lose something (a type that is not UTF-8, a ttl type nobody knows, numbers out of range), two
more keys say it, so that a record exported as JSON comes back as the same octets:

* text with octets that are not UTF-8 is written with surrogate escapes (``"\\udcff"``);
* ``"ttlType"`` is present when it is neither 0 nor 1, and then ``ttl`` is the bare number; also
  when an absolute ttl is no date between the years 1 and 9999.

Input errors are ``JsonError``, whose text names the place: ``values[2].data.format: …``.
Sites and keys: ``rest_site``, ``rest_keys``.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.model.site import AdminRecord
from resolver.model.value import DEFAULT_TTL, HandleValue, Permission, Reference, TtlType
from resolver.wire.rest_keys import JsonError, key_from_json, key_to_json, reject
from resolver.wire.rest_site import site_from_json, site_to_json
from resolver.wire.typed import (
    decode_admin,
    decode_public_key,
    decode_site,
    decode_vlist,
    encode_admin,
    encode_public_key,
    encode_site,
    encode_vlist,
)
from resolver.wire.values import ValueList

__all__ = [
    "JsonError",
    "http_status",
    "record_from_json",
    "record_to_json",
    "site_from_json",
    "site_to_json",
    "value_from_json",
    "value_to_json",
]

_STATUS: Final = {
    ResponseCode.SUCCESS: 200,
    ResponseCode.HANDLE_NOT_FOUND: 404,
    ResponseCode.HANDLE_EXISTS: 409,
    ResponseCode.VALUE_EXISTS: 409,
    ResponseCode.PROTOCOL_ERROR: 400,
    ResponseCode.INVALID_HANDLE: 400,
    ResponseCode.INVALID_VALUE: 400,
    ResponseCode.NOT_RESPONSIBLE: 400,
    ResponseCode.SERVICE_REFERRAL: 300,
    ResponseCode.PREFIX_REFERRAL: 300,
    ResponseCode.AUTHENTICATION_NEEDED: 401,
    ResponseCode.INVALID_ADMIN: 403,
    ResponseCode.INSUFFICIENT_PERMISSION: 403,
    ResponseCode.AUTHENTICATION_FAILED: 403,
    ResponseCode.INVALID_CREDENTIAL: 403,
    ResponseCode.NOT_SUPPORTED: 501,
    ResponseCode.SERVER_BUSY: 503,
    ResponseCode.SERVER_BACKUP: 503,
}


def http_status(code: int, *, reading: bool = True, secure: bool = True) -> int:
    """The HTTP status that goes with a response code.

    Args:
        reading: a GET; then "no such values" is 200 with an empty list, not 400.
        secure: the request came over TLS; without it nobody can authenticate, and 402 is 403.
    """
    if code == ResponseCode.VALUES_NOT_FOUND:
        return 200 if reading else 400
    if code == ResponseCode.AUTHENTICATION_NEEDED and not secure:
        return 403
    return _STATUS.get(ResponseCode(code), 500)


def record_to_json(handle: str, values: ValueList) -> dict[str, Any]:
    """A record: ``{"handle": …, "values": […]}``."""
    return {"handle": handle, "values": [value_to_json(value) for value in values]}


def record_from_json(value: object) -> tuple[str, ValueList]:
    """The handle and the values of a record; other keys are ignored.

    Raises:
        JsonError: it is no record; the text names the field.
    """
    if not isinstance(value, Mapping):
        reject("", "a record is an object with handle and values")
    handle, values = value.get("handle"), value.get("values")
    if not isinstance(handle, str) or not handle:
        reject("handle", "it is missing or no text")
    if not isinstance(values, list):
        reject("values", "they are missing or no list")
    read = [value_from_json(item, f"values[{number}]") for number, item in enumerate(values)]
    try:
        return handle, ValueList.of(read)
    except WireError as error:
        reject("values", error.what)


def value_to_json(value: HandleValue) -> dict[str, Any]:
    """One value, with the keys in the order in which Handle.Net writes them."""
    shown: dict[str, Any] = {
        "index": value.index,
        "type": value.type,
        "data": _data_to_json(value),
    }
    if value.permissions != Permission.DEFAULT:
        shown["permissions"] = f"{value.permissions:04b}"
    if value.ttl_type == TtlType.RELATIVE:
        shown["ttl"] = value.ttl
    elif value.ttl_type == TtlType.ABSOLUTE:
        shown["ttl"] = _date(value.ttl)
    else:
        shown["ttl"], shown["ttlType"] = value.ttl, value.ttl_type
    shown["timestamp"] = _date(value.timestamp)
    if value.references:
        shown["references"] = [
            {"handle": reference.handle, "index": reference.index} for reference in value.references
        ]
    return shown


def value_from_json(value: object, place: str) -> HandleValue:
    """One value; ``data`` may be a bare string, dates may be numbers.

    Raises:
        JsonError: it is no value; the text starts with ``place`` and names the field.
    """
    if not isinstance(value, Mapping):
        reject(place, "a value is an object")
    type_ = value.get("type")
    if not isinstance(type_, str):
        reject(f"{place}.type", "it is missing or no text")
    ttl, ttl_type = _ttl(value, place)
    return HandleValue(
        index=_integer(value.get("index"), f"{place}.index"),
        type=type_,
        data=_data_from_json(value.get("data"), f"{place}.data"),
        ttl=ttl,
        ttl_type=ttl_type,
        timestamp=moment_from_json(value.get("timestamp", 0), f"{place}.timestamp"),
        permissions=_permissions(value.get("permissions"), f"{place}.permissions"),
        references=_references(value.get("references", []), f"{place}.references"),
    )


# Data


def _admin_to_json(octets: bytes) -> Any:
    admin = decode_admin(octets)
    return {
        "handle": admin.handle,
        "index": admin.index,
        "permissions": f"{admin.permissions:012b}",
    }


def admin_from_json(value: object, place: str) -> bytes:
    """The data of an HS_ADMIN value."""
    if not isinstance(value, Mapping) or not isinstance(value.get("handle"), str):
        reject(place, "an administrator has a handle, an index and permissions")
    text = value.get("permissions", "1" * 12)
    if not isinstance(text, str) or not text or set(text) - {"0", "1"} or len(text) > 16:
        reject(f"{place}.permissions", f"{text!r} is not twelve of 0 and 1")
    index = _integer(value.get("index", 0), f"{place}.index")
    return encode_admin(AdminRecord(int(text, 2), value["handle"], index))


def _vlist_to_json(octets: bytes) -> Any:
    return [{"handle": member.handle, "index": member.index} for member in decode_vlist(octets)]


def _vlist_from_json(value: object, place: str) -> bytes:
    return encode_vlist(_references(value, place))


def _key_to_json(octets: bytes) -> Any:
    jwk = key_to_json(decode_public_key(octets))
    if jwk is None:
        raise WireError("a key without a JWK")
    return jwk


_WRITERS: Final[dict[str, tuple[str, Callable[[bytes], Any]]]] = {
    "HS_ADMIN": ("admin", _admin_to_json),
    "HS_VLIST": ("vlist", _vlist_to_json),
    "HS_SITE": ("site", lambda octets: site_to_json(decode_site(octets))),
    "HS_SITE.6": ("site", lambda octets: site_to_json(decode_site(octets))),
    "HS_SITE.PREFIX": ("site", lambda octets: site_to_json(decode_site(octets))),
    "HS_PUBKEY": ("key", _key_to_json),
}
"""Type of a value → the format of its data, and who makes it."""


def _text_from_json(value: object, place: str) -> bytes:
    if not isinstance(value, str):
        reject(place, "text is expected")
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        reject(place, f"character {error.start} is not Unicode")


def _base64_from_json(value: object, place: str) -> bytes:
    try:
        return base64.b64decode(_text_from_json(value, place), validate=True)
    except binascii.Error:
        reject(place, "it is not base64")


def _hex_from_json(value: object, place: str) -> bytes:
    try:
        return binascii.unhexlify(_text_from_json(value, place))
    except binascii.Error:
        reject(place, "it is not hexadecimal")


_READERS: Final[dict[str, Callable[[object, str], bytes]]] = {
    "string": _text_from_json,
    "base64": _base64_from_json,
    "hex": _hex_from_json,
    "admin": admin_from_json,
    "vlist": _vlist_from_json,
    "site": lambda value, place: encode_site(site_from_json(value, place)),
    "key": lambda value, place: encode_public_key(key_from_json(value, place)),
}
"""Format of data → who reads it."""


def _data_to_json(value: HandleValue) -> dict[str, Any]:
    format_, write = _WRITERS.get(value.type.upper(), ("", None))
    if write is not None:
        try:
            shown = write(value.data)
            # What does not come back as it was (slack, odd numbers) is shown as octets.
            if _READERS[format_](shown, "") == value.data:
                return {"format": format_, "value": shown}
        except (WireError, JsonError):
            pass
    else:
        try:
            return {"format": "string", "value": value.data.decode("utf-8")}
        except UnicodeDecodeError:
            pass
    return {"format": "base64", "value": base64.b64encode(value.data).decode()}


def _data_from_json(value: object, place: str) -> bytes:
    if isinstance(value, str):
        return _text_from_json(value, place)
    if not isinstance(value, Mapping):
        reject(place, "it is neither text nor an object with format and value")
    format_ = value.get("format", "string")
    reader = _READERS.get(format_) if isinstance(format_, str) else None
    if reader is None:
        reject(f"{place}.format", f"{format_!r} is none of {', '.join(_READERS)}")
    try:
        return reader(value.get("value"), f"{place}.value")
    except WireError as error:
        reject(f"{place}.value", error.what)


# The other fields

_LONGEST_NUMBER: Final = 20
"""Characters; no field takes more, and longer texts are slow to read as numbers."""


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_from_json(value: object, place: str) -> int:
    """Unix seconds of a date in ISO form, or of a number; nothing says that they fit a field."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            reject(place, f"{value!r} is not a date like 2023-11-14T22:13:20Z")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return _integer(value, place)


def _ttl(value: Mapping[str, Any], place: str) -> tuple[int, int]:
    ttl = value.get("ttl", DEFAULT_TTL)
    if "ttlType" in value:
        return (
            _integer(ttl, f"{place}.ttl"),
            _integer(value["ttlType"], f"{place}.ttlType"),
        )
    if isinstance(ttl, str):
        return moment_from_json(ttl, f"{place}.ttl"), TtlType.ABSOLUTE
    return _integer(ttl, f"{place}.ttl"), TtlType.RELATIVE


def _permissions(value: object, place: str) -> int:
    if value is None:
        return Permission.DEFAULT
    if not isinstance(value, str) or not 4 <= len(value) <= 8 or set(value) - {"0", "1"}:
        reject(place, f"{value!r} is not four of 0 and 1: admin read and write, public read, write")
    return int(value, 2)


def _references(value: object, place: str) -> tuple[Reference, ...]:
    if not isinstance(value, list):
        reject(place, "a list is expected")
    found = []
    for number, item in enumerate(value):
        if not isinstance(item, Mapping) or not isinstance(item.get("handle"), str):
            reject(f"{place}[{number}]", "a reference has a handle and an index")
        index = _integer(item.get("index", 0), f"{place}[{number}].index")
        found.append(Reference(item["handle"], index))
    return tuple(found)


def _integer(value: object, place: str) -> int:
    """A number; pyhandle and others write some of them as text."""
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and value.isascii():
        digits = value.removeprefix("-")
        value = int(value) if digits.isdecimal() else value
    if not isinstance(value, int) or isinstance(value, bool):
        reject(place, f"{value!r} is no whole number")
    return value
