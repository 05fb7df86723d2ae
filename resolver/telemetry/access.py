"""Access logs as octets: what a node was asked, and what it answered, in two forms.

A file begins with a head that says whose it is and which part of the requests it has (one of
``every``); then comes one row for each request. In ``jsonl`` both are JSON objects, a line each; in
``msgpack`` maps, one behind the other. A file that was cut off in a row is read up to there.

Rule: what a row has is written in one place, ``Asked``; keys are its fields.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import msgpack

from resolver.model.errors import ConfigError

VERSION: Final = 1
_HEAD: Final = "wuhan-access-log"
_SURROGATES: Final = "surrogateescape"
_FIRST_OF_JSON: Final = b"{"


class Asked(NamedTuple):
    """One request.

    Attributes:
        time: unix seconds when it was answered.
        ms: milliseconds that took.
        client: its address; empty where nobody looked.
        transport: the door it came in by.
        path: ``ready``, ``local`` or ``forwarded``.
        op: operation code.
        flags: of the request.
        id: the identifier; empty where there is none.
        indexes, types: what was asked of it; nothing is everything.
        code: response code.
        trace: id of the trace that the request is recorded in; empty, and left out of the row, if
            it is not recorded.
    """

    time: float
    ms: float
    client: str
    transport: str
    path: str
    op: int
    flags: int
    id: str
    indexes: tuple[int, ...]
    types: tuple[str, ...]
    code: int
    trace: str = ""


class Head(NamedTuple):
    """Whose log it is."""

    node: str
    every: int


def _json_row(row: dict[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # an identifier that is not UTF-8
        return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _msgpack_row(row: dict[str, Any]) -> bytes:
    return bytes(msgpack.packb(row, unicode_errors=_SURROGATES))


FORMS: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "jsonl": _json_row,
    "msgpack": _msgpack_row,
}
"""By the name that is also the end of the file's: a row as octets."""


def encode_head(form: str, head: Head) -> bytes:
    """The head of a file."""
    return FORMS[form]({"log": _HEAD, "version": VERSION, **head._asdict()})


def encode(form: str, rows: Iterable[Asked]) -> bytes:
    """Rows of a file."""
    write = FORMS[form]
    return b"".join(write(_told(row)) for row in rows)


def _told(row: Asked) -> dict[str, Any]:
    told = row._asdict()
    if not row.trace:
        del told["trace"]
    return told


def read(file: BinaryIO, name: str) -> tuple[Head, Iterator[Asked]]:
    """The head and the rows of a file, whose form is known by its first octet.

    Raises:
        ConfigError: it is no access log; also while rows are read, if one is none.
    """
    first = file.read(1)
    file.seek(0)
    documents = _json_rows(file) if first == _FIRST_OF_JSON else _msgpack_rows(file)
    try:
        match next(documents, None):
            case {"log": str(log), "version": int(version), "node": str(node), "every": int(every)}:
                if log == _HEAD and version == VERSION:
                    return Head(node, every), _rows(documents, name)
    except ValueError:
        pass
    raise ConfigError(
        f"{name} is no access log of version {VERSION}; nodes write one if [log] access says so"
    )


def _rows(documents: Iterator[Any], name: str) -> Iterator[Asked]:
    number = 1
    while True:
        number += 1
        try:
            document = next(documents)
            if not isinstance(document["id"], str):
                raise TypeError("the identifier is no text")
            row = Asked(**document)
            row = row._replace(
                time=float(row.time), indexes=tuple(row.indexes), types=tuple(row.types)
            )
        except StopIteration:
            return
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"{name}: row {number} is none of an access log") from None
        yield row


def _json_rows(file: BinaryIO) -> Iterator[Any]:
    for line in file:
        if line.endswith(b"\n"):
            yield json.loads(line)


def _msgpack_rows(file: BinaryIO) -> Iterator[Any]:
    try:
        yield from msgpack.Unpacker(file, unicode_errors=_SURROGATES)
    except msgpack.UnpackException as error:
        raise ValueError(str(error)) from None
