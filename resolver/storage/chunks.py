"""A file of records cut into chunks, and what becomes of a chunk on its way into stores.

Rules: chunks are cut between records and need nothing of one another, so that several processes may
work on them; whoever puts the results together keeps the order. Which form a file has
(``resolver.storage.forms``) is seen from its first octets. No record, however long, fills memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, TypeAlias

import msgpack

from resolver.model.errors import ResolverError
from resolver.storage.forms import (
    MAX_LINE_OCTETS,
    MSGPACK_HEADER,
    Encoded,
    RecordRefused,
    quick_line,
    read_msgpack,
    unpack,
)
from resolver.storage.layout import packed

CHUNK_OCTETS: Final = 1 << 20
"""Octets read at a time; most chunks have about as many."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

Packed: TypeAlias = tuple[bytes, bytes]
"""Key and stored value of a record."""

Route = Callable[[str], str | None]
"""The name of the store that a handle belongs to, or None if there is none."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records of a file.

    Attributes:
        octets: lines, the last perhaps without its end; or records of a MessagePack file.
        binary: whether it is MessagePack.
        damage: why nothing can be read behind these records; empty if there is no such reason.
    """

    octets: bytes
    binary: bool = False
    damage: str = ""


@dataclass(slots=True)
class Parsed:
    """What a chunk holds.

    Attributes:
        octets: length of the chunk.
        numbered: its lines or records.
        records: those that are not blank.
        errors: number within the chunk, from 0 on, and reason of each that is left out.
        packed: the others in order, by the name of their store.
    """

    octets: int
    numbered: int = 0
    records: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    packed: dict[str, list[Packed]] = field(default_factory=dict)


def read_chunks(stream: BinaryIO, octets: int = CHUNK_OCTETS) -> Iterator[Chunk]:
    """The chunks of a file, from its start."""
    start = stream.read(max(octets, len(MSGPACK_HEADER)))
    if start.startswith(MSGPACK_HEADER):
        return _record_chunks(stream, start.removeprefix(MSGPACK_HEADER), octets)
    return _line_chunks(stream, start.removeprefix(_BYTE_ORDER_MARK), octets)


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, each cut just above ``MAX_LINE_OCTETS`` so that none fills memory."""
    while line := stream.readline(MAX_LINE_OCTETS + 2):
        yield line
        while len(line) == MAX_LINE_OCTETS + 2 and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_OCTETS + 2)


def parse_chunk(chunk: Chunk, route: Route) -> Parsed:
    """The records of a chunk, packed for their stores.

    Args:
        route: where a record goes; None makes it an error.
    """
    parsed = Parsed(len(chunk.octets))
    errors = parsed.errors
    pieces, read = _pieces_of(chunk)
    parsed.numbered = len(pieces)
    for number, piece in enumerate(pieces):
        if piece == b"":
            continue
        parsed.records += 1
        try:
            handle, octets = read(piece)
            name = route(handle)
            if name is None:
                raise RecordRefused(f"{handle}: no node of this network is responsible for it")
        except ResolverError as error:
            errors.append((number, str(error)))
            continue
        if name not in parsed.packed:
            parsed.packed[name] = []
        parsed.packed[name].append(packed(handle, octets))
    if chunk.damage:
        errors.append((parsed.numbered, chunk.damage))
        parsed.numbered += 1
        parsed.records += 1
    return parsed


def _pieces_of(chunk: Chunk) -> tuple[list[Any], Callable[[Any], Encoded]]:
    """The records of a chunk, blank lines as nothing, and who reads one of them."""
    if chunk.binary:
        return unpack(chunk.octets), read_msgpack
    lines = chunk.octets.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [b"" if line.isspace() else line.strip(b"\r") for line in lines], quick_line


def _line_chunks(stream: BinaryIO, rest: bytes, octets: int) -> Iterator[Chunk]:
    while True:
        end = rest.rfind(b"\n") + 1
        if end:
            yield Chunk(rest[:end])
            rest = rest[end:]
        elif len(rest) > MAX_LINE_OCTETS + 2:
            # What is there of it is enough to refuse it.
            yield Chunk(rest[: MAX_LINE_OCTETS + 2])
            rest = _behind_line(stream, octets)
        block = stream.read(octets)
        if not block:
            break
        rest += block
    if rest:
        yield Chunk(rest)


def _behind_line(stream: BinaryIO, octets: int) -> bytes:
    """What was read behind the end of the line."""
    while block := stream.read(octets):
        end = block.find(b"\n") + 1
        if end:
            return block[end:]
    return b""


def _record_chunks(stream: BinaryIO, rest: bytes, octets: int) -> Iterator[Chunk]:
    while True:
        end, damage = _whole_records(rest)
        if len(rest) - end > MAX_LINE_OCTETS:
            damage = damage or f"a record longer than {MAX_LINE_OCTETS} octets"
        block = b"" if damage else stream.read(octets)
        if not damage and not block and len(rest) > end:
            damage = "the file ends within this record"
        if damage:
            damage = f"{damage}; whatever follows is left out too"
        if end or damage:
            yield Chunk(rest[:end], binary=True, damage=damage)
        if not block:
            break
        rest = rest[end:] + block


def _whole_records(octets: bytes) -> tuple[int, str]:
    """Where the last whole record ends, and what is wrong with what follows, if anything is."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(octets)
    end = 0
    try:
        while True:
            unpacker.skip()
            end = unpacker.tell()
    except msgpack.OutOfData:
        return end, ""
    except (ValueError, msgpack.UnpackException):
        return end, "this is not MessagePack"
