"""The ``signedResponse`` of a challenge answer, in all its forms (docs/protocol.md §9).

Not here: computing or checking a proof; this module only takes it apart and puts it together.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from resolver.wire.cursor import Reader, Writer
from resolver.wire.message import Digest
from resolver.wire.typed import PublicKey
from resolver.wire.version import Version

PUBLIC_KEY: Final = "HS_PUBKEY"
SECRET_KEY: Final = "HS_SECKEY"

_PBKDF2: Final = 0x22
_CODED_SINCE: Final[Version] = (2, 1)


@dataclass(frozen=True, slots=True)
class SignatureProof:
    """A signature over the challenge octets; ``hash_algorithm`` is named by the client."""

    hash_algorithm: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class MacProof:
    """A MAC with the secret: code 1 MD5, 2 SHA-1, 3 SHA-256 of secret‖challenge‖secret, 0x12 and
    0x13 HMAC; None the bare MD5 of version 2.0."""

    code: int | None
    mac: bytes


@dataclass(frozen=True, slots=True)
class Pbkdf2Proof:
    """HMAC-SHA1 keyed with PBKDF2-HMAC-SHA1 of the secret (version 2.7 on)."""

    salt: bytes
    iterations: int
    key_bits: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class PasswordProof:
    """The secret itself; it never travels in a challenge answer."""

    secret: bytes


@dataclass(frozen=True, slots=True)
class PossessionProof:
    """Whoever made the connection has shown to TLS that they have the private half of ``public``;
    it never travels either."""

    public: PublicKey


WireProof: TypeAlias = SignatureProof | MacProof | Pbkdf2Proof
"""What a challenge answer may carry."""

Proof: TypeAlias = WireProof | PasswordProof | PossessionProof


def decode_proof(auth_type: str, octets: bytes, version: Version) -> WireProof:
    """The proof in a challenge answer of ``version``.

    Raises:
        WireError: it is damaged.
    """
    reader = Reader(octets)
    if auth_type != SECRET_KEY:
        return SignatureProof(reader.text(), reader.bytes_())
    if version < _CODED_SINCE:
        return MacProof(None, reader.rest())
    code = reader.u1()
    if code == _PBKDF2:
        return Pbkdf2Proof(reader.bytes_(), reader.u4(), reader.u4(), reader.bytes_())
    return MacProof(code, reader.rest())


def encode_proof(proof: WireProof) -> bytes:
    """The octets of ``proof``."""
    writer = Writer()
    match proof:
        case SignatureProof():
            writer.text(proof.hash_algorithm).bytes_(proof.signature)
        case Pbkdf2Proof():
            writer.u1(_PBKDF2).bytes_(proof.salt).u4(proof.iterations).u4(proof.key_bits)
            writer.bytes_(proof.mac)
        case MacProof():
            if proof.code is not None:
                writer.u1(proof.code)
            writer.raw(proof.mac)
    return writer.octets()


def challenge_octets(nonce: bytes, digest: Digest) -> bytes:
    """What is signed: the nonce and the bare digest of the request."""
    return nonce + digest.octets
