"""Operation codes, response codes, flags: the numbers of RFC 3652 §2 and of the CAICT and
teleinfo dialects (protocol.md §2–§4).

Unknown numbers survive: ``OpCode(77)`` is a member called ``CODE_77``, so that a codec can carry
what it does not understand.
"""

from enum import IntEnum
from typing import Final, Self


class _OpenIntEnum(IntEnum):
    """An IntEnum that makes up a member ``CODE_n`` for any other unsigned 32-bit number."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"CODE_{value}"
        member._value_ = value
        return member


class OpCode(_OpenIntEnum):
    """What a message asks for (RFC 3652 §2.2.2.1; 2000 and 2001 are CAICT's)."""

    RESOLVE = 1
    GET_SITE = 2
    CREATE_HANDLE = 100
    DELETE_HANDLE = 101
    ADD_VALUE = 102
    REMOVE_VALUE = 103
    MODIFY_VALUE = 104
    LIST_HANDLES = 105
    CHALLENGE_ANSWER = 200
    VERIFY_CHALLENGE = 201
    HOME_PREFIX = 300
    UNHOME_PREFIX = 301
    LIST_HOMED = 302
    SESSION_SETUP = 400
    SESSION_TERMINATE = 401
    SESSION_EXCHANGE_KEY = 402
    NEXT_TRANSACTION = 1000
    RETRIEVE_TRANSACTIONS = 1001
    DUMP_HANDLES = 1002
    BACKUP_SERVER = 1003
    LOGIN_PASSWORD = 2000
    LOGIN_KEY = 2001


class ResponseCode(_OpenIntEnum):
    """The outcome of a request (RFC 3652 §2.2.2.2; 407, 408 and 601–605 are the IDIS dialects')."""

    SUCCESS = 1
    ERROR = 2
    SERVER_BUSY = 3
    PROTOCOL_ERROR = 4
    NOT_SUPPORTED = 5
    RECURSION_TOO_HIGH = 6
    SERVER_BACKUP = 7
    HANDLE_NOT_FOUND = 100
    HANDLE_EXISTS = 101
    INVALID_HANDLE = 102
    VALUES_NOT_FOUND = 200
    VALUE_EXISTS = 201
    INVALID_VALUE = 202
    SITE_OUT_OF_DATE = 300
    NOT_RESPONSIBLE = 301
    SERVICE_REFERRAL = 302
    PREFIX_REFERRAL = 303
    INVALID_ADMIN = 400
    INSUFFICIENT_PERMISSION = 401
    AUTHENTICATION_NEEDED = 402
    AUTHENTICATION_FAILED = 403
    INVALID_CREDENTIAL = 404
    AUTHENTICATION_TIMEOUT = 405
    UNABLE_TO_AUTHENTICATE = 406
    LOGIN_AGAIN = 407
    LOGIN_FIRST = 408
    SESSION_TIMEOUT = 500
    SESSION_FAILED = 501
    INVALID_SESSION_KEY = 502
    NO_SESSION_KEY = 503
    INVALID_SESSION_SETUP = 504
    MESSAGE_REJECTED = 505
    CHANNEL_ERROR = 601
    CLIENT_TIMEOUT = 602
    DAILY_REQUEST_LIMIT = 603
    REGISTRATION_LIMIT = 604
    PREFIX_LIMIT = 605


class OpFlag:
    """Bits of the header's opFlags field (RFC 3652 §2.2.2.3); plain ints, as every request is
    tested against them."""

    AUTH: Final = 0x80000000
    """Ask the primary site; in an answer: comes from the primary's own store."""
    CERT: Final = 0x40000000
    """Sign the response."""
    ENCR: Final = 0x20000000
    """Encrypt the response."""
    RECU: Final = 0x10000000
    """Resolve on behalf of the client."""
    CACR: Final = 0x08000000
    """A caching server may verify for the client."""
    CONT: Final = 0x04000000
    """More messages follow under the same request id."""
    KPAL: Final = 0x02000000
    """Keep the connection open."""
    PUBL: Final = 0x01000000
    """Public values only."""
    RRDG: Final = 0x00800000
    """Return the digest of the request."""
    OVRW: Final = 0x00400000
    """Overwrite what exists."""
    MINT: Final = 0x00200000
    """Mint a new suffix."""
    DNRF: Final = 0x00100000
    """Do not refer."""
    RECU_AUTH: Final = 0x00000004
    """teleinfo: recursive identity transfer."""
    TRUSTED_QUERY: Final = 0x00000002
    """CAICT: trusted resolution asked for."""
    TRUSTED_RESULT: Final = 0x00000001
    """CAICT: the result is trusted."""


_FLAG_NAMES: Final = tuple(
    (bit, name) for name, bit in vars(OpFlag).items() if isinstance(bit, int)
)


def flag_names(flags: int) -> str:
    """The names of the set bits joined by ``+``; unknown bits as hex; ``0`` when none is set."""
    names = [name for bit, name in _FLAG_NAMES if flags & bit]
    unknown = flags & ~sum(bit for bit, _ in _FLAG_NAMES)
    if unknown:
        names.append(f"{unknown:#x}")
    return "+".join(names) or "0"
