"""Changing records over HTTP: PUT, DELETE and lists below ``/api/handles`` (docs/protocol.md §13).

Rules: a request becomes a message of the protocol and is answered by the node like any other; here
is only what HTTP says differently. Who asks says so with a name and a password (Basic), which is a
login for this one request. Plain HTTP shows a password to everybody on the way, so it is taken
only where the configuration allows it; otherwise such a request counts as one without.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.model.handle import prefix_handle
from resolver.transport.door import Service
from resolver.transport.http_responses import BadRequest, json_response, unauthenticated
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import (
    Body,
    HandleAnswer,
    HandleRequest,
    HandlesAnswer,
    RecordRequest,
    RemoveRequest,
    ResolveRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.rest import http_status, value_from_json
from resolver.wire.rest_answer import answer_to_json
from resolver.wire.rest_keys import JsonError
from resolver.wire.values import ValueList

Parameters = Mapping[str, list[str]]

_FLAGS: Final = OpFlag.PUBL | OpFlag.CACR
_VARIOUS: Final = "various"
_MAX_PAGE: Final = 10_000


class _Identity:
    """Stands for one request where a login is bound to a connection."""


class Changes:
    """What changes records, for one node."""

    def __init__(self, service: Service, *, passwords: bool) -> None:
        """
        Args:
            passwords: take them over plain HTTP.
        """
        self._service: Final = service
        self._passwords: Final = passwords

    async def put(
        self, request: web.Request, handle: str, parameters: Parameters
    ) -> web.StreamResponse:
        """A new record, or values of one (``index=`` names them, or is ``various``)."""
        values = _values_of(await _json_of(request))
        flags = OpFlag.OVRW if _is_yes(parameters, "overwrite", default=True) else 0
        indexes = [text for text in parameters.get("index", []) if text != _VARIOUS]
        if indexes and {str(value) for value in values.indexes()} - set(indexes):
            raise BadRequest("Mismatched indexes in PUT request")
        operation = OpCode.ADD_VALUE if parameters.get("index") else OpCode.CREATE_HANDLE
        if operation == OpCode.CREATE_HANDLE and _is_yes(parameters, "mintNewSuffix"):
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
        client = await self.client(request)
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

    async def _change(
        self, request: web.Request, operation: OpCode, body: Body, flags: int = 0
    ) -> web.StreamResponse:
        client = await self.client(request)
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
        status = http_status(answer.code, reading=False, secure=self.takes_passwords(request))
        if answer.code == ResponseCode.SUCCESS:
            status = success
        shown = answer_to_json(handle, answer)
        shown.pop("values", None)
        if status == 401:
            return unauthenticated(shown)
        return json_response(shown, status)

    def takes_passwords(self, request: web.Request) -> bool:
        """Whether somebody who asks like this may say who they are."""
        return self._passwords or request.secure

    async def client(self, request: web.Request, *, trace: bool = False) -> Client | web.Response:
        """Who asks; or the response to a name and password that are not right."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        host, port = peer[:2] if peer else ("", 0)
        header = request.headers.get("Authorization")
        if header is None or not self.takes_passwords(request):
            return Client("http", host, port, trace=trace)
        client = Client("http", host, port, trace=trace, connection=_Identity())
        try:
            login = _login_of(header)
        except (ValueError, UnicodeDecodeError):
            return unauthenticated(None, "the Authorization header cannot be read")
        answer = await self._ask(OpCode.LOGIN_PASSWORD, login, _FLAGS, client)
        if answer.code != ResponseCode.SUCCESS:
            return unauthenticated(None, "Identity not verified")
        return client

    async def _ask(self, operation: OpCode, body: Body, flags: int, client: Client) -> Answer:
        message = Message(envelope=Envelope(), op_code=operation, flags=flags, body=body)
        outcome: Answer | Awaitable[Answer] = self._service.ask(message, client)
        return outcome if isinstance(outcome, Answer) else await outcome


def _login_of(header: str) -> ResolveRequest:
    """The login that ``Basic`` and base64 of ``index:handle`` (percent-encoded), a colon and a
    password stand for.

    Raises:
        ValueError: it is not of this form.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise ValueError(f"{scheme} is not Basic")
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    index, second, handle = unquote(name).partition(":")
    if not colon or not second or not (index.isascii() and index.isdecimal() and len(index) < 10):
        raise ValueError("no index, handle and password")
    return ResolveRequest(handle, (int(index),), (password,))


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


def _is_yes(parameters: Parameters, name: str, *, default: bool = False) -> bool:
    values = parameters.get(name)
    return values[-1].lower() not in ("false", "0", "no") if values else default


def _number(parameters: Parameters, name: str) -> int | None:
    values = parameters.get(name)
    if not values:
        return None
    text = values[-1]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest(f"{name}: a whole number is expected")
    return min(int(text), _MAX_PAGE) if name == "pageSize" else int(text)
