"""Many identifiers in one request, and their answers: what ``POST /api/resolve`` reads and writes
(docs/protocol.md §13).

A request is a list of handles, or a map with ``handles`` and, for some of the values only,
``types`` and ``indexes``; in JSON or in msgpack. Its answer has one item for each handle, in their
order, with a response code of its own:

- in JSON, what a GET of that handle shows, in an array, one item a line;
- in msgpack, one behind the other, ``[code, values]``. The values are octets, the list as it
  travels in the Handle protocol (RFC 3651 §3.1; ``ValueList.parse``), or text that says why there
  are none.

Rules: whatever cannot be read is a ``JsonError`` that names the place. Handles are octets here, as
in messages.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import msgpack

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, ReferralAnswer
from resolver.wire.cursor import decode_text, encode_text
from resolver.wire.rest_answer import answer_to_json
from resolver.wire.rest_keys import reject
from resolver.wire.values import ValueList

MAX_HANDLES: Final = 10_000
"""Of one request."""

JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"

_LEAST_INDEX: Final = -(2**31)
_FOUND: Final = b"\x92\x01"
"""What a found item begins with in msgpack: an array of two, a 1."""

_BIN8: Final = Struct(">BB").pack
_BIN16: Final = Struct(">BH").pack
_BIN32: Final = Struct(">BI").pack
_REMEMBERED: Final = 1 << 12


@dataclass(frozen=True, slots=True)
class Batch:
    """What is asked: all public values of ``handles``, or some."""

    handles: list[bytes]
    types: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchFormat:
    """How batches are written in one media type.

    Attributes:
        media_type: of the answer.
        read: a request.
        found: the items of handles with these encoded values; None where that is not known yet.
        item: that of a handle with any answer.
        opening, between, closing: what stands around the items.
    """

    media_type: str
    read: Callable[[bytes], Batch]
    found: Callable[[Sequence[bytes], Sequence[bytes | None]], list[bytes | None]]
    item: Callable[[bytes, Answer], bytes]
    opening: bytes
    between: bytes
    closing: bytes


# JSON


def _read_json(octets: bytes) -> Batch:
    try:
        document = json.loads(octets)
    except json.JSONDecodeError as error:
        reject("", f"the body is not JSON: {error}")
    except UnicodeDecodeError as error:
        reject("", f"the body is not JSON: octet {error.start} is not UTF-8")
    except RecursionError:
        reject("", "the body is not JSON: it is nested too deeply")
    handles, types, indexes = _parts(document)
    return Batch(
        [_octets_of(item, f"handles[{number}]") for number, item in enumerate(handles)],
        tuple(_text_of(item, f"types[{number}]") for number, item in enumerate(types)),
        tuple(_index_of(item, f"indexes[{number}]") for number, item in enumerate(indexes)),
    )


def _json_item(handle: bytes, answer: Answer) -> bytes:
    shown = answer_to_json(decode_text(handle), answer)
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _json_found(handles: Sequence[bytes], values: Sequence[bytes | None]) -> list[bytes | None]:
    return [
        None if octets is None else _json_item(handle, _record(handle, octets))
        for handle, octets in zip(handles, values, strict=True)
    ]


def _record(handle: bytes, octets: bytes) -> Answer:
    body = RecordAnswer(decode_text(handle), ValueList.parse(octets))
    return Answer(ResponseCode.SUCCESS, body)


# msgpack


def _read_msgpack(octets: bytes) -> Batch:
    try:
        document = msgpack.unpackb(octets, raw=True, strict_map_key=True)
    except msgpack.ExtraData as error:
        reject("", f"the body goes on behind its end, at octet {len(octets) - len(error.extra)}")
    except (ValueError, msgpack.UnpackException):
        reject("", f"the body is not msgpack: {_damage(octets)}")
    if isinstance(document, dict):
        document = {decode_text(key): value for key, value in document.items()}
    handles, types, indexes = _parts(document)
    if not {*map(type, handles)} <= {bytes}:
        number = next(n for n, handle in enumerate(handles) if not isinstance(handle, bytes))
        reject(f"handles[{number}]", "text is expected")
    return Batch(
        handles,
        tuple(
            _text_of(decode_text(item) if isinstance(item, bytes) else item, f"types[{number}]")
            for number, item in enumerate(types)
        ),
        tuple(_index_of(item, f"indexes[{number}]") for number, item in enumerate(indexes)),
    )


def _damage(octets: bytes) -> str:
    """Where octets that cannot be read stop to be msgpack."""
    unpacker = msgpack.Unpacker(raw=True, max_buffer_size=len(octets) or 1)
    unpacker.feed(octets)
    place = 0
    try:
        unpacker.read_array_header()
        while True:
            place = unpacker.tell()
            unpacker.skip()
    except msgpack.OutOfData:
        return f"it ends within what begins at octet {place}"
    except (ValueError, msgpack.UnpackException):
        return f"what begins at octet {place} cannot be read"


class _Heads(dict[int, bytes]):
    """Octets of values → what stands in front of them in a found item."""

    def __missing__(self, length: int) -> bytes:
        if length < 1 << 8:
            head = _FOUND + _BIN8(0xC4, length)
        elif length < 1 << 16:
            head = _FOUND + _BIN16(0xC5, length)
        else:
            return _FOUND + _BIN32(0xC6, length)
        if length < _REMEMBERED:
            self[length] = head
        return head


_HEADS: Final = _Heads()


def _msgpack_found(_: Sequence[bytes], values: Sequence[bytes | None]) -> list[bytes | None]:
    heads = _HEADS
    return [None if octets is None else heads[len(octets)] + octets for octets in values]


def _msgpack_item(_: bytes, answer: Answer) -> bytes:
    body = answer.body
    shown: bytes | str = ""
    if isinstance(body, RecordAnswer | ReferralAnswer) and body.values is not None:
        shown = body.values.octets
    elif isinstance(body, ErrorAnswer):
        shown = body.message or ""
    packed: bytes = msgpack.packb((int(answer.code), shown), unicode_errors="surrogateescape")
    return packed


FORMATS: Final[Mapping[str, BatchFormat]] = {
    JSON: BatchFormat(JSON, _read_json, _json_found, _json_item, b"[\n", b",\n", b"\n]\n"),
    **dict.fromkeys(
        (MSGPACK, "application/x-msgpack", "application/vnd.msgpack"),
        BatchFormat(MSGPACK, _read_msgpack, _msgpack_found, _msgpack_item, b"", b"", b""),
    ),
}
"""By the media type of the request."""


# Both


def _parts(document: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """The handles, the types and the indexes of a request."""
    if isinstance(document, list):
        return document, [], []
    if not isinstance(document, dict) or "handles" not in document:
        reject("", "the body is neither a list of handles nor an object with handles")
    parts = [document.get(name, []) for name in ("handles", "types", "indexes")]
    for name, part in zip(("handles", "types", "indexes"), parts, strict=True):
        if not isinstance(part, list):
            reject(name, "a list is expected")
    handles, types, indexes = parts
    return handles, types, indexes


def _text_of(item: Any, place: str) -> str:
    if not isinstance(item, str):
        reject(place, "text is expected")
    _octets_of(item, place)
    return item


def _octets_of(item: Any, place: str) -> bytes:
    if not isinstance(item, str):
        reject(place, "text is expected")
    try:
        return encode_text(item)
    except WireError as error:
        reject(place, f"character {error.offset} is not Unicode")


def _index_of(item: Any, place: str) -> int:
    if not isinstance(item, int) or isinstance(item, bool):
        reject(place, "a whole number is expected")
    if not _LEAST_INDEX <= item < -_LEAST_INDEX:
        reject(place, f"{item} is no 32-bit number")
    return item
