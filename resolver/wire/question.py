"""Requests to resolve a handle, made quickly.

What ``resolver.wire.message.encode_message`` makes of a plain request of operation 1, in a tenth of
the time: a recursive node sends one to each tier for every cold question.
"""

from functools import lru_cache
from struct import Struct
from typing import Final

from resolver.model.codes import OpCode
from resolver.wire.cursor import Writer, encode_text
from resolver.wire.message import HEADER_OCTETS, NO_CREDENTIAL, UNKNOWN_SERIAL
from resolver.wire.version import CURRENT

_HEAD: Final = Struct(">BBBBIIIIIIIHBBIII")
"""Envelope, header, and the length of the handle."""


def encode_question(
    handle: str,
    indexes: tuple[int, ...],
    types: tuple[str, ...],
    *,
    flags: int,
    recursion_count: int,
    expiration: int,
) -> bytes:
    """A request of the newest version with id 0.

    Args:
        flags: header flags (OpFlag bits); none that asks for an answer of another form.
        expiration: unix seconds.

    Raises:
        WireError: a text is not Unicode, or an index does not fit its place.
    """
    name, tail = encode_text(handle), _tail(indexes, types)
    body = 4 + len(name) + len(tail)
    length = HEADER_OCTETS + body + len(NO_CREDENTIAL)
    head = _HEAD.pack(
        *CURRENT, *CURRENT, 0, 0, 0, length,
        OpCode.RESOLVE, 0, flags, UNKNOWN_SERIAL, recursion_count, 0, expiration, body, len(name),
    )  # fmt: skip
    return b"".join((head, name, tail, NO_CREDENTIAL))


@lru_cache(maxsize=256)
def _tail(indexes: tuple[int, ...], types: tuple[str, ...]) -> bytes:
    """What follows the handle; of what is asked for there are few kinds."""
    return Writer().numbers(indexes).texts(types).octets()
