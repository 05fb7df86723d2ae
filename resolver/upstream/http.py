"""Requests through the HTTP tunnel: a message POSTed as ``application/x-hdl-message``
(docs/protocol.md §13)."""

from typing import TYPE_CHECKING, Final

from resolver.model.errors import UpstreamError
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_MESSAGE

if TYPE_CHECKING:
    import aiohttp

MEDIA_TYPE: Final = "application/x-hdl-message"


class HttpPeer:
    """One peer, reached over HTTP."""

    def __init__(self, host: str, port: int) -> None:
        self._name: Final = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, octets: bytes) -> bytes:
        """The reply to an encoded request.

        Raises:
            UpstreamError: the peer cannot be reached, or did not answer with a message.
        """
        # Imported here: most nodes never speak HTTP to another, and a client starts faster.
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with self._session.post(
                f"http://{self._name}/", data=octets, headers={"Content-Type": MEDIA_TYPE}
            ) as response:
                reply = await response.content.read(ENVELOPE_OCTETS + MAX_MESSAGE + 1)
        except aiohttp.ClientError as error:
            raise UpstreamError(f"{self._name} cannot be reached: {error}") from None
        if response.status != 200 or response.content_type != MEDIA_TYPE:
            raise UpstreamError(
                f"{self._name} answered HTTP {response.status} with {response.content_type}"
            )
        return reply

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
