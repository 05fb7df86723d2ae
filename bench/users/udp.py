"""The user that asks over UDP.

A datagram without an answer is sent again after 0.5, 1.0 and 1.5 seconds, as the reference client
does. Its latency counts from when it was due, not from when it was sent again.
"""

import time
from collections.abc import Iterator
from typing import Final

from gevent import socket

from bench.target import REQUEST_HEAD
from bench.users.native import NativeClient
from resolver.wire.fragments import Reassembler

RETRANSMIT_S: Final = (0.5, 1.0, 1.5)

_DATAGRAM_OCTETS: Final = 4096
_BUFFER_OCTETS: Final = 1 << 20
_FLAGS_AT: Final = 2
_TRUNCATED: Final = 0x20


class UdpClient(NativeClient):
    """One socket, some questions under way."""

    abstract = True
    timeout_s = 5.0

    def _open(self) -> bool:
        family = socket.AF_INET6 if ":" in self.node.address else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_OCTETS)
        opened.connect((self.node.address, self.node.port))
        self._use(opened)
        self._fragments = Reassembler()
        return True

    def _send(self, requests: Iterator[bytes]) -> None:
        send = self._raw.send
        for request in requests:
            send(request)

    def _receive(self) -> None:
        receive, take = self._raw.recv, self._take
        try:
            while self.pending:
                datagram = receive(_DATAGRAM_OCTETS)
                if datagram[_FLAGS_AT] & _TRUNCATED:
                    whole = self._fragments.feed(datagram, 0, time.perf_counter())
                    if whole is not None:
                        take(whole)
                else:
                    take(datagram)
        except BlockingIOError:
            return

    def _give_up(self, now: float) -> None:
        for key, asked in list(self.pending.items()):
            waits = RETRANSMIT_S[: asked.tries + 1]
            if asked.tries < len(RETRANSMIT_S) and now - asked.sent > sum(waits):
                asked.tries += 1
                self._raw.send(REQUEST_HEAD + key + asked.question.octets)
        super()._give_up(now)
