"""Changing records over HTTP: PUT, DELETE and lists below ``/api/handles``, and prefixes that
come and go (docs/protocol.md §13).

Rules: a request becomes a message of the protocol and is answered by the node like any other; here
is only what HTTP says differently. Who asks is found out by ``http_identity``.
"""

import json
from typing import Any, Final

from aiohttp import web

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.model.handle import is_prefix_handle, prefix_handle
from resolver.transport.door import Service
from resolver.transport.http_identity import Identities
from resolver.transport.http_requests import Parameters, settled, switch
from resolver.transport.http_responses import BadRequest, json_response
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import (
    Body,
    HandleAnswer,
    HandleRequest,
    HandlesAnswer,
    RecordRequest,
    RemoveRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.rest import http_status, value_from_json
from resolver.wire.rest_answer import answer_to_json
from resolver.wire.rest_keys import JsonError
from resolver.wire.values import ValueList

_FLAGS: Final = OpFlag.PUBL | OpFlag.CACR
_VARIOUS: Final = "various"
_MAX_PAGE: Final = 10_000


class Changes:
    """What changes records, for one node."""

    def __init__(self, service: Service, identities: Identities) -> None:
        self._service: Final = service
        self._identities: Final = identities

    async def put(
        self, request: web.Request, handle: str, parameters: Parameters
    ) -> web.StreamResponse:
        """A new record, or values of one (``index=`` names them, or is ``various``)."""
        values = _values_of(await _json_of(request))
        flags = OpFlag.OVRW if switch(parameters, "overwrite", default=True) else 0
        indexes = [text for text in parameters.get("index", []) if text != _VARIOUS]
        if indexes and {str(value) for value in values.indexes()} - set(indexes):
            raise BadRequest("Mismatched indexes in PUT request")
        operation = OpCode.ADD_VALUE if parameters.get("index") else OpCode.CREATE_HANDLE
        if operation == OpCode.CREATE_HANDLE and switch(parameters, "mintNewSuffix", default=False):
            flags |= OpFlag.MINT
        return await self._change(request, operation, RecordRequest(handle, values), flags)

    async def delete(
        self, request: web.Request, handle: str, parameters: Parameters
    ) -> web.StreamResponse:
        """No record any more, or no values with these ``index=``."""
        texts = parameters.get("index", [])
        if not texts:
            return await self._change(request, OpCode.DELETE_HANDLE, HandleRequest(handle))
        if not all(text.isascii() and text.isdecimal() and len(text) < 10 for text in texts):
            raise BadRequest("index: whole numbers are expected")
        body = RemoveRequest(handle, tuple(map(int, texts)))
        return await self._change(request, OpCode.REMOVE_VALUE, body)

    async def listing(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        """The handles of ``prefix=``; ``page=`` (from 0) and ``pageSize=`` choose some."""
        prefix = parameters["prefix"][-1]
        page, size = (_number(parameters, name) for name in ("page", "pageSize"))
        client = await self._identities.client(request)
        if isinstance(client, web.Response):
            return client
        body = HandleRequest(prefix_handle(prefix))
        answer = await self._ask(OpCode.LIST_HANDLES, body, _FLAGS, client)
        if not isinstance(answer.body, HandlesAnswer):
            return self._response(request, prefix, answer, 0)
        names = answer.body.handles
        shown: dict[str, Any] = {
            "responseCode": int(answer.code),
            "prefix": prefix,
            "totalCount": str(len(names)),
        }
        if page is not None and size:
            shown |= {"page": page, "pageSize": size}
            names = names[page * size : (page + 1) * size]
        return json_response({**shown, "handles": list(names)}, 200)

    async def home(self, request: web.Request, prefix: str) -> web.StreamResponse:
        """A prefix comes (POST), or goes (DELETE)."""
        operation = OpCode.HOME_PREFIX if request.method == "POST" else OpCode.UNHOME_PREFIX
        client = await self._identities.client(request)
        if isinstance(client, web.Response):
            return client
        handle = prefix if is_prefix_handle(prefix) else prefix_handle(prefix)
        answer = await self._ask(operation, HandleRequest(handle), _FLAGS, client)
        return self._response(request, prefix, answer, 200)

    async def _change(
        self, request: web.Request, operation: OpCode, body: Body, flags: int = 0
    ) -> web.StreamResponse:
        client = await self._identities.client(request)
        if isinstance(client, web.Response):
            return client
        answer = await self._ask(operation, body, _FLAGS | flags, client)
        assert isinstance(body, RecordRequest | RemoveRequest | HandleRequest)
        made = isinstance(body, RecordRequest) and not answer.flags & OpFlag.OVRW
        return self._response(request, body.handle, answer, 201 if made else 200)

    def _response(
        self, request: web.Request, handle: str, answer: Answer, success: int
    ) -> web.StreamResponse:
        if isinstance(answer.body, HandleAnswer) and answer.body.handle is not None:
            handle = answer.body.handle
        status = http_status(answer.code, reading=False, secure=self._identities.taken(request))
        if answer.code == ResponseCode.SUCCESS:
            status = success
        shown = answer_to_json(handle, answer)
        shown.pop("values", None)
        if status == 401:
            return self._identities.challenge(shown)
        return json_response(shown, status)

    async def _ask(self, operation: OpCode, body: Body, flags: int, client: Client) -> Answer:
        message = Message(envelope=Envelope(), op_code=operation, flags=flags, body=body)
        return await settled(self._service.ask(message, client))


async def _json_of(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise BadRequest(f"Unsupported media type {request.content_type}")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None


def _values_of(document: Any) -> ValueList:
    """The values in a list, in an object with ``values``, or one value alone."""
    if isinstance(document, dict):
        document = document.get("values", [document])
    if not isinstance(document, list):
        raise BadRequest("the body is neither a list of values nor an object with them")
    try:
        return ValueList.of(
            value_from_json(value, f"values[{number}]") for number, value in enumerate(document)
        )
    except (JsonError, WireError) as error:
        raise BadRequest(str(error)) from None


def _number(parameters: Parameters, name: str) -> int | None:
    values = parameters.get(name)
    if not values:
        return None
    text = values[-1]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest(f"{name}: a whole number is expected")
    return min(int(text), _MAX_PAGE) if name == "pageSize" else int(text)
