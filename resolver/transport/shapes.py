"""What a request looks like, and what is answered to all that look so; the rules stand in
``resolver.transport.ready``."""

from collections.abc import Callable, Iterable
from enum import Enum
from struct import Struct
from typing import Final, NamedTuple

from resolver.cache.entries import END, PLAIN_TAIL, record_key, selection_key
from resolver.model.codes import OpCode, OpFlag
from resolver.wire.envelope import ENVELOPE_OCTETS
from resolver.wire.message import HEADER_OCTETS, Message

PLAIN_FLAGS: Final = (
    OpFlag.AUTH | OpFlag.RECU | OpFlag.CACR | OpFlag.KPAL | OpFlag.PUBL | OpFlag.DNRF
)
"""Flags a plain request may have; all others change the reply or who may see it."""

_BODY: Final = ENVELOPE_OCTETS + HEADER_OCTETS

HANDLE_AT: Final = _BODY + 4
"""Where the handle begins in a request."""

LEAST: Final = HANDLE_AT + len(PLAIN_TAIL)
"""Octets of the shortest plain request."""

_MIDDLE: Final = Struct(">II16sIII")
"""Of a reply: sequence, length of the message, codes and flags, expiration, length of the body and
of the handle."""


class Kind(Enum):
    """What a request asks for, by what stands behind its handle."""

    RECORD = 1
    """All values: ``PLAIN_TAIL``."""
    PADDED = 2
    """All values, with more zeros behind, as id-pointer-sdk sends them (docs/protocol.md §3)."""
    SELECTION = 3
    """Some values."""


class Shape(NamedTuple):
    """How requests of one look are answered.

    Attributes:
        get: the entry of a key; nothing if the kind is another than RECORD, see ``Ready._other``.
        used: to be told of the entry.
        head: octets 0-7 of the reply.
        middles: length of an entry → octets 12-47 of the reply.
        handle_octets: of the handle.
        values_at: where the values begin in an entry.
        own: 1 if the records are the node's own, 0 if they are cached.
        codes: octets 20-35 of the reply.
        fleeting: the same for an entry that is in no table, so that nobody is to be told.
    """

    get: Callable[[bytes], bytes | None]
    used: Callable[[bytes], None]
    head: bytes
    middles: dict[int, bytes]
    handle_octets: int
    values_at: int
    own: int
    kind: Kind
    codes: bytes
    fleeting: "Shape | None" = None


Slot = tuple[int, int, slice, slice, slice, slice]
"""Of a request that stands somewhere: where it begins, where its handle does, where the three parts
of its look are, and its id."""


def slots(starts: Iterable[int]) -> tuple[Slot, ...]:
    """The places of requests that begin at ``starts``. (Slices that are made once take half the
    time of those that are made when they are needed.)"""
    return tuple(
        (
            at,
            at + HANDLE_AT,
            slice(at, at + 8),
            slice(at + 12, at + 36),
            slice(at + 40, at + 48),
            slice(at + 8, at + 12),
        )
        for at in starts
    )


def kind_of(tail: bytes) -> Kind:
    """What a request asks for with these octets behind its handle."""
    if tail == PLAIN_TAIL:
        return Kind.RECORD
    return Kind.SELECTION if len(tail) < len(PLAIN_TAIL) or any(tail) else Kind.PADDED


def key_of(octets: bytes, handle_end: int, kind: Kind) -> bytes:
    """The key under which the answer to a request stands in an ``EntryTable``."""
    folded = octets[HANDLE_AT:handle_end].upper()
    if kind is Kind.SELECTION:
        return selection_key(folded, octets[handle_end:])
    return record_key(folded)


def middle_of(shape: Shape, values: int, expiration: int) -> bytes:
    """Octets 12-47 of a reply with so many octets of values."""
    handle = shape.handle_octets
    body = 4 + handle + values
    length = HEADER_OCTETS + body + len(END)
    return _MIDDLE.pack(0, length, shape.codes, expiration, body, handle)


def is_plain(octets: bytes, request: Message) -> bool:
    """Whether nothing about a request but its handle and selection matters for the reply."""
    envelope = request.envelope
    return (
        request.op_code == OpCode.RESOLVE
        and not request.flags & ~PLAIN_FLAGS
        and not envelope.session_id
        and not envelope.sequence
        and not octets[2] & 0xFC
        and request.credential is None
        and len(octets) == ENVELOPE_OCTETS + envelope.length
    )
