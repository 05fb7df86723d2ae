"""What one of several processes of a node does not do itself, and how it hands it over.

A node with several processes has its ports in each of them, and the kernel deals out connections
and datagrams. What depends on nothing but the question is answered by whichever process gets it.
Whoever administers is remembered, though: a challenge and its answer may come on two connections, a
session has a counter, the control plane knows who reported. All that is the business of the first
process; the others hand it such requests, connections and all.

Rules: a connection is handed over before anything of it is done that is remembered, and for good.
HTTPS is handed over before the first octet is looked into, as TLS cannot be moved later.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from resolver.model.codes import OpCode, OpFlag
from resolver.transport.batches import Address
from resolver.wire.envelope import ENVELOPE_OCTETS

TCP: Final = "tcp"
HTTP: Final = "http"

_NO_SESSION: Final = bytes(4)
_ENCRYPTED: Final = 0x40
_RESOLVE: Final = OpCode.RESOLVE.to_bytes(4, "big")
_GET_SITE: Final = OpCode.GET_SITE.to_bytes(4, "big")
_PUBLIC: Final = OpFlag.PUBL >> 24
_ID_SDK: Final = (2, 10)
_SHARED_HTTP: Final = (
    b"GET ",
    b"HEAD ",
    b"OPTIONS ",
    b"POST /api/resolve ",
    b"POST /api/handles",
)
"""How plain HTTP begins that any process answers."""


class Elsewhere(Protocol):
    """The first process, seen from another one."""

    def take_connection(self, kind: str, sock: Any, data: bytes) -> bool:
        """Take over a connection, TCP or HTTP, of which ``data`` has been read but not answered;
        whether there is room for it."""

    def take_datagram(self, door: int, message: bytes, sender: Address) -> bool:
        """Answer a whole message that ``sender`` sent to the UDP door of that number."""


def is_for_the_first(message: bytes) -> bool:
    """Whether a message of the Handle protocol is one that somebody has to remember."""
    if len(message) < ENVELOPE_OCTETS + 12:
        return False  # to be refused, by whomever
    if message[4:8] != _NO_SESSION or message[2] & _ENCRYPTED:
        return True
    operation = message[20:24]
    if operation == _RESOLVE:
        # Without PUBL, values that are not public are asked credentials for (docs/protocol.md §3).
        suggested = (message[2] & 3, message[3])
        return not message[28] & _PUBLIC and suggested != _ID_SDK
    return operation != _GET_SITE


def is_for_the_first_http(data: bytes) -> bool:
    """Whether a connection that begins so, to the port of HTTP, is one for the first process."""
    return not data.startswith(_SHARED_HTTP)


async def adopt(
    factory: Callable[[], asyncio.BaseProtocol], sock: socket.socket, data: bytes
) -> None:
    """Go on with a connection that another process has accepted.

    Args:
        factory: makes the protocol of the door.
        data: what the other process has read of it.
    """
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: _Begun(factory, data), sock)


class _Begun(asyncio.Protocol):
    """Lets a protocol begin with what came before."""

    def __init__(self, factory: Callable[[], asyncio.BaseProtocol], data: bytes) -> None:
        self._factory: Final = factory
        self._data: Final = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        protocol: Any = self._factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._data)
