"""Requests over UDP, retransmitted until answered (docs/protocol.md §1).

Rules: one connected socket per peer on a random port, so the kernel lets in nothing but what comes
from the asked address and port; ids are random. The same request goes out again after 0.5, 1 and
1.5 s.
"""

import asyncio
from typing import Final

from resolver.model.errors import UpstreamError, WireError
from resolver.upstream.pending import PendingTable
from resolver.wire.fragments import Reassembler, fragment

RETRANSMIT_S: Final = (0.5, 1.0, 1.5)
"""Seconds to wait after each transmission; then the peer counts as silent."""

_REQUEST_ID: Final = slice(8, 12)


class UdpPeer(asyncio.DatagramProtocol):
    """One peer, reached over UDP."""

    def __init__(self, host: str, port: int) -> None:
        self._host: Final = host
        self._port: Final = port
        self._name: Final = f"{host}:{port}"
        self._pending: Final = PendingTable()
        self._reassembler: Final = Reassembler()
        self._transport: asyncio.DatagramTransport | None = None
        self._opening: Final = asyncio.Lock()

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

    async def ask(self, octets: bytes) -> bytes:
        """The reply to an encoded request, whose id is replaced by a free one.

        Raises:
            UpstreamError: nobody listens there, or no reply came after the last retransmission.
        """
        transport = await self._open()
        request_id, reply = self._pending.add()
        datagrams = fragment(octets[:8] + request_id.to_bytes(4, "big") + octets[12:])
        try:
            for wait in RETRANSMIT_S:
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
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()

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
