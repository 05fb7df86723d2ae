"""The user that asks over TCP, on a connection that is kept.

With a window of 1 it asks one question after another, with more they are pipelined.
"""

import time
from collections.abc import Iterator
from typing import Final

from gevent import socket

from bench.users.native import NativeClient
from resolver.wire.stream import FrameReader

_CONNECT_S: Final = 5.0
_READ_OCTETS: Final = 1 << 18


class TcpClient(NativeClient):
    """One connection, some questions under way."""

    abstract = True
    timeout_s = 10.0

    def _open(self) -> bool:
        began = time.perf_counter()
        try:
            opened = socket.create_connection((self.node.address, self.node.port), _CONNECT_S)
        except OSError as error:
            seconds = time.perf_counter() - began
            self.meter.failed(seconds, f"cannot connect: {error.strerror or error}")
            return False
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._use(opened)
        self._frames = FrameReader()
        return True

    def _send(self, requests: Iterator[bytes]) -> None:
        assert self._socket is not None
        self._socket.sendall(b"".join(requests))

    def _receive(self) -> None:
        try:
            octets = self._raw.recv(_READ_OCTETS)
        except BlockingIOError:
            return
        if not octets:
            raise ConnectionResetError(0, "the node closed the connection")
        for message in self._frames.feed(octets):
            self._take(message)
