"""What resolving can end with instead of a record.

Rule: here, for the users of the library, an outcome without values is an exception; inside the
nodes it is a value. A network that fails raises UpstreamError of resolver.model.errors.
"""

from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import ResolverError
from resolver.model.text import printable
from resolver.wire.answer import Hop


class ResolutionError(ResolverError):
    """An answer that holds no values.

    Attributes:
        handle: as asked.
        code: the response code (docs/protocol.md §4).
        server: ``host:port`` that answered; empty if nobody did.
        hops: the exchanges it took.
        cache: what the answering node said of its cache; empty if nothing.
        ttl: seconds for which the answer may be kept, if known.
    """

    def __init__(
        self,
        handle: str,
        code: int,
        reason: str,
        *,
        server: str = "",
        hops: tuple[Hop, ...] = (),
        cache: str = "",
        ttl: int | None = None,
    ) -> None:
        says = f" (says {server})" if server else ""
        super().__init__(printable(f"{handle}: {reason}{says}"))
        self.handle: Final = handle
        self.code: Final = code
        self.server: Final = server
        self.hops: Final = hops
        self.cache: Final = cache
        self.ttl: Final = ttl


class NotFound(ResolutionError):
    """The handle does not exist (code 100), or has none of the values asked for (code 200)."""


class Referred(ResolutionError):
    """The server answers with a referral (codes 302 and 303), which was not to be followed."""


class Refused(ResolutionError):
    """Any other response code: an error of the server, or a refusal."""


class AliasLoop(ResolutionError):
    """Aliases that lead back to one already seen, or on and on."""


_REASONS: Final = {
    ResponseCode.HANDLE_NOT_FOUND: "not found",
    ResponseCode.VALUES_NOT_FOUND: "exists, but has none of the values asked for",
    ResponseCode.SERVICE_REFERRAL: "the server refers to another service",
    ResponseCode.PREFIX_REFERRAL: "the server refers to another node",
    ResponseCode.NOT_RESPONSIBLE: "the server is not responsible for this prefix",
    ResponseCode.SERVER_BUSY: "the server is too busy",
    ResponseCode.RECURSION_TOO_HIGH: "too many servers passed the question on",
    ResponseCode.INVALID_HANDLE: "the server holds it for an invalid handle",
    ResponseCode.AUTHENTICATION_NEEDED: "the values need authentication",
    ResponseCode.INSUFFICIENT_PERMISSION: "not even administrators may do this",
    ResponseCode.HANDLE_EXISTS: "it exists already",
    ResponseCode.VALUE_EXISTS: "there are two values of one index",
    ResponseCode.INVALID_VALUE: "a value is not valid",
    ResponseCode.INVALID_ADMIN: "this user is no administrator of it, or has not the right",
    ResponseCode.AUTHENTICATION_FAILED: "the key is not that of this user",
    ResponseCode.REGISTRATION_LIMIT: "its prefix has no room for more identifiers",
    ResponseCode.PREFIX_LIMIT: "the node has no room for more prefixes",
    ResponseCode.DAILY_REQUEST_LIMIT: "too many requests today",
}

_KINDS: Final[dict[int, type[ResolutionError]]] = {
    ResponseCode.HANDLE_NOT_FOUND: NotFound,
    ResponseCode.VALUES_NOT_FOUND: NotFound,
    ResponseCode.SERVICE_REFERRAL: Referred,
    ResponseCode.PREFIX_REFERRAL: Referred,
}


def error_for(
    handle: str,
    code: int,
    message: str = "",
    *,
    server: str = "",
    hops: tuple[Hop, ...] = (),
    cache: str = "",
    ttl: int | None = None,
) -> ResolutionError:
    """The exception that stands for ``code``; ``message`` is what the server said."""
    known = ResponseCode(code)
    reason = _REASONS.get(known, f"response code {code} ({known.name.lower().replace('_', ' ')})")
    if message:
        reason = f"{reason}: {message}"
    target = hops[-1].target if hops and code in (302, 303) else ""
    if target:
        reason = f"{reason}: {target}"
    kind = _KINDS.get(code, Refused)
    return kind(handle, code, reason, server=server, hops=hops, cache=cache, ttl=ttl)
