"""Signatures and MACs behind a message (docs/protocol.md §8).

Not here: keys and algorithms; this module only says which octets are signed.
"""

from dataclasses import dataclass
from typing import Final

from resolver.wire.cursor import Reader, Writer
from resolver.wire.envelope import ENVELOPE_OCTETS, decode_envelope
from resolver.wire.version import Version

SIGNED: Final = "HS_SIGNED"
MAC: Final = "HS_MAC"

_COVERS_ENVELOPE: Final[Version] = (2, 7)
_COVERS_SUGGESTED: Final[Version] = (2, 8)
_NAMED_ALGORITHM: Final[Version] = (2, 5)


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves who sent a message.

    Attributes:
        type: ``HS_SIGNED`` (the server's key) or ``HS_MAC`` (the session's).
        hash_algorithm: ``SHA-256``, ``SHA1``, ``HMAC-SHA256``; for a MAC before version 2.5 the
            one-octet code, as an int.
        session_counter: strictly increasing within a session.
        signer: empty in practice.
        version, reserved, options: zero in practice.
        tail: octets behind the signature.
    """

    type: str
    hash_algorithm: str | int
    signature: bytes
    session_counter: int = 0
    signer: str = ""
    version: int = 0
    reserved: int = 0
    options: int = 0
    tail: bytes = b""


def read_credential(reader: Reader, version: Version) -> Credential:
    """The credential that all of ``reader`` is; ``version`` is the message's.

    Raises:
        WireError: it is damaged.
    """
    credential_version, reserved, options = reader.u1(), reader.u1(), reader.u2()
    signer, counter, type_ = reader.text(), reader.i4(), reader.text()
    reader.u4()  # the length of the rest; what counts is what is there
    coded = type_ == MAC and version < _NAMED_ALGORITHM
    algorithm = reader.u1() if coded else reader.text()
    signature = reader.bytes_()
    return Credential(
        type_,
        algorithm,
        signature,
        counter,
        signer,
        credential_version,
        reserved,
        options,
        reader.rest(),
    )


def write_credential(credential: Credential) -> bytes:
    """The octets of ``credential``, without the length in front of them.

    Raises:
        WireError: a field does not fit its place.
    """
    rest = Writer()
    if isinstance(credential.hash_algorithm, int):
        rest.u1(credential.hash_algorithm)
    else:
        rest.text(credential.hash_algorithm)
    rest.bytes_(credential.signature)
    proof = rest.octets()
    writer = Writer()
    writer.u1(credential.version).u1(credential.reserved).u2(credential.options)
    writer.text(credential.signer).i4(credential.session_counter).text(credential.type)
    return writer.bytes_(proof).raw(credential.tail).octets()


def signed_octets(message: bytes, session_counter: int) -> bytes:
    """The octets that a credential of ``message`` signs (§8).

    Args:
        message: a whole encoded message, with or without a credential.
        session_counter: of the credential.

    Raises:
        WireError: the message is too short.
    """
    envelope = decode_envelope(message)
    reader = Reader(message, ENVELOPE_OCTETS)
    header = reader.raw(20)
    length = reader.raw(4)
    body = reader.raw(int.from_bytes(length, "big"))
    if envelope.version < _COVERS_ENVELOPE:
        return body
    writer = Writer().u1(envelope.version[0]).u1(envelope.version[1])
    if envelope.version >= _COVERS_SUGGESTED:
        writer.u1(envelope.suggested[0]).u1(envelope.suggested[1])
    writer.u4(envelope.session_id).u4(envelope.request_id).i4(session_counter)
    return writer.raw(header).raw(length).raw(body).octets()
