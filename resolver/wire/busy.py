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
_LEAST: Final = ENVELOPE_OCTETS + HEADER_OCTETS + 8


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
