"""An HTTP client that sends the octets it is given, and two doors to look at the same node through:
one with ready answers, one without."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from resolver.model.errors import UpstreamError
from resolver.node.node import Node
from resolver.resolution import Ask, Reply
from resolver.server.driver import Asking
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.transport.admission import Admission
from resolver.transport.http import serve_http
from resolver.transport.http_ready import HttpReady
from tests.support.memory_network import MemoryNetwork

ANSWER_S = 5.0
"""How long a test waits for an answer that must come."""

MOTOR = "/api/handles/88.901.1/motor"


def get(path: str = MOTOR, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: node", *headers, "", ""]
    return "\r\n".join(lines).encode()


DIFFERENT = {"date", "www-authenticate"}
"""Headers that are another each time."""


@dataclass(frozen=True)
class Response:
    """What came back; ``headers`` by lower-case names, without ``DIFFERENT``."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawHttp:
    """One connection at a time; another is opened when the server has closed one."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        """``context``: to speak TLS."""
        self._port = port
        self._context = context
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def ask(self, octets: bytes) -> Response:
        """The response to one whole request."""
        await self.send(octets)
        return await self.response(head=octets.startswith(b"HEAD"))

    async def send(self, octets: bytes) -> None:
        """Send octets, whatever they are."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context
            )
        self._writer.write(octets)
        await self._writer.drain()

    async def response(self, *, head: bool = False) -> Response:
        """The next response; ``head``: to a HEAD, which has no body."""
        reader = self._reader
        assert reader is not None
        async with asyncio.timeout(ANSWER_S):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            status = int(lines[0].split()[1])
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in lines[1:] if line)
            }
            body = b""
            if not head and status not in (204, 304):
                body = await self._body(reader, headers)
        for name in DIFFERENT & headers.keys():
            del headers[name]
        usual = "close" if lines[0].startswith("HTTP/1.0") else "keep-alive"
        if headers.get("connection", usual) == "close":
            await self.close()
        return Response(status, headers, body)

    async def some_octets(self) -> bytes:
        """What is there of a response, or comes next."""
        assert self._reader is not None
        async with asyncio.timeout(ANSWER_S):
            return await self._reader.read(1 << 16)

    async def everything(self) -> bytes:
        """All that comes until the server closes."""
        assert self._reader is not None
        async with asyncio.timeout(ANSWER_S):
            return await self._reader.read()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

    @staticmethod
    async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return body


def exchanged(tree: MemoryNetwork, ask: Ask) -> Reply | UpstreamError:
    """What a node of ``tree`` says to an ``Ask``."""
    try:
        return tree.exchange(ask)
    except UpstreamError as error:
        return error


class _Memory:
    """Upstreams that are asked in memory."""

    def __init__(self, tree: MemoryNetwork) -> None:
        self._tree = tree

    def ask(self, ask: Ask, heard: Callable[[Reply | UpstreamError], None]) -> None:
        asyncio.get_running_loop().call_soon(heard, exchanged(self._tree, ask))


class _Clock:
    """The time of a network in memory."""

    def __init__(self, tree: MemoryNetwork) -> None:
        self._tree = tree

    def now(self) -> float:
        return self._tree.now

    def unix(self) -> int:
        return self._tree.unix_now


class Ordinary(NodeService):
    """A node without ready answers over HTTP."""

    def http_ready(self) -> HttpReady | None:
        """None: every request goes to the application."""
        return None


class TwoDoors:
    """One node of a network in memory.

    Attributes:
        hot: a client at the door with ready answers.
        ordinary: a client at the door without.
    """

    def __init__(
        self,
        tree: MemoryNetwork,
        name: str,
        upstream: Asking | None = None,
        admission: Admission | None = None,
    ) -> None:
        """
        Args:
            upstream: instead of one that asks the other nodes at once.
            admission: how much clients may ask.
        """
        self.tree = tree
        self.state = tree.states[name]
        parts = (
            Node(self.state, ROLES[self.state.role].chain),
            upstream or _Memory(tree),
            _Clock(tree),
        )
        self.service = NodeService(*parts, admission=admission)
        self._other = Ordinary(*parts, admission=admission)

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[Self]:
        """Both doors; ``options`` of ``serve_http``."""
        doors = []
        for service in (self.service, self._other):
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            doors.append((await serve_http(service, sock, **options), sock.getsockname()[1]))
        (hot_door, self.port), (ordinary_door, port) = doors
        async with RawHttp(self.port) as self.hot, RawHttp(port) as self.ordinary:
            try:
                yield self
            finally:
                await self.hot.close()
                await self.ordinary.close()
                await hot_door.close()
                await ordinary_door.close()
                await self.service.close()
                await self._other.close()

    async def assert_equal(self, request: bytes) -> Response:
        """Both doors say the same to ``request``."""
        hot, made = await self.hot.ask(request), await self.ordinary.ask(request)
        assert hot == made
        return hot

    @property
    def repeated(self) -> int:
        """How many ready answers were given."""
        histogram = self.state.counters.durations.get(("http", "ready"))
        return sum(histogram.counts) if histogram else 0
