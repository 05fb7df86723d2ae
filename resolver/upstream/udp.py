"""Requests over UDP, retransmitted until answered (docs/protocol.md §1).

Rules: one connected socket per peer on a random port, so the kernel lets in nothing but what comes
from the asked address and port; ids are random. The same request goes out again after 0.3
and 0.8 s, and after 1.5 s the peer is given up, while there is time for another transport.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError, WireError
from resolver.upstream.pending import PendingTable
from resolver.wire.fragments import Reassembler, fragment

RETRANSMIT_S: Final = (0.3, 0.5, 0.7)
"""Seconds to wait after each transmission; then the peer counts as silent."""

_REQUEST_ID: Final = slice(8, 12)


class UdpPeer(asyncio.DatagramProtocol):
    """One peer, reached over UDP."""

    def __init__(self, host: str, port: int, retransmit_s: Sequence[float] = RETRANSMIT_S) -> None:
        self._host: Final = host
        self._port: Final = port
        self._name: Final = format_address(host, port)
        self._retransmit_s: Final = tuple(retransmit_s)
        self._pending: Final = PendingTable()
        self._reassembler: Final = Reassembler()
        self._transport: asyncio.DatagramTransport | None = None
        self._opening: Final = asyncio.Lock()
        self._gone: Final = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Called by the loop."""
        try:
            message = self._reassembler.feed(data, None, asyncio.get_running_loop().time())
        except WireError:
            return
        if message is not None:
            self._pending.deliver(int.from_bytes(message[_REQUEST_ID], "big"), message)

    def error_received(self, exc: Exception) -> None:
        """Called by the loop when the peer's host says that nobody listens there."""
        self._pending.fail(UpstreamError(f"{self._name} cannot be reached: {exc}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the socket is closed."""
        self._gone.set()
        self._pending.fail(UpstreamError(f"the socket for {self._name} was closed"))

    async def ask(self, octets: bytes) -> bytes:
        """The reply to an encoded request, whose id is replaced by a free one.

        Raises:
            UpstreamError: nobody listens there, or no reply came after the last retransmission.
        """
        transport = await self._open()
        request_id, reply = self._pending.add()
        datagrams = fragment(octets[:8] + request_id.to_bytes(4, "big") + octets[12:])
        try:
            for wait in self._retransmit_s:
                for datagram in datagrams:
                    transport.sendto(datagram)
                done, _ = await asyncio.wait((reply,), timeout=wait)
                if done:
                    return reply.result()
        finally:
            self._pending.discard(request_id)
            reply.cancel()
        raise UpstreamError(f"{self._name} did not answer over UDP")

    async def close(self) -> None:
        """Close the socket; who waits for a reply gets an UpstreamError."""
        if self._transport is not None:
            self._transport.abort()
            await self._gone.wait()

    async def _open(self) -> asyncio.DatagramTransport:
        async with self._opening:
            if self._transport is None or self._transport.is_closing():
                try:
                    self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                        lambda: self, remote_addr=(self._host, self._port)
                    )
                except OSError as error:
                    reason = error.strerror or str(error)
                    raise UpstreamError(f"{self._name} cannot be reached: {reason}") from None
            return self._transport
