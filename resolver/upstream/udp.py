"""Requests over UDP, retransmitted until answered (docs/protocol.md §1).

Rules: one connected socket per peer on a random port, so the kernel lets in nothing but what comes
from the asked address and port; ids are random. The same request goes out again after 0.3
and 0.8 s, and after 1.5 s the peer is given up, while there is time for another transport.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError, WireError
from resolver.upstream.peer import Heard, Peer, PendingTable, Sent, with_id
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_DATAGRAM
from resolver.wire.fragments import Reassembler, fragment

RETRANSMIT_S: Final = (0.3, 0.5, 0.7)
"""Seconds to wait after each transmission; then the peer counts as silent."""

_LARGEST: Final = 65_536
_AT_ONCE: Final = 64
"""Datagrams that are read before others get their turn."""


class UdpPeer(Peer):
    """One peer, reached over UDP."""

    def __init__(self, host: str, port: int, retransmit_s: Sequence[float] = RETRANSMIT_S) -> None:
        self.name: Final = format_address(host, port)
        self.retransmit_s: Final = tuple(retransmit_s)
        self.pending: Final = PendingTable()
        self.loop: Final = asyncio.get_running_loop()
        self._address: Final = (host, port)
        self._reassembler: Final = Reassembler()
        self._socket: socket.socket | None = None

    def send(self, octets: bytes, heard: Heard) -> Sent:
        """See ``Peer``."""
        request = _Request(self, octets, heard)
        request.transmit()
        return request

    def transmit(self, datagrams: list[bytes]) -> None:
        """Put datagrams on their way; those for which there is no room now are lost, as any may be.

        Raises:
            UpstreamError: nobody listens there.
        """
        try:
            if self._socket is None:
                self._socket = self._open()
            for datagram in datagrams:
                self._socket.send(datagram)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._unreachable(error) from None

    async def close(self) -> None:
        """See ``Peer``."""
        self._shut()
        self.pending.fail(UpstreamError(f"the socket for {self.name} was closed"))

    def _open(self) -> socket.socket:
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        try:
            opened.connect((host, port))
        except OSError:
            opened.close()
            raise
        self.loop.add_reader(opened, self._readable)
        return opened

    def _shut(self) -> None:
        if self._socket is not None:
            self.loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return  # whoever heard something closed it
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError as error:
                # The peer's host says that nobody listens there.
                self.pending.fail(self._unreachable(error))
                return
            self._received(data)

    def _received(self, data: bytes) -> None:
        length = int.from_bytes(data[16:20], "big") + ENVELOPE_OCTETS
        if len(data) == length <= MAX_DATAGRAM:
            self.pending.deliver(data)
            return
        try:
            message = self._reassembler.feed(data, None, self.loop.time())
        except WireError:
            return
        if message is not None:
            self.pending.deliver(message)

    def _unreachable(self, error: OSError) -> UpstreamError:
        return UpstreamError(f"{self.name} cannot be reached: {error.strerror or error}")


class _Request:
    """A request that is sent again until it is answered."""

    __slots__ = ("_datagrams", "_heard", "_id", "_peer", "_timer", "_times")

    def __init__(self, peer: UdpPeer, octets: bytes, heard: Heard) -> None:
        self._peer: Final = peer
        self._heard: Final = heard
        self._id: Final = peer.pending.add(self._hear)
        self._datagrams: Final = fragment(with_id(octets, self._id))
        self._times = 0
        self._timer: asyncio.TimerHandle | None = None

    def transmit(self) -> None:
        """Send it once more, or give up."""
        peer = self._peer
        if self._id not in peer.pending.waiting:
            return
        if self._times == len(peer.retransmit_s):
            del peer.pending.waiting[self._id]
            self._hear(UpstreamError(f"{peer.name} did not answer over UDP"))
            return
        self._timer = peer.loop.call_later(peer.retransmit_s[self._times], self.transmit)
        self._times += 1
        try:
            peer.transmit(self._datagrams)
        except UpstreamError as error:
            peer.loop.call_soon(self._fail, error)

    def cancel(self) -> None:
        """See ``Sent``."""
        self._peer.pending.waiting.pop(self._id, None)
        if self._timer is not None:
            self._timer.cancel()

    def _fail(self, error: UpstreamError) -> None:
        if self._peer.pending.waiting.pop(self._id, None) is not None:
            self._hear(error)

    def _hear(self, outcome: bytes | UpstreamError) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._heard(outcome)
