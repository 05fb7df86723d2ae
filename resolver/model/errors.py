"""The one exception tree.

Rules: outcomes ("not found", "referral") are values, never exceptions; an exception means
malformed input, a dead upstream, a bad configuration or a broken store. An exception that can
reach a client knows the response code to answer with.
"""

from typing import Final

from resolver.model.codes import ResponseCode


class ResolverError(Exception):
    """Root of every error this project raises on purpose; its text is one sentence for a person."""


class WireError(ResolverError):
    """Octets that are not what the protocol allows at that place.

    Attributes:
        offset: octets from the start of what was being decoded.
        code: the response code to answer with (protocol.md §4).
    """

    def __init__(
        self, what: str, *, offset: int = 0, code: int = ResponseCode.PROTOCOL_ERROR
    ) -> None:
        super().__init__(f"{what} at octet {offset}")
        self.what: Final = what
        self.offset: Final = offset
        self.code: Final = code


class IdentifierError(ResolverError):
    """Text that no scheme, or not the asked one, accepts."""


class UpstreamError(ResolverError):
    """An upstream that could not be reached, or answered nonsense."""


class UpstreamTimeout(UpstreamError):
    """An upstream that did not answer within its time."""


class StoreError(ResolverError):
    """A store that cannot be opened, read or written.

    Attributes:
        told: the same for clients, whom the place of the file does not concern.
    """

    def __init__(self, what: str, *, told: str = "") -> None:
        super().__init__(what)
        self.told: Final = told or what


class ConfigError(ResolverError):
    """A configuration that cannot be used; the text names file, key and reason."""


class NetworkStateError(ResolverError):
    """A local network that is not in the state a command needs (running, stopped, port taken)."""


class RefusedError(ResolverError):
    """Something was asked for that the rules of the registry do not allow; the text says which."""
