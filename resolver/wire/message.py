"""Whole messages: envelope, header, body and credential (RFC 3652 §2.2; docs/protocol.md §2).

Rules: ``encode_message(decode_message(octets))`` gives the same octets for every clear message a
real peer sends, slack and missing lengths included. Nothing but WireError is raised. Encrypted
messages are not looked into.
"""

import struct
from dataclasses import dataclass
from hashlib import md5, sha1, sha256
from struct import Struct
from typing import Final

from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.wire.bodies import EMPTY_BODY, Body
from resolver.wire.credential import Credential, read_credential, write_credential
from resolver.wire.cursor import Reader, Writer
from resolver.wire.envelope import (
    ENVELOPE_OCTETS,
    MAX_MESSAGE,
    Envelope,
    decode_envelope,
    encode_envelope,
)
from resolver.wire.shapes import OPERATIONS, encode_body, read_reply, read_request
from resolver.wire.version import Version

HEADER_OCTETS: Final = 24

LIFETIME_S: Final = 43_200
"""How long a message stays valid: 12 hours, as every implementation of the field sets it."""

UNKNOWN_SERIAL: Final = 0xFFFF
"""Site serial of a client that does not know the site."""

_HEADER: Final = Struct(">IIIHBBII")
NO_CREDENTIAL: Final = b"\0\0\0\0"
_CODED_DIGESTS_SINCE: Final[Version] = (2, 1)
_SHA256_SINCE: Final[Version] = (2, 7)
_DIGEST_OCTETS: Final = {1: 16, 2: 20, 3: 32}


@dataclass(slots=True)
class Digest:
    """The digest of a request, in front of the body of its reply (RRDG, and every challenge).

    ``code`` 1 is MD5, 2 SHA-1, 3 SHA-256; None the form of version 2.0 (MD5 behind its length).
    """

    code: int | None
    octets: bytes


@dataclass(slots=True)
class Message:
    """One request (response code 0) or reply.

    Attributes:
        flags: OpFlag bits.
        site_serial: of the site the sender knows, or the reply's own.
        recursion_count: how many servers passed the question on, 0–255.
        expiration: unix seconds after which the message is void.
        digest: in replies only.
        tail: octets behind a complete body, within the body's length.
        has_credential_length: False for messages that end after the body.
        slack: octets behind the credential.
        reserved: the octet behind the recursion count.
    """

    envelope: Envelope
    op_code: int
    response_code: int = 0
    flags: int = 0
    site_serial: int = UNKNOWN_SERIAL
    recursion_count: int = 0
    expiration: int = 0
    body: Body = EMPTY_BODY
    digest: Digest | None = None
    credential: Credential | None = None
    tail: bytes = b""
    has_credential_length: bool = True
    slack: bytes = b""
    reserved: int = 0


def decode_message(octets: bytes) -> Message:
    """The message that ``octets`` (envelope and all, reassembled) are; a longer buffer is fine.

    Raises:
        WireError: with the response code to answer: 4 too short, 2 otherwise malformed, 501 or
            500 encrypted without or with a session.
    """
    envelope = decode_envelope(octets)
    if envelope.length > MAX_MESSAGE:
        raise WireError(
            f"a message of {envelope.length} octets", offset=16, code=ResponseCode.ERROR
        )
    end = ENVELOPE_OCTETS + envelope.length
    if envelope.encrypted:
        raise WireError(
            "an encrypted message without a session"
            if not envelope.session_id
            else f"an encrypted message of the unknown session {envelope.session_id}",
            offset=ENVELOPE_OCTETS,
            code=ResponseCode.SESSION_TIMEOUT
            if envelope.session_id
            else ResponseCode.SESSION_FAILED,
        )
    if envelope.length < HEADER_OCTETS or len(octets) < end:
        raise WireError(
            f"{len(octets)} octets of a message of {end}, which has at least "
            f"{ENVELOPE_OCTETS + HEADER_OCTETS}",
            offset=len(octets),
            code=ResponseCode.PROTOCOL_ERROR,
        )
    op_code, code, flags, serial, count, reserved, expiration, length = _HEADER.unpack_from(
        octets, ENVELOPE_OCTETS
    )
    start = ENVELOPE_OCTETS + HEADER_OCTETS
    body_end = start + length
    if body_end > end:
        raise WireError(
            f"a body of {body_end - start} octets where {end - start} are left",
            offset=start - 4,
            code=ResponseCode.ERROR,
        )
    reader = Reader(octets, start, body_end)
    digest = None
    body: Body
    if code == 0:
        body = read_request(op_code, reader, flags)
    elif code == ResponseCode.AUTHENTICATION_NEEDED:
        digest, body = _read_challenge(reader, envelope.version, code, op_code)
    else:
        if flags & OpFlag.RRDG:
            digest = _read_digest(reader, envelope.version)
        body = read_reply(op_code, code, reader)
    message = Message(
        envelope, op_code, code, flags, serial, count, expiration, body, digest,
        None, reader.rest(), body_end < end, b"", reserved,
    )  # fmt: skip
    if body_end < end and octets[body_end:end] != NO_CREDENTIAL:
        _read_end(message, Reader(octets, body_end, end))
    return message


