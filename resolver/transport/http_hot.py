"""The hot route: GETs of records, before the application has to look at them.

Two ways in, one behind the other; both answer from ``http_ready``, and leave to the application
whatever they do not know:

1. ``HotConnection`` stands between a connection and aiohttp's protocol. It answers requests whose
   octets it knows, without a look into them: the method, a path that has a ready answer, and
   behind it the same octets as behind the path of a plain request before (a *look*).
2. ``HotRoute.handle`` is the handler of aiohttp's low-level server, before the router of the
   application is asked. It answers plain requests of other looks, and here is learnt, from what
   the application has answered to a plain request.

A request is *plain* if nothing about it but its path matters for the answer: see ``_plain_path``,
which is where that is decided.

Answers leave in the order of their requests, and only aiohttp parses. So a connection passes to
aiohttp one whole request at a time, as long as each comes alone, and answers nothing before that
one is answered; on anything else (a body, half a request, a client that does not wait or does not
read) aiohttp takes the connection over for good.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from aiohttp import HttpVersion11, web

from resolver.transport.access import AccessLog
from resolver.transport.at_hand import Kept
from resolver.transport.http_identity import CERTIFICATE
from resolver.transport.http_ready import HttpReady
from resolver.transport.spans import HEADER
from resolver.wire.cursor import decode_text

MADE_OF: Final = web.ResponseKey("made_of", Kept)
"""What a response was made of that may be given again to whomever asks for the same path."""

MAX_LOOKS: Final = 1024
"""Of one node, and as many that were seen once; a client that makes up more, and uses each twice,
makes all be learnt anew."""

LONGEST_LOOK: Final = 2048
MAX_BURST: Final = 1 << 18
"""Octets that are written at once; the rest of what was asked goes to aiohttp, which waits for
clients that do not read."""

UNSEEN_S: Final = 1800.0
"""After so long one request goes to aiohttp, which closes what has been silent for an hour."""

_START: Final = b"GET "
_PATH: Final = b"/api/handles/"
_HOT: Final = _START + _PATH
_END: Final = b"\r\n\r\n"
_OTHER_HEADERS: Final = (
    "Authorization",
    "If-None-Match",
    "Content-Length",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
)
"""A request that has one of these is for the application."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class HotRoute:
    """What a node's hot connections share."""

    def __init__(self, ready: HttpReady, behind: Handler, *, is_traced: bool = False) -> None:
        """
        Args:
            ready: the answers to give.
            behind: the application.
            is_traced: it records requests that say which trace they belong to.
        """
        self._others: Final = (*_OTHER_HEADERS, HEADER) if is_traced else _OTHER_HEADERS
        self._ready: Final = ready
        self._behind: Final = behind
        self._looks: Final[set[bytes]] = set()
        self._seen_once: Final[set[int]] = set()
        """Hashes of looks that have been seen once, lately: most of those are never seen again."""

    def repeat(self, octets: bytes, transport: Any = None) -> tuple[list[bytes], int]:
        """The answers to the requests at the front of ``octets``, which came over ``transport``, as
        far as they are known, and where the first begins that is not."""
        started = time.perf_counter()
        looks, ready = self._looks, self._ready
        ready.begin()
        answers: list[bytes] = []
        at = size = 0
        while size < MAX_BURST and octets.startswith(_HOT, at):
            space = octets.find(b" ", at + len(_HOT))
            end = octets.find(_END, space) + len(_END)
            if space < 0 or end < len(_END) or octets[space:end] not in looks:
                break
            answer = ready.answer(octets[at + len(_START) : space])
            if answer is None:
                break
            answers.append(answer)
            size += len(answer)
            at = end
        if answers:
            seconds = time.perf_counter() - started
            ready.sent(len(answers), seconds)
            if ready.access is not None:
                chosen = ready.access.chosen(len(answers))
                if chosen:
                    paths = [line.split(b" ", 2)[1] for line in _lines(octets[:at])]
                    for place in chosen:
                        self._tell(ready.access, paths[place], transport, seconds)
        return answers, at

    def _tell(self, access: AccessLog, path: bytes, transport: Any, seconds: float) -> None:
        """Tell the access log of a GET that had a ready answer."""
        name = None if transport is None else transport.get_extra_info("peername")
        identifier = unquote_to_bytes(path.removeprefix(_PATH))
        access.identifier(decode_text(identifier), name[0] if name else "", seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The handler of the low-level server."""
        path = _plain_path(request, self._others)
        if path is None:
            return await self._behind(request)
        response = self._repeated(path, request.transport) or await self._behind(request)
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            return response  # aiohttp finds out for itself, and ends the connection
        made_of = response.get(MADE_OF)
        if made_of is not None and isinstance(response, web.Response):
            content = response.body
            if isinstance(content, bytes) and response.status == 200:
                self._ready.learn(path, made_of, response.headers, content)
        transport = request.transport
        connection = None if transport is None else transport.get_protocol()
        if isinstance(connection, HotConnection):
            self.learn(connection.answered(), path)
        return response

    def _repeated(self, path: bytes, transport: Any) -> web.StreamResponse | None:
        started = time.perf_counter()
        self._ready.begin()
        octets = self._ready.answer(path)
        if octets is None:
            return None
        seconds, access = time.perf_counter() - started, self._ready.access
        self._ready.sent(1, seconds)
        if access is not None and access.chosen(1):
            self._tell(access, path, transport, seconds)
        return _Repeated(octets)

    def learn(self, request: bytes, path: bytes) -> None:
        """Remember the look of a plain request for ``path``, when it is seen for the second
        time."""
        start = _START + path + b" "
        if not request.startswith(start) or len(request) - len(start) > LONGEST_LOOK:
            return
        look = request[len(start) - 1 :]
        mark = hash(look)
        if mark not in self._seen_once:
            if len(self._seen_once) >= MAX_LOOKS:
                self._seen_once.clear()
            self._seen_once.add(mark)
            return
        if len(self._looks) >= MAX_LOOKS:
            self._looks.clear()
        self._looks.add(look)


class HotConnection(asyncio.Protocol):
    """One client's connection, in front of aiohttp's protocol for it."""

    def __init__(self, route: HotRoute, above: Any) -> None:
        self._route: Final = route
        self._above: Final = above
        self._transport: Any = None
        self._asked = b""
        """The request that aiohttp has not answered yet."""
        self._may_write = True
        self._unseen_until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when a client connects."""
        self._transport = transport
        self._above.connection_made(transport)
        if transport.get_extra_info(CERTIFICATE):
            self._hand_over()

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the client sent."""
        at = 0
        if not self._asked and self._may_write:
            now = time.monotonic()
            if now < self._unseen_until:
                answers, at = self._route.repeat(data, self._transport)
                if answers:
                    self._transport.write(b"".join(answers))
                if at == len(data):
                    return
            octets = data[at:]
            if _is_alone(octets):
                self._asked = octets
                self._unseen_until = now + UNSEEN_S
                self._above.data_received(octets)
                return
        self._hand_over()
        self._above.data_received(data[at:])

    def answered(self) -> bytes:
        """The request that went to aiohttp is answered: which one it was."""
        asked, self._asked = self._asked, b""
        return asked

    def eof_received(self) -> Any:
        """Called by the loop when the client will send no more."""
        return self._above.eof_received()

    def pause_writing(self) -> None:
        """Called by the loop when the client does not read."""
        self._may_write = False
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """Called by the loop when the client reads again."""
        self._may_write = True
        self._above.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the connection is gone."""
        self._transport = None
        self._above.connection_lost(exc)

    def _hand_over(self) -> None:
        self._transport.set_protocol(self._above)
        self._transport = None


def hot(
    server: web.Server, ready: HttpReady, *, is_traced: bool = False
) -> Callable[[], HotConnection]:
    """Put ready answers in front of a server; makes protocols for its connections."""
    route = HotRoute(ready, server.request_handler, is_traced=is_traced)
    server.request_handler = route.handle
    return lambda: HotConnection(route, server())


class _Repeated(web.StreamResponse):
    """A response whose octets are there already, headers and all."""

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self._octets: Final = octets

    @property
    def keep_alive(self) -> bool:
        """Only who stays connected is answered so."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send everything, once."""
        await request.writer.write_eof(self._octets)

    async def write_eof(self, data: bytes = b"") -> None:
        """It has been sent."""


def _plain_path(request: web.BaseRequest, others: Sequence[str]) -> bytes | None:
    """The path of a request for whose answer nothing else matters, none of the headers ``others``
    among them; None if something does.

    It is a GET of HTTP/1.1 without a query and without a body, on a connection that stays open,
    of nobody in particular: no header says who asks or what they know already, and no certificate.
    """
    path = request.raw_path
    if request.method != "GET" or request.version != HttpVersion11 or not request.keep_alive:
        return None
    if not path.isascii() or not path.startswith("/api/handles/") or "?" in path or "#" in path:
        return None
    headers, transport = request.headers, request.transport
    if transport is None or transport.get_extra_info(CERTIFICATE):
        return None
    if any(name in headers for name in others):
        return None
    return path.encode()


def _lines(octets: bytes) -> list[bytes]:
    """The requests that stand one behind the other, without bodies."""
    return octets.split(_END)[:-1]


def _is_alone(octets: bytes) -> bool:
    """Whether these look like one whole request without a body, and nothing else."""
    end = octets.find(_END)
    return (
        octets.startswith(_START)
        and end == len(octets) - len(_END)
        and octets.count(b"\n") == octets.count(b"\r\n")
    )
