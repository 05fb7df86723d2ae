"""Requests through the HTTP tunnel: a message POSTed as ``application/x-hdl-message``
(docs/protocol.md §13)."""

import asyncio
from typing import TYPE_CHECKING, Final

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError
from resolver.upstream.peer import Heard, Peer, Sent
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_MESSAGE

if TYPE_CHECKING:
    import aiohttp

MEDIA_TYPE: Final = "application/x-hdl-message"
_LONGEST: Final = ENVELOPE_OCTETS + MAX_MESSAGE


class HttpPeer(Peer):
    """One peer, reached over HTTP."""

    def __init__(self, host: str, port: int) -> None:
        self._name: Final = format_address(host, port)
        self._session: aiohttp.ClientSession | None = None

    def send(self, octets: bytes, heard: Heard) -> Sent:
        """See ``Peer``."""

        def settled(task: asyncio.Task[bytes]) -> None:
            if not task.cancelled():
                error = task.exception()
                if error is not None and not isinstance(error, UpstreamError):
                    raise error
                heard(task.result() if error is None else error)

        task = asyncio.get_running_loop().create_task(self.ask(octets))
        task.add_done_callback(settled)
        return _Sent(task)

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
                f"http://{self._name}/",
                data=octets,
                headers={"Content-Type": MEDIA_TYPE},
                # Whoever answers must not send us on to where we may not ask.
                allow_redirects=False,
            ) as response:
                reply = bytearray()
                async for part in response.content.iter_any():
                    reply += part
                    if len(reply) > _LONGEST:
                        raise UpstreamError(f"{self._name} answered more than {_LONGEST} octets")
        except aiohttp.ClientConnectionError as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UpstreamError(f"{self._name} cannot be reached: {reason}") from None
        except aiohttp.ClientError:
            raise UpstreamError(f"{self._name} does not speak HTTP") from None
        if response.status != 200 or response.content_type != MEDIA_TYPE:
            raise UpstreamError(
                f"{self._name} answered HTTP {response.status} with {response.content_type}"
            )
        return bytes(reply)

    async def close(self) -> None:
        """See ``Peer``."""
        if self._session is not None:
            await self._session.close()


class _Sent:
    def __init__(self, task: asyncio.Task[bytes]) -> None:
        self._task: Final = task

    def cancel(self) -> None:
        """See ``Sent``."""
        self._task.cancel()
