"""Many identifiers in one HTTP request, as ``POST /api/resolve`` takes them
(``resolver.wire.batch``): a hundredth of what one request each would cost.

Rules: answers come as the server sends them, in the order of the handles. Values stay octets until
somebody looks at them. A server that does not know the request is told from one that fails.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Final

import msgpack

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError, UpstreamTimeout, WireError
from resolver.wire.batch import MSGPACK
from resolver.wire.cursor import encode_text
from resolver.wire.envelope import MAX_MESSAGE
from resolver.wire.values import ValueList

if TYPE_CHECKING:
    import aiohttp

PATIENCE: Final = 10
"""How many times the timeout of one resolution nothing may come: in a part of an answer so many
resolutions may follow each other."""

_UNKNOWN: Final = frozenset({404, 405, 415, 501})
"""What servers answer that have no such request."""


class NoBatchesError(UpstreamError):
    """The server resolves one identifier at a time only."""


class BatchPeer:
    """One server, asked over HTTP."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        """``timeout``: seconds for one resolution."""
        self.name: Final = format_address(host, port)
        self._timeout: Final = timeout
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self, handles: Sequence[str], types: Sequence[str], indexes: Sequence[int]
    ) -> AsyncGenerator[tuple[int, ValueList | str], None]:
        """For each handle, in their order, its response code and its values, or why there are
        none.

        Raises:
            NoBatchesError: the server does not know how.
            UpstreamError: it cannot be reached, or does not answer all.
        """
        # Imported here: a client that speaks something else starts faster.
        import aiohttp

        if self._session is None:
            limit = aiohttp.ClientTimeout(
                total=None, sock_connect=self._timeout, sock_read=PATIENCE * self._timeout
            )
            self._session = aiohttp.ClientSession(timeout=limit)
        try:
            document: object = [encode_text(handle) for handle in handles]
        except WireError as error:
            raise NoBatchesError(f"a handle cannot be sent: {error}") from None
        if types or indexes:
            document = {"handles": document, "types": types, "indexes": indexes}
        missing = len(handles)
        try:
            async with self._session.post(
                f"http://{self.name}/api/resolve",
                data=msgpack.packb(document),
                headers={"Content-Type": MSGPACK},
                # Whoever answers must not send us on to where we may not ask.
                allow_redirects=False,
            ) as response:
                await self._check(response)
                unpacker = msgpack.Unpacker(
                    max_buffer_size=MAX_MESSAGE + (1 << 20), unicode_errors="surrogateescape"
                )
                async for part in response.content.iter_any():
                    unpacker.feed(part)
                    for item in unpacker:
                        missing -= 1
                        if missing < 0:
                            raise UpstreamError(f"{self.name} answered more than was asked")
                        yield _item(item)
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name} stopped answering") from None
        except aiohttp.ClientConnectionError as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UpstreamError(f"{self.name} cannot be reached: {reason}") from None
        except aiohttp.ClientError:
            raise UpstreamError(f"{self.name} does not speak HTTP") from None
        except (ValueError, WireError, msgpack.UnpackException) as error:
            raise UpstreamError(f"{self.name} sent nonsense: {error}") from None
        if missing:
            raise UpstreamError(f"{self.name} answered only {len(handles) - missing} handles")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _check(self, response: "aiohttp.ClientResponse") -> None:
        if response.status in _UNKNOWN:
            raise NoBatchesError(f"{self.name} resolves one identifier at a time only")
        if response.status != 200 or response.content_type != MSGPACK:
            raise UpstreamError(
                f"{self.name} answered HTTP {response.status} with {response.content_type}"
            )


def _item(item: object) -> tuple[int, ValueList | str]:
    """An item of an answer.

    Raises:
        ValueError, WireError: it is none.
    """
    match item:
        case [int(code), bytes(octets)]:
            return code, ValueList.parse(octets)
        case [int(code), str(text)]:
            return code, text
    raise ValueError(f"{str(item)[:40]} is no answer")
