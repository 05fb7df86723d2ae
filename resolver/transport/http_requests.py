"""What an HTTP request says: its parameters, its handle, who asks, and the question it comes to."""

import json
from collections.abc import Awaitable, Mapping
from urllib.parse import unquote_to_bytes

from aiohttp import web

from resolver.model.codes import OpCode, OpFlag
from resolver.model.errors import WireError
from resolver.transport.http_faults import NoAnswer, Unanswered
from resolver.transport.http_responses import BadRequest
from resolver.transport.http_sessions import Identity
from resolver.transport.spans import PARENT
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import ResolveRequest
from resolver.wire.cursor import encode_text
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message

Parameters = Mapping[str, list[str]]
"""The values of each parameter, in their order."""


async def parameters_of(request: web.Request) -> Parameters:
    """The query's parameters; for a POST those of its form or JSON body too."""
    found: dict[str, list[str]] = {}
    for name, value in request.query.items():
        found.setdefault(name, []).append(value)
    if request.method != "POST":
        return found
    if request.content_type == "application/x-www-form-urlencoded":
        try:
            form = await request.post()
        except ValueError:
            raise BadRequest("the body is no form of UTF-8 text") from None
        for name, field in form.items():
            found.setdefault(name, []).append(str(field))
    elif request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except (ValueError, RecursionError):
            raise BadRequest("the body is not JSON") from None
        if not isinstance(body, dict):
            raise BadRequest("the body is no JSON object of parameters")
        for name, value in body.items():
            items = value if isinstance(value, list) else [value]
            found.setdefault(name, []).extend(
                str(item).lower() if isinstance(item, bool) else str(item) for item in items
            )
    return found


def question(handle: str, parameters: Parameters, *, public_only: bool = True) -> Message:
    indexes = []
    for text in parameters.get("index", []):
        if not text.removeprefix("-").isdecimal() or not -(2**31) <= int(text[:12]) < 2**31:
            raise BadRequest(f'index: "{text}" is no 32-bit whole number')
        indexes.append(int(text))
    for type_ in parameters.get("type", []):
        try:
            encode_text(type_)
        except WireError:
            raise BadRequest(f"type: {type_!a} is not Unicode") from None
    flags = 0
    if switch(parameters, "publicOnly", default=public_only):
        flags |= OpFlag.PUBL
    if switch(parameters, "auth", default=False):
        flags |= OpFlag.AUTH
    if switch(parameters, "doNotRefer", default=False):
        flags |= OpFlag.DNRF
    if switch(parameters, "recurse", default=True):
        flags |= OpFlag.RECU
    return Message(
        envelope=Envelope(),
        op_code=OpCode.RESOLVE,
        flags=flags,
        body=ResolveRequest(handle, tuple(indexes), tuple(parameters.get("type", []))),
    )


def handle_in(request: web.Request, below: str) -> str:
    """The handle in the path, percent-decoded once; ``%2F`` is a slash like any other."""
    raw = request.rel_url.raw_path.removeprefix(below).removeprefix("/")
    octets = unquote_to_bytes(raw)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadRequest("the handle is not UTF-8") from None


def client_of(
    request: web.Request, identity: Identity | None = None, *, trace: bool = False
) -> Client:
    """Who asks, as far as the node needs to know."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    host, port = peer[:2] if peer else ("", 0)
    parent = request.get(PARENT)
    return Client("http", host, port, trace=trace, connection=identity, parent=parent)


def switch(parameters: Parameters, name: str, *, default: bool) -> bool:
    """A yes-or-no parameter; its bare name means yes."""
    text = last(parameters, name)
    return default if text is None else text.lower() not in ("false", "0", "no")


def last(parameters: Parameters, name: str) -> str | None:
    values = parameters.get(name)
    return values[-1] if values else None


async def settled(outcome: Answer | Awaitable[Answer]) -> Answer:
    """The answer, once it is there.

    Raises:
        Unanswered: a fault that is rehearsed has taken it away.
    """
    if isinstance(outcome, Answer):
        return outcome
    answer = await outcome
    if isinstance(answer.body, NoAnswer):
        raise Unanswered(answer.body.octets)
    return answer
