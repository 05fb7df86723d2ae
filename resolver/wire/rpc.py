"""MessagePack-RPC, the language of the control plane (the specification of msgpack-rpc: requests
are [0, number, method, params], responses [1, number, error, result]).

Rules: everything about a frame is bounded before memory is given to it. Nothing but WireError is
raised. Not here: who may call what, and sockets.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgpack

from resolver.model.errors import WireError

MAX_FRAME: Final = 1 << 20
"""Octets of one request or response."""

MAX_ELEMENTS: Final = 100_000
"""Of one array or map."""

CALL_OCTET: Final = 0x94
"""What every frame begins with: an array of four. No version of the Handle protocol has this
number, so both can share a port."""

_REQUEST: Final = 0
_RESPONSE: Final = 1
_MAX_NUMBER: Final = 0xFFFFFFFF
_MAX_METHOD: Final = 100


@dataclass(slots=True)
class Call:
    """Somebody wants ``method`` done; ``number`` stands in the response too."""

    number: int
    method: str
    params: list[Any]


@dataclass(slots=True)
class Result:
    """What came of a call: an error, or else a result."""

    number: int
    error: str | None
    value: Any = None


class RpcReader:
    """Cuts a stream into calls and results."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._unpacker: Final = msgpack.Unpacker(
            max_buffer_size=max_frame,
            max_array_len=MAX_ELEMENTS,
            max_map_len=MAX_ELEMENTS,
            strict_map_key=True,
            unicode_errors="surrogateescape",
        )

    def feed(self, data: bytes) -> list[Call | Result]:
        """The frames that ``data`` completes, in order.

        Raises:
            WireError: what came is no frame, or too long; the stream cannot go on.
        """
        try:
            self._unpacker.feed(data)
            return [_frame(document) for document in self._unpacker]
        except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
            raise WireError(f"not MessagePack-RPC: {error}" if str(error) else _NONSENSE) from None


_NONSENSE: Final = "not MessagePack-RPC"


def encode_call(call: Call) -> bytes:
    """The octets of a request.

    Raises:
        WireError: a parameter is of no type that MessagePack has.
    """
    return _packed([_REQUEST, call.number, call.method, call.params])


def encode_result(result: Result) -> bytes:
    """The octets of a response.

    Raises:
        WireError: the value is of no type that MessagePack has.
    """
    return _packed([_RESPONSE, result.number, result.error, result.value])


def _packed(document: list[Any]) -> bytes:
    try:
        return bytes(msgpack.packb(document, unicode_errors="surrogateescape"))
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"cannot be sent as MessagePack: {error}") from None


def _frame(document: Any) -> Call | Result:
    match document:
        case [0, int(number), str(method), list(params)]:
            if 0 <= number <= _MAX_NUMBER and len(method) <= _MAX_METHOD:
                return Call(number, method, params)
        case [1, int(number), None | str() as error, value]:
            if 0 <= number <= _MAX_NUMBER:
                return Result(number, error, value)
    raise WireError(_NONSENSE)
