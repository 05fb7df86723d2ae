"""The links between the processes of one node, over which the others hand to the first what it
alone does (``resolver.transport.elsewhere``).

A packet to the first process is a MessagePack array: kind, door, host and port and what else an
address has, whether more of the same follows, and octets; a connection comes with its first packet.
The first process calls the others with [number, method, parameters], and hears the result as a
packet of its own kind. The links are made before the processes and outlive them: what is handed
over while the first process is being started again waits for it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack

from resolver.model.errors import ResolverError
from resolver.transport.batches import Address

_UDP: Final = "udp"
_RESULT: Final = "result"

CALL_S: Final = 5.0
"""How long another process may take to answer."""

_PIECE_OCTETS: Final = 60_000
_PACKET_OCTETS: Final = 65_536
_MOST_OCTETS: Final = 1 << 20
"""Of what was read of one connection, or of one message."""

_log: Final = logging.getLogger(__name__)

TakeConnection = Callable[[socket.socket, bytes], None]
TakeDatagram = Callable[[bytes, Address], None]


class FirstProcess:
    """The first process, seen from another one (``Elsewhere``)."""

    def __init__(self, link: socket.socket) -> None:
        self._link: Final = link

    def take_connection(self, kind: str, sock: Any, data: bytes) -> bool:
        """See ``Elsewhere``."""
        return self._send([kind, 0, ()], data, (sock.fileno(),))

    def take_datagram(self, door: int, message: bytes, sender: Address) -> bool:
        """See ``Elsewhere``."""
        return self._send([_UDP, door, sender], message, ())

    def serve(self, call: Callable[[str, list[Any]], Any]) -> Callable[[], None]:
        """Carry out with ``call`` what the first process asks for; what to call to stop that."""
        loop = asyncio.get_running_loop()

        def readable() -> None:
            try:
                packet = self._link.recv(_PACKET_OCTETS)
            except BlockingIOError:
                return
            if not packet:
                loop.remove_reader(self._link)
                return
            number, method, params = msgpack.unpackb(packet)
            try:
                result = call(method, params)
            except (OSError, ResolverError) as error:
                _log.warning("%s failed: %s", method, error)
                result = None
            self._send([_RESULT, number, ()], msgpack.packb(result), ())

        loop.add_reader(self._link, readable)

        def stop() -> None:
            loop.remove_reader(self._link)

        return stop

    def _send(self, head: list[Any], octets: bytes, files: Sequence[int]) -> bool:
        pieces = range(0, max(1, len(octets)), _PIECE_OCTETS)
        try:
            for start in pieces:
                piece = octets[start : start + _PIECE_OCTETS]
                more = start + _PIECE_OCTETS < len(octets)
                packet = msgpack.packb([*head, more, piece])
                socket.send_fds(self._link, [packet], files if start == 0 else ())
        except OSError:
            return False  # the link is full: the first process is away, or has too much to do
        return True


class Others:
    """What comes from the other processes, in the first."""

    def __init__(
        self,
        links: Sequence[socket.socket],
        connections: dict[str, TakeConnection],
        doors: Sequence[TakeDatagram],
    ) -> None:
        """
        Args:
            connections: who goes on with a connection, TCP or HTTP.
            doors: the UDP doors, in the order in which all processes have them.
        """
        self._links: Final = [_Link(link, connections, doors) for link in links]

    async def call(self, method: str, params: list[Any]) -> list[Any]:
        """What the other processes answer, in their order; None for one that is away."""
        return list(await asyncio.gather(*(link.call(method, params) for link in self._links)))

    def close(self) -> None:
        """Take nothing more."""
        for link in self._links:
            link.close()


class _Link:
    def __init__(
        self,
        link: socket.socket,
        connections: dict[str, TakeConnection],
        doors: Sequence[TakeDatagram],
    ) -> None:
        self._link: Final = link
        self._connections: Final = connections
        self._doors: Final = doors
        self._sock: socket.socket | None = None
        self._octets = bytearray()
        self._calls: Final[dict[int, asyncio.Future[Any]]] = {}
        self._number = 0
        self._loop: Final = asyncio.get_running_loop()
        self._loop.add_reader(link, self._readable)

    async def call(self, method: str, params: list[Any]) -> Any:
        self._number += 1
        number, future = self._number, self._loop.create_future()
        self._calls[number] = future
        try:
            self._link.send(msgpack.packb([number, method, params]))
            async with asyncio.timeout(CALL_S):
                return await future
        except (OSError, TimeoutError):
            return None
        finally:
            del self._calls[number]

    def close(self) -> None:
        self._loop.remove_reader(self._link)

    def _readable(self) -> None:
        try:
            packet, files, _, _ = socket.recv_fds(self._link, _PACKET_OCTETS, 1)
        except BlockingIOError:
            return
        if not packet:  # no other process holds the other end any more
            self.close()
            return
        kind, door, address, more, octets = msgpack.unpackb(packet, use_list=False)
        if files:
            self._begin(files[0])
        self._octets += octets
        if len(self._octets) > _MOST_OCTETS:
            raise ResolverError(f"a process of this node handed over {len(self._octets)} octets")
        if more:
            return
        whole, self._octets = bytes(self._octets), bytearray()
        if kind == _UDP:
            self._doors[door](whole, address)
        elif kind == _RESULT:
            waiting = self._calls.get(door)
            if waiting is not None and not waiting.done():
                waiting.set_result(msgpack.unpackb(whole))
        elif self._sock is not None:
            sock, self._sock = self._sock, None
            self._connections[kind](sock, whole)

    def _begin(self, file: int) -> None:
        """A new connection; one whose rest never came is closed."""
        if self._sock is not None:
            self._sock.close()
        self._octets.clear()
        self._sock = socket.socket(fileno=file)
        self._sock.setblocking(False)
