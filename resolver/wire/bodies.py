"""The bodies of all operations (docs/protocol.md §3), as frozen values.

How they are read and written: ``shapes``.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from resolver.wire.values import ValueList


@dataclass(frozen=True, slots=True)
class ResolveRequest:
    """Operations 1 (resolve) and 2000 (login with a password: ``types`` holds it).

    ``auth`` is the extra text behind the types when RECU_AUTH is set (teleinfo).
    """

    handle: str
    indexes: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class HandleRequest:
    """Operations that name a handle and nothing else: 2, 101, 105, 300–302, 401, 1000, 1003."""

    handle: str


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """Operations 100 (create), 102 (add), 104 (modify)."""

    handle: str
    values: ValueList


@dataclass(frozen=True, slots=True)
class RemoveRequest:
    """Operation 103."""

    handle: str
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChallengeAnswerRequest:
    """Operation 200; ``signed_response`` is read by ``resolver.wire.proof``."""

    auth_type: str
    user: str
    user_index: int
    signed_response: bytes


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Operation 201: is this the answer to that challenge?"""

    user: str
    index: int
    nonce: bytes
    digest: bytes
    signed_response: bytes


@dataclass(frozen=True, slots=True)
class SessionSetupRequest:
    """Operation 400. Modes: 1 client RSA and 4 Diffie-Hellman carry ``public_key``; 3 a key in a
    handle; 2 the server's key, nothing."""

    mode: int
    timeout: int
    identity: str
    index: int
    public_key: bytes | None = None
    key_handle: str | None = None
    key_index: int | None = None


@dataclass(frozen=True, slots=True)
class KeyExchangeRequest:
    """Operation 402."""

    key: bytes


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """Operation 2001: the administrator's key, as handle and index."""

    user: str
    index: int


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """Success of operation 1; the handle as the client spelt it."""

    handle: str
    values: ValueList


@dataclass(frozen=True, slots=True)
class SiteAnswer:
    """Success of operation 2: an HS_SITE record (``resolver.wire.typed``)."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class HandleAnswer:
    """Success of operation 100; old servers leave the handle out."""

    handle: str | None = None


@dataclass(frozen=True, slots=True)
class HandlesAnswer:
    """Success of operations 105 and 302."""

    handles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """Success of operation 201; any number but 0 means yes."""

    valid: int


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """Success of operation 400."""

    mode: int
    data: bytes


@dataclass(frozen=True, slots=True)
class LoginAnswer:
    """Success of operation 2000."""

    user: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """Any failure; None where the octets hold no text at all."""

    message: str | None = ""


@dataclass(frozen=True, slots=True)
class ReferralAnswer:
    """Response codes 302 and 303: a service handle, or an empty one and the values that say it."""

    handle: str
    values: ValueList | None = None


@dataclass(frozen=True, slots=True)
class ChallengeAnswer:
    """Response code 402; the request's digest is the message's ``digest``."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class EmptyBody:
    """Nothing."""


EMPTY_BODY: Final = EmptyBody()


@dataclass(frozen=True, slots=True)
class RawBody:
    """The body of an operation that is not known here."""

    octets: bytes


Body: TypeAlias = (
    ResolveRequest
    | HandleRequest
    | RecordRequest
    | RemoveRequest
    | ChallengeAnswerRequest
    | VerifyRequest
    | SessionSetupRequest
    | KeyExchangeRequest
    | LoginRequest
    | RecordAnswer
    | SiteAnswer
    | HandleAnswer
    | HandlesAnswer
    | VerifiedAnswer
    | SessionAnswer
    | LoginAnswer
    | ErrorAnswer
    | ReferralAnswer
    | ChallengeAnswer
    | EmptyBody
    | RawBody
)
