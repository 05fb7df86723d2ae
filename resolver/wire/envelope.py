"""The 20-octet envelope in front of every message (RFC 3652 §2.2.1; docs/protocol.md §1)."""

import struct
from dataclasses import dataclass
from struct import Struct
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.wire.version import CURRENT, Version, version_of

ENVELOPE_OCTETS: Final = 20
MAX_DATAGRAM: Final = 512
MAX_PAYLOAD: Final = MAX_DATAGRAM - ENVELOPE_OCTETS
MAX_MESSAGE: Final = 262_144
"""Longest message without its envelope."""

_LAYOUT: Final = Struct(">BBBBIIII")
_COMPRESSED: Final = 0x80
_ENCRYPTED: Final = 0x40
TRUNCATED: Final = 0x20
"""In the flag octet: there is more than this datagram."""

_SUGGESTED_MAJOR: Final = 0x03


@dataclass(slots=True)
class Envelope:
    """What every message, and every datagram of one, starts with.

    Attributes:
        version: in which the message is encoded.
        suggested: the version the sender would like; ``(0, n)`` on the wire means ``version``, and
            is kept as it was.
        session_id: 0 for none; also the challenge id.
        request_id: any number the client chose; the reply repeats it.
        sequence: number of the fragment.
        length: octets of the whole message without envelope, before fragmentation.
        spare_flags: bits of the flag octet that have no meaning.
    """

    version: Version = CURRENT
    suggested: Version = CURRENT
    session_id: int = 0
    request_id: int = 0
    sequence: int = 0
    length: int = 0
    compressed: bool = False
    encrypted: bool = False
    truncated: bool = False
    spare_flags: int = 0

    @property
    def wanted(self) -> Version:
        """The version the reply should have: the suggested one, or the message's own."""
        return self.suggested if self.suggested[0] else self.version


def decode_envelope(octets: bytes, offset: int = 0) -> Envelope:
    """The envelope at ``offset``.

    Raises:
        WireError: fewer than 20 octets.
    """
    if len(octets) - offset < ENVELOPE_OCTETS:
        raise WireError(
            f"{len(octets) - offset} octets are no envelope", code=ResponseCode.PROTOCOL_ERROR
        )
    major, minor, flags, suggested, session, request, sequence, length = _LAYOUT.unpack_from(
        octets, offset
    )
    if flags <= _SUGGESTED_MAJOR:  # none of the others is set, as in nearly all messages
        version, wanted = version_of(major, minor), version_of(flags, suggested)
        return Envelope(version, wanted, session, request, sequence, length)
    return Envelope(
        (major, minor),
        (flags & _SUGGESTED_MAJOR, suggested),
        session,
        request,
        sequence,
        length,
        bool(flags & _COMPRESSED),
        bool(flags & _ENCRYPTED),
        bool(flags & TRUNCATED),
        flags & 0x1C,
    )


def encode_envelope(envelope: Envelope, length: int | None = None) -> bytes:
    """The 20 octets of ``envelope``, with ``length`` in place of its own if given.

    Raises:
        WireError: a field does not fit its place.
    """
    flags = envelope.suggested[0] & _SUGGESTED_MAJOR | envelope.spare_flags
    if envelope.compressed:
        flags |= _COMPRESSED
    if envelope.encrypted:
        flags |= _ENCRYPTED
    if envelope.truncated:
        flags |= TRUNCATED
    try:
        return _LAYOUT.pack(
            *envelope.version,
            flags,
            envelope.suggested[1],
            envelope.session_id,
            envelope.request_id,
            envelope.sequence,
            envelope.length if length is None else length,
        )
    except struct.error as error:
        raise WireError(f"no envelope: {error}", code=ResponseCode.ERROR) from None
