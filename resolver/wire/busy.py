"""The reply of a server that has no time to look at a request: response code 3, made of the
request's own octets in a microsecond, never longer than the request was."""

from struct import Struct
from typing import Final

from resolver.model.codes import OpFlag, ResponseCode
from resolver.wire.envelope import ENVELOPE_OCTETS
from resolver.wire.message import HEADER_OCTETS, LIFETIME_S, NO_CREDENTIAL, UNKNOWN_SERIAL
from resolver.wire.version import CURRENT, reply_version

_REPLY: Final = Struct(">BBBB4s4sII4sIIHBBIII4s")
_ECHOED: Final = OpFlag.CACR | OpFlag.PUBL
_MAX_KINDS: Final = 1024
_LEAST: Final = ENVELOPE_OCTETS + HEADER_OCTETS + 8


class BusyReplies:
    """``busy_reply`` for very many requests of few kinds: made once in a second for each kind."""

    def __init__(self) -> None:
        self._kinds: Final[dict[bytes, tuple[bytes, bytes]]] = {}
        self._unix = 0

    def to(self, request: bytes, unix_now: int) -> bytes | None:
        """See ``busy_reply``."""
        if unix_now != self._unix or len(self._kinds) >= _MAX_KINDS:
            self._unix = unix_now
            self._kinds.clear()
        # All that a reply repeats, but for the id.
        kind = request[:4] + request[20:36]
        parts = self._kinds.get(kind)
        if parts is None or len(request) < _LEAST:
            reply = busy_reply(request, unix_now)
            if reply is not None:
                self._kinds[kind] = reply[:8], reply[12:]
            return reply
        return parts[0] + request[8:12] + parts[1]


def busy_reply(request: bytes, unix_now: int) -> bytes | None:
    """The reply to a request that is not looked at; None if it is too short to be one."""
    if len(request) < _LEAST:
        return None
    suggested = (request[2] & 3, request[3])
    version = reply_version(suggested if suggested[0] else (request[0], request[1]))
    flags = int.from_bytes(request[28:32], "big") & _ECHOED | OpFlag.RECU
    body = 4  # an empty text
    return _REPLY.pack(
        *version, *CURRENT, bytes(4), request[8:12], 0, HEADER_OCTETS + body + len(NO_CREDENTIAL),
        request[20:24], ResponseCode.SERVER_BUSY, flags, UNKNOWN_SERIAL, request[34], 0,
        unix_now + LIFETIME_S, body, 0, NO_CREDENTIAL,
    )  # fmt: skip
