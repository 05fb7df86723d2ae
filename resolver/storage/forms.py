"""The two forms in which records travel as files.

JSON Lines: one record a line, in the shape of the REST API. For people and other programs.

MessagePack, quicker to read and much quicker to write: first the array ``["wuhan records", 1]``,
then for each record an array of two, the handle (str) and the values (bin): the value list as it
travels in the Handle protocol, a u4 count and the values (docs/protocol.md §5).

Rules: octets that are no UTF-8 are kept in both (``\\udc80``… in JSON, as they are in MessagePack),
so what was read from a store is written back to the same octets.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgpack

from resolver.model.errors import ResolverError
from resolver.model.handle import MAX_HANDLE_OCTETS, NA
from resolver.storage.base import MAX_RECORD_OCTETS, Record, check_record
from resolver.wire.rest import record_from_json, record_to_json
from resolver.wire.rest_quick import quick_record
from resolver.wire.values import ValueList, is_plain

MAX_LINE_OCTETS: Final = 4 << 20
"""Longest line that is looked at; the largest record makes about 1.5 MB of JSON."""

MSGPACK_HEADER: Final[bytes] = msgpack.packb(["wuhan records", 1])
"""What a MessagePack file starts with, and is known by."""

Encoded: TypeAlias = tuple[str, bytes]
"""A handle and its encoded value list."""

_SURROGATES: Final = "surrogateescape"
_UNREADABLE: Final = (ValueError, TypeError, msgpack.UnpackException)


@dataclass(frozen=True, slots=True)
class Form:
    """How a file of records is written: what it starts with, and what each record makes."""

    header: bytes
    write: Callable[[str, ValueList], bytes]


class RecordRefused(ResolverError):
    """Something in a file that is no record to import."""


def format_line(handle: str, values: ValueList) -> bytes:
    """One record as a line of UTF-8 JSON; octets that are no UTF-8 stand as ``\\udc80``…"""
    text = json.dumps(record_to_json(handle, values), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def format_msgpack(handle: str, values: ValueList) -> bytes:
    """One record of a MessagePack file."""
    return bytes(msgpack.packb((handle, values.octets), unicode_errors=_SURROGATES))


FORMS: Final = {
    "jsonl": Form(b"", format_line),
    "msgpack": Form(MSGPACK_HEADER, format_msgpack),
}


def parse_line(line: bytes) -> Record:
    """The record of one line.

    Raises:
        ResolverError: the line is no record that can be stored; the text says what is wrong.
    """
    if len(line) > MAX_LINE_OCTETS:
        raise RecordRefused(f"longer than {MAX_LINE_OCTETS} octets")
    try:
        found: Any = json.loads(line.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise RecordRefused(f"not UTF-8 at octet {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise RecordRefused(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise RecordRefused("not a record: nested too deeply") from None
    except ValueError as error:
        raise RecordRefused(f"not JSON: {error}") from None
    return _checked(*record_from_json(found))


def quick_line(line: bytes) -> Encoded:
    """What ``parse_line`` makes of a line, with the values encoded; several times as quick for an
    ordinary record.

    Raises:
        ResolverError: as ``parse_line``.
    """
    quick = quick_record(line) if len(line) <= MAX_LINE_OCTETS else None
    if quick is not None:
        handle, octets = quick
        short = len(handle) <= MAX_HANDLE_OCTETS // 4 and len(octets) <= MAX_RECORD_OCTETS
        if short and "/" in handle:
            return quick
    handle, values = parse_line(line)
    return handle, values.octets


def read_msgpack(found: object) -> Encoded:
    """One record of a MessagePack file, unpacked (``unpack``).

    Raises:
        ResolverError: it cannot be stored; the text says what is wrong.
    """
    if type(found) is list and len(found) == 2:
        handle, octets = found
        if type(handle) is str and type(octets) is bytes:
            short = len(handle) <= MAX_HANDLE_OCTETS // 4 and len(octets) <= MAX_RECORD_OCTETS
            if not short or "/" not in handle or not is_plain(octets):
                _checked(handle, ValueList.parse(octets))
            return handle, octets
    raise RecordRefused("a record is an array of the handle (str) and the values (bin)")


def unpack(octets: bytes) -> list[Any]:
    """What whole objects of MessagePack hold, one after the other; None for those that are well
    formed but cannot be read."""
    unpacker = msgpack.Unpacker(unicode_errors=_SURROGATES)
    unpacker.feed(octets)
    try:
        return list(unpacker)
    except _UNREADABLE:
        return list(_one_by_one(octets))


def _one_by_one(octets: bytes) -> Iterator[Any]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(octets)
    start = 0
    while start < len(octets):
        unpacker.skip()
        end = unpacker.tell()
        try:
            yield msgpack.unpackb(octets[start:end], unicode_errors=_SURROGATES)
        except _UNREADABLE:
            yield None
        start = end


def _checked(handle: str, values: ValueList) -> Record:
    if "/" not in handle:
        raise RecordRefused(f"{handle} has no slash; the record of a prefix is {NA}{handle}")
    check_record(handle, values)
    return handle, values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")
