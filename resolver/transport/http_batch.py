"""``POST /api/resolve``: many identifiers in one request (``resolver.wire.batch``).

Rules: answers stand in the order of the handles, and leave in parts as they come. What is at hand
as octets is taken from there (``at_hand.AtHand.values_of_all``), all of a part at once; about
every other handle the node is asked as if it had come alone, so many at a time, with all the
limits it has. It answers nobody in particular: with public values only. Who goes away is not
waited for.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Final, cast

from aiohttp import web

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.transport.door import Service
from resolver.transport.http_admission import charge
from resolver.transport.http_requests import client_of
from resolver.transport.http_responses import json_response, preflight, unknown_method
from resolver.wire.answer import Answer, Client
from resolver.wire.batch import FORMATS, JSON, MAX_HANDLES, MSGPACK, Batch, BatchFormat
from resolver.wire.bodies import ErrorAnswer, ResolveRequest
from resolver.wire.cursor import decode_text
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.rest_keys import JsonError

MAX_BODY: Final = 4 << 20
PART: Final = 2_000
"""Handles that are looked up and written together."""

MAX_ASKED: Final = 256
"""Handles of one request that wait for others to answer, at a time."""

TURN: Final = 50
"""Handles about which the node is asked before others get their turn."""

_FLAGS: Final = OpFlag.PUBL | OpFlag.RECU


class Batches:
    """The route of one node."""

    def __init__(self, service: Service) -> None:
        self._service: Final = service

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        """``/api/resolve``."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method != "POST":
            return unknown_method(request)
        format_ = FORMATS.get(request.content_type)
        if format_ is None:
            return _refusal(415, f"POST takes {JSON} or {MSGPACK} here, not {request.content_type}")
        body = await _body_of(request)
        if body is None:
            return _refusal(413, f"the body is longer than {MAX_BODY} octets")
        try:
            batch = format_.read(body)
        except JsonError as error:
            return _refusal(400, str(error))
        if len(batch.handles) > MAX_HANDLES:
            return _refusal(
                413, f"{len(batch.handles)} handles, at most {MAX_HANDLES} are answered at once"
            )
        charge(self._service, request, len(batch.handles))
        response = web.StreamResponse(
            headers={
                "Content-Type": format_.media_type,
                "Access-Control-Allow-Origin": "*",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        before = format_.opening
        for start in range(0, len(batch.handles), PART):
            items = await self._items(batch, start, format_, request)
            await response.write(before + format_.between.join(items))
            before = format_.between
            await asyncio.sleep(0)  # others get their turn
        if not batch.handles:
            await response.write(before)
        await response.write(format_.closing)
        await response.write_eof()
        return response

    async def _items(
        self, batch: Batch, start: int, format_: BatchFormat, request: web.Request
    ) -> list[bytes]:
        """The items of a part of a batch.

        Raises:
            ConnectionResetError: the client has gone away.
        """
        handles = batch.handles[start : start + PART]
        items = self._at_hand(handles, batch, format_, request)
        if None in items:
            await self._ask(handles, items, batch, format_, request)
        return cast(list[bytes], items)

    async def _ask(
        self,
        handles: Sequence[bytes],
        items: list[bytes | None],
        batch: Batch,
        format_: BatchFormat,
        request: web.Request,
    ) -> None:
        """Put what the node says into the places of ``items`` that are empty."""
        client = client_of(request)
        waiting: deque[tuple[int, asyncio.Future[Answer]]] = deque()
        missing = [number for number, item in enumerate(items) if item is None]
        for asked, number in enumerate(missing):
            if asked % TURN == 0:
                await asyncio.sleep(0)
                _still_there(request)
            outcome = self._answer(handles[number], batch, client)
            if isinstance(outcome, Answer):
                items[number] = format_.item(handles[number], outcome)
                continue
            waiting.append((number, asyncio.ensure_future(outcome)))
            if len(waiting) >= MAX_ASKED:
                first, answer = waiting.popleft()
                items[first] = format_.item(handles[first], await answer)
                _still_there(request)
        for number, answer in waiting:
            items[number] = format_.item(handles[number], await answer)

    def _at_hand(
        self,
        handles: Sequence[bytes],
        batch: Batch,
        format_: BatchFormat,
        request: web.Request,
    ) -> list[bytes | None]:
        """The items of those handles whose values are at hand; None for the others."""
        ready = self._service.http_ready()
        if ready is None or batch.types or batch.indexes:
            return [None] * len(handles)
        started = time.perf_counter()
        values = ready.values_of_all(handles)
        items = format_.found(handles, values)
        found = len(items) - items.count(None)
        if found:
            seconds = time.perf_counter() - started
            ready.sent(found, seconds)
            if ready.access is not None:
                answered = [n for n, octets in enumerate(values) if octets is not None]
                for place in ready.access.chosen(found):
                    identifier = decode_text(handles[answered[place]])
                    ready.access.identifier(identifier, request.remote or "", seconds)
        return items

    def _answer(self, handle: bytes, batch: Batch, client: Client) -> Answer | Awaitable[Answer]:
        """What the node says to one handle."""
        if not handle:
            return Answer(ResponseCode.INVALID_HANDLE, ErrorAnswer("Empty handle invalid"))
        message = Message(
            envelope=Envelope(),
            op_code=OpCode.RESOLVE,
            flags=_FLAGS,
            body=ResolveRequest(decode_text(handle), batch.indexes, batch.types),
        )
        return self._service.ask(message, client)


async def _body_of(request: web.Request) -> bytes | None:
    """The body of a request; None if it is too long."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _still_there(request: web.Request) -> None:
    """Raises ConnectionResetError if the client has gone away."""
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError("the client has gone away")


def _refusal(status: int, message: str) -> web.Response:
    return json_response(
        {"responseCode": int(ResponseCode.PROTOCOL_ERROR), "message": message}, status
    )
