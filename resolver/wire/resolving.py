"""Requests to resolve a handle, and the records that answer them, made and read quickly.

What ``resolver.wire.message`` makes of a message of operation 1, in a fraction of the time: such a
message goes in and out at each tier for every question that no cache answers. Whatever is not plain
(a session, a digest, a credential, a code other than success) is left to ``resolver.wire.message``;
the tests hold both to the same octets and the same messages.
"""

import struct
from functools import lru_cache
from struct import Struct
from typing import Final

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.cursor import Reader, Writer, decode_text, encode_text
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_MESSAGE, Envelope
from resolver.wire.message import HEADER_OCTETS, NO_CREDENTIAL, UNKNOWN_SERIAL, Message
from resolver.wire.values import ValueList
from resolver.wire.version import CURRENT, Version, version_of

_HEAD: Final = Struct(">BBBBIIIIIIIHBBIII")
"""Envelope, header, and the length of the handle."""

_HEAD_OCTETS: Final = _HEAD.size
_AROUND_BODY: Final = HEADER_OCTETS + len(NO_CREDENTIAL)
_LONGEST: Final = ENVELOPE_OCTETS + MAX_MESSAGE
_NO_FLAGS_UP_TO: Final = 3
"""The flag octet of an envelope holds the major version that is suggested, and else nothing."""

_RESOLVE: Final = int(OpCode.RESOLVE)
_SUCCESS: Final = int(ResponseCode.SUCCESS)
_LONG_TAIL: Final = 256


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
    head = _HEAD.pack(
        *CURRENT, *CURRENT, 0, 0, 0, _AROUND_BODY + body,
        _RESOLVE, 0, flags, UNKNOWN_SERIAL, recursion_count, 0, expiration, body, len(name),
    )  # fmt: skip
    return b"".join((head, name, tail, NO_CREDENTIAL))


def read_question(octets: bytes) -> Message | None:
    """The plain request that ``octets`` are; None if they are something else, or damaged."""
    if len(octets) < _HEAD_OCTETS:
        return None
    (
        major, minor, suggested_major, suggested_minor, session, request_id, sequence, length,
        op_code, code, flags, serial, count, reserved, expiration, body, name_octets,
    ) = _HEAD.unpack_from(octets)  # fmt: skip
    name_end = _HEAD_OCTETS + name_octets
    body_end = ENVELOPE_OCTETS + HEADER_OCTETS + body
    if (
        op_code != _RESOLVE
        or code
        or suggested_major > _NO_FLAGS_UP_TO
        or flags & OpFlag.RECU_AUTH
        or length != _AROUND_BODY + body
        or len(octets) != ENVELOPE_OCTETS + length
        or octets[body_end:] != NO_CREDENTIAL
        or not 0 < body_end - name_end <= _LONG_TAIL
        or length > MAX_MESSAGE
    ):
        return None
    asked_for = _asked_for(octets[name_end:body_end])
    if asked_for is None:
        return None
    indexes, types = asked_for
    return Message(
        Envelope(
            version_of(major, minor), version_of(suggested_major, suggested_minor),
            session, request_id, sequence, length,
        ),
        op_code, code, flags, serial, count, expiration,
        ResolveRequest(decode_text(octets[_HEAD_OCTETS:name_end]), indexes, types),
        None, None, b"", True, b"", reserved,
    )  # fmt: skip


def encode_record(
    body: RecordAnswer,
    *,
    version: Version,
    session_id: int,
    request_id: int,
    flags: int,
    serial: int,
    recursion_count: int,
    expiration: int,
) -> bytes:
    """A successful reply with the values of a record; it suggests the newest version.

    Args:
        version: of the reply.
        flags: header flags (OpFlag bits); not RRDG, since there is no digest.
        serial: of the site that answers.
        expiration: unix seconds.

    Raises:
        WireError: a field does not fit its place.
    """
    name, values = encode_text(body.handle), body.values.octets
    octets = 4 + len(name) + len(values)
    try:
        head = _HEAD.pack(
            *version, *CURRENT, session_id, request_id, 0, _AROUND_BODY + octets,
            _RESOLVE, _SUCCESS, flags, serial, recursion_count, 0, expiration, octets, len(name),
        )  # fmt: skip
    except struct.error as error:
        raise WireError(f"no reply: {error}", code=ResponseCode.ERROR) from None
    return b"".join((head, name, values, NO_CREDENTIAL))


def read_record(octets: bytes) -> Message | None:
    """The plain successful reply that ``octets`` are; None if they are something else, or
    damaged."""
    if not _HEAD_OCTETS <= len(octets) <= _LONGEST:
        return None
    (
        major, minor, suggested_major, suggested_minor, session, request_id, sequence, length,
        op_code, code, flags, serial, count, reserved, expiration, body, name_octets,
    ) = _HEAD.unpack_from(octets)  # fmt: skip
    name_end = _HEAD_OCTETS + name_octets
    body_end = ENVELOPE_OCTETS + HEADER_OCTETS + body
    if (
        op_code != _RESOLVE
        or code != _SUCCESS
        or suggested_major > _NO_FLAGS_UP_TO
        or flags & OpFlag.RRDG
        or length != _AROUND_BODY + body
        or len(octets) != ENVELOPE_OCTETS + length
        or octets[body_end:] != NO_CREDENTIAL
    ):
        return None
    values = ValueList.whole(octets[name_end:body_end])
    if values is None:
        return None
    return Message(
        Envelope(
            version_of(major, minor), version_of(suggested_major, suggested_minor),
            session, request_id, sequence, length,
        ),
        op_code, code, flags, serial, count, expiration,
        RecordAnswer(decode_text(octets[_HEAD_OCTETS:name_end]), values),
        None, None, b"", True, b"", reserved,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _tail(indexes: tuple[int, ...], types: tuple[str, ...]) -> bytes:
    """What follows the handle; of what is asked for there are few kinds."""
    return Writer().numbers(indexes).texts(types).octets()


@lru_cache(maxsize=256)
def _asked_for(tail: bytes) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """The indexes and types that follow the handle; None if ``tail`` is not these and no more."""
    reader = Reader(tail)
    try:
        asked_for = reader.numbers(), reader.texts()
    except WireError:
        return None
    return None if reader.remaining else asked_for