def decode_request(octets: bytes) -> Message:
    """The request that ``octets`` are.

    Raises:
        WireError: as ``decode_message``; also for operation 0 (code 4), for a reply and for an
            operation nobody knows (code 2).
    """
    message = decode_message(octets)
    if message.op_code == 0:
        raise WireError("operation 0", offset=ENVELOPE_OCTETS, code=ResponseCode.PROTOCOL_ERROR)
    if message.response_code:
        raise WireError(
            f"response code {message.response_code} in a request",
            offset=ENVELOPE_OCTETS + 4,
            code=ResponseCode.ERROR,
        )
    if message.op_code not in OPERATIONS:
        raise WireError(
            f"unknown operation {message.op_code}",
            offset=ENVELOPE_OCTETS,
            code=ResponseCode.ERROR,
        )
    return message


def encode_message(message: Message) -> bytes:
    """The octets of ``message``; the lengths are counted anew.

    Raises:
        WireError: a field does not fit its place.
    """
    digest, credential = message.digest, message.credential
    body = encode_body(message.body)
    if digest is not None or message.tail:
        body = _with_digest(body, message)
    end = NO_CREDENTIAL if message.has_credential_length else b""
    if credential is not None:
        end = Writer().bytes_(write_credential(credential)).octets()
    payload = HEADER_OCTETS + len(body) + len(end) + len(message.slack)
    try:
        header = _HEADER.pack(
            message.op_code,
            message.response_code,
            message.flags,
            message.site_serial,
            message.recursion_count,
            message.reserved,
            message.expiration,
            len(body),
        )
    except struct.error as error:
        raise WireError(f"no header: {error}", code=ResponseCode.ERROR) from None
    return b"".join((encode_envelope(message.envelope, payload), header, body, end, message.slack))


def _with_digest(body: bytes, message: Message) -> bytes:
    """The body with the digest where it belongs, and the tail."""
    digest = message.digest
    if digest is None:
        return body + message.tail
    if digest.code is not None:
        return bytes((digest.code,)) + digest.octets + body + message.tail
    coded = Writer().bytes_(digest.octets).octets()
    if message.response_code == ResponseCode.AUTHENTICATION_NEEDED:
        return body + coded + message.tail
    return coded + body + message.tail


def digest_of(octets: bytes, version: Version) -> Digest:
    """The digest of an encoded request (header and body) in the form of a reply of ``version``.

    Raises:
        WireError: the request is too short.
    """
    reader = Reader(octets, ENVELOPE_OCTETS)
    reader.raw(HEADER_OCTETS - 4)
    reader.bytes_()
    covered = reader.since(ENVELOPE_OCTETS)
    if version >= _SHA256_SINCE:
        return Digest(3, sha256(covered).digest())
    if version >= _CODED_DIGESTS_SINCE:
        return Digest(2, sha1(covered, usedforsecurity=False).digest())
    return Digest(None, md5(covered, usedforsecurity=False).digest())


def _read_digest(reader: Reader, version: Version) -> Digest:
    if version < _CODED_DIGESTS_SINCE:
        return Digest(None, reader.bytes_())
    code = reader.u1()
    length = _DIGEST_OCTETS.get(code)
    if length is None:
        raise reader.fail(f"unknown hash code {code}")
    return Digest(code, reader.raw(length))


def _read_challenge(
    reader: Reader, version: Version, code: int, op_code: int
) -> tuple[Digest, Body]:
    if version < _CODED_DIGESTS_SINCE:
        body = read_reply(op_code, code, reader)
        return Digest(None, reader.bytes_()), body
    digest = _read_digest(reader, version)
    return digest, read_reply(op_code, code, reader)


def _read_end(message: Message, reader: Reader) -> None:
    length = reader.u4()
    if length:
        octets = reader.raw(length)
        message.credential = read_credential(Reader(octets), message.envelope.version)
    message.slack = reader.rest()
