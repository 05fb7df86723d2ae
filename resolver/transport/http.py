"""The HTTP door: the REST API's read side, the message tunnel, redirects, metrics
(docs/protocol.md §13).

Rules: a handler reads the request, asks the service, writes the answer; what is in the JSON is
``resolver.wire.rest``'s business. Whatever a client sends gets a status and a reason. What changes
records is in ``http_changes``.
"""

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from resolver.model.codes import ResponseCode
from resolver.model.handle import fold, prefix_handle
from resolver.transport.door import Service
from resolver.transport.elsewhere import Elsewhere, adopt
from resolver.transport.http_admission import admitting
from resolver.transport.http_batch import Batches
from resolver.transport.http_caching import caching_headers, is_known
from resolver.transport.http_changes import Changes
from resolver.transport.http_docs import add_description_routes
from resolver.transport.http_faults import rehearsing
from resolver.transport.http_hot import MADE_OF, hot
from resolver.transport.http_identity import Identities
from resolver.transport.http_pages import page_of_node, page_of_record
from resolver.transport.http_requests import (
    Parameters,
    client_of,
    handle_in,
    last,
    parameters_of,
    question,
    settled,
    switch,
)
from resolver.transport.http_responses import (
    BadRequest,
    html_response,
    json_response,
    not_modified,
    preflight,
    redirect_to,
    unknown_method,
)
from resolver.transport.http_sessions import HttpSessions
from resolver.transport.http_verifications import add_session_routes
from resolver.transport.spans import tell_parent, tracing
from resolver.transport.tls import Factory, TlsFiles, sniffing
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import RecordAnswer
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_MESSAGE
from resolver.wire.rest import http_status, site_to_json
from resolver.wire.rest_answer import answer_to_json, reason_of, trace_to_json

MEDIA_TYPE: Final = "application/x-hdl-message"
MAX_BODY: Final = ENVELOPE_OCTETS + MAX_MESSAGE
MAX_ALIASES: Final = 10
ANY: Final = r"[\s\S]*"
"""The rest of a path: an identifier may have any character, line breaks too."""

_TEXT_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPEN_METRICS: Final = "application/openmetrics-text"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Extend = Callable[[web.Application], None]
"""Puts more pages into an application."""

_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII)
_REFERRED_SCHEMES: Final = ("http://", "https://", "ftp://", "mailto:")


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The server's log, without what is no HTTP and without who left in the middle: these are
    counted, as at the other doors; a traceback for each would let anybody fill the disk."""

    def __init__(self, service: Service) -> None:
        super().__init__(logging.getLogger(__name__))
        self._service: Final = service

    def exception(  # as in the standard library
        self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any
    ) -> None:
        if isinstance(exc_info, HttpProcessingError | web.RequestPayloadError):
            self._service.rejected("http", "malformed")
        elif isinstance(exc_info, ConnectionError):
            self._service.rejected("http", "half-closed")
        else:
            super().exception(msg, *args, exc_info=exc_info, **kwargs)


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """A bound socket that speaks HTTP, and HTTPS if it has a certificate."""

    runner: web.AppRunner
    server: asyncio.Server
    _factory: Callable[[], asyncio.BaseProtocol]

    async def adopt(self, sock: socket.socket, data: bytes) -> None:
        """Go on with a connection that another process has accepted, and read ``data`` from."""
        await adopt(self._factory, sock, data)

    async def close(self) -> None:
        """Stop accepting, finish what is under way, close."""
        self.server.close()
        await self.runner.cleanup()


async def serve_http(
    service: Service,
    sock: socket.socket,
    *,
    passwords: bool = False,
    tls: TlsFiles | None = None,
    sessions: HttpSessions | None = None,
    elsewhere: Elsewhere | None = None,
    extend: Extend | None = None,
) -> HttpDoor:
    """Open a door on a bound TCP socket, IPv4 or IPv6.

    Args:
        passwords: take credentials over plain HTTP (``http_identity``).
        tls: the certificate for those who begin with TLS.
        sessions: shared with the node's other doors.
        elsewhere: who takes connections that are not for this process.
        extend: puts more pages into the application.
    """
    runner = web.AppRunner(
        make_app(service, passwords=passwords, sessions=sessions, extend=extend),
        access_log=None,
        logger=_ServerLog(service),
        handle_signals=False,
        shutdown_timeout=5.0,
    )
    await runner.setup()
    assert runner.server is not None
    # uvloop and asyncio take any callable that makes protocols.
    application: Factory = runner.server
    ready = service.http_ready()
    # Where requests are counted by client, the application counts them.
    if ready is not None and service.admission.requests is None:
        application = hot(runner.server, ready, is_traced=service.spans is not None)
    factory = sniffing(application, tls, service, elsewhere)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, sock=sock, backlog=1024)
    return HttpDoor(runner, server, factory)


def make_app(
    service: Service,
    *,
    passwords: bool,
    sessions: HttpSessions | None = None,
    extend: Extend | None = None,
) -> web.Application:
    """The application behind the door."""
    sessions = sessions or HttpSessions()
    layers = [admitting(service), rehearsing(service), _errors]
    if service.spans is not None:
        layers.insert(0, tracing(service.spans))
    app = web.Application(client_max_size=MAX_BODY, middlewares=layers)
    if service.spans is not None:
        app.on_response_prepare.append(tell_parent)
    identities = Identities(service, sessions, plain=passwords)
    handlers = _Handlers(service, identities)
    add_session_routes(app, service, identities)
    for path in ("/api/handles", f"/api/handles/{{handle:{ANY}}}"):
        app.router.add_route("*", path, handlers.handles)
    app.router.add_route("*", "/api/resolve", Batches(service).resolve)
    add_description_routes(app)
    app.router.add_route("*", "/api/site", handlers.site)
    app.router.add_route("*", "/api/prefixes", handlers.prefixes)
    app.router.add_route("*", f"/api/prefixes/{{prefix:{ANY}}}", handlers.prefixes)
    for path in ("/api", f"/api/{{rest:{ANY}}}"):
        app.router.add_route("*", path, handlers.unknown)
    app.router.add_get("/metrics", handlers.metrics)
    for scope in ("process", "network"):
        app.router.add_get(f"/metrics/{scope}", handlers.metrics)
    app.router.add_get("/health", handlers.health)
    if extend is not None:
        extend(app)
    app.router.add_post(f"/{{rest:{ANY}}}", handlers.tunnel)
    app.router.add_get("/", handlers.home)
    app.router.add_get(f"/{{handle:{ANY}}}", handlers.redirect)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what went wrong into a status with a reason."""
    try:
        return await handler(request)
    except BadRequest as error:
        return json_response(
            {"responseCode": int(ResponseCode.PROTOCOL_ERROR), "message": str(error)}, 400
        )
    except web.HTTPRequestEntityTooLarge:
        return json_response(
            {
                "responseCode": int(ResponseCode.PROTOCOL_ERROR),
                "message": f"the body is longer than {MAX_BODY} octets",
            },
            413,
        )


class _Handlers:
    """What the routes of one node do."""

    def __init__(self, service: Service, identities: Identities) -> None:
        self._service: Final = service
        self._identities: Final = identities
        self._changes: Final = Changes(service, identities)

    async def handles(self, request: web.Request) -> web.StreamResponse:
        """``/api/handles/H``."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method not in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            return unknown_method(request)
        parameters = await parameters_of(request)
        handle = handle_in(request, "/api/handles")
        if not handle and "prefix" in parameters and request.method == "GET":
            return await self._changes.listing(request, parameters)
        if not handle:
            return json_response(
                {
                    "responseCode": int(ResponseCode.INVALID_HANDLE),
                    "message": "Empty handle invalid",
                },
                400,
            )
        if request.method == "PUT":
            return await self._changes.put(request, handle, parameters)
        if request.method == "DELETE":
            return await self._changes.delete(request, handle, parameters)
        return await self._record(request, handle, parameters)

    async def _record(
        self, request: web.Request, handle: str, parameters: Parameters
    ) -> web.StreamResponse:
        callback = last(parameters, "callback")
        if callback is not None and not _CALLBACK.fullmatch(callback):
            raise BadRequest(f"{callback!r} is no name of a JavaScript function")
        client = await self._identities.client(
            request, trace=switch(parameters, "trace", default=False)
        )
        if not isinstance(client, Client):
            return client
        # Who has said who they are wants what they may read.
        message = question(handle, parameters, public_only=client.connection is None)
        outcome = self._service.ask(message, client)
        made_of = None
        if request.method == "GET" and not parameters and client.connection is None:
            ready = self._service.http_ready()
            if ready is not None and isinstance(outcome, Answer):
                made_of = ready.made_of(outcome)
        answer = await settled(outcome)
        headers: Mapping[str, str] = {}
        if request.method in ("GET", "HEAD"):
            headers = caching_headers(self._service, client, message, answer)
            if "ETag" in headers and is_known(request, answer):
                return not_modified(headers)
        shown = answer_to_json(handle, answer)
        if client.trace:
            shown["trace"] = trace_to_json(self._service.name, answer)
        response = json_response(
            shown,
            http_status(answer.code, secure=self._identities.taken(request)),
            pretty=switch(parameters, "pretty", default=False),
            callback=callback,
            headers=headers,
        )
        if made_of is not None:
            response[MADE_OF] = made_of
        return response

    async def site(self, request: web.Request) -> web.StreamResponse:
        """``/api/site``: where this node is."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method not in ("GET", "HEAD"):
            return unknown_method(request)
        return json_response(
            {
                "responseCode": int(ResponseCode.SUCCESS),
                "site": site_to_json(self._service.site()),
            },
            200,
        )

    async def prefixes(self, request: web.Request) -> web.StreamResponse:
        """``/api/prefixes``: whose identifiers live here."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.match_info.get("prefix"):
            if request.method in ("POST", "DELETE"):
                prefix = handle_in(request, "/api/prefixes")
                return await self._changes.home(request, prefix)
            return json_response(
                {
                    "responseCode": int(ResponseCode.PROTOCOL_ERROR),
                    "message": f"Unknown method {request.method}",
                },
                405,
                headers={"Allow": "POST, DELETE, OPTIONS"},
            )
        if request.method not in ("GET", "HEAD"):
            return unknown_method(request)
        prefixes = [prefix_handle(prefix) for prefix in self._service.prefixes()]
        return json_response(
            {
                "responseCode": int(ResponseCode.SUCCESS),
                "totalCount": str(len(prefixes)),
                "prefixes": prefixes,
            },
            200,
        )

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """Any other path below ``/api``."""
        return json_response(
            {
                "responseCode": int(ResponseCode.PROTOCOL_ERROR),
                "message": f"Unknown HTTP API endpoint {request.method} {request.path}",
            },
            404,
        )

    async def tunnel(self, request: web.Request) -> web.StreamResponse:
        """A handle message in the body of a POST."""
        if request.content_type != MEDIA_TYPE:
            return web.Response(
                status=415, text=f"POST takes {MEDIA_TYPE} here, not {request.content_type}\n"
            )
        outcome = self._service.receive(await request.read(), client_of(request))
        messages = outcome if isinstance(outcome, list) else await outcome
        return web.Response(body=b"".join(messages), content_type=MEDIA_TYPE)

    async def redirect(self, request: web.Request) -> web.StreamResponse:
        """``GET /H``: to the URL of the record, or a page that shows the record."""
        handle = asked = handle_in(request, "")
        seen: set[str] = set()
        while True:
            answer = await settled(self._service.ask(question(asked, {}), client_of(request)))
            body = answer.body
            if not isinstance(body, RecordAnswer):
                status = http_status(answer.code)
                return html_response(
                    page_of_record(handle, None, reason_of(answer)), max(status, 400)
                )
            target = next((value.text for value in body.values.of_type("URL")), None)
            if target is not None and target.lower().startswith(_REFERRED_SCHEMES):
                return redirect_to(target)
            seen.add(fold(asked))
            alias = next((value.text for value in body.values.of_type("HS_ALIAS")), None)
            if alias is None or fold(alias) in seen or len(seen) > MAX_ALIASES:
                return html_response(page_of_record(handle, body.values, ""), 200)
            asked = alias

    async def home(self, request: web.Request) -> web.StreamResponse:
        """``GET /``: which node this is, and a form."""
        return html_response(page_of_node(self._service.name, self._service.health()), 200)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """``GET /metrics``, for Prometheus; ``/metrics/process`` of all nodes of the process, and
        ``/metrics/network`` of all nodes there are. A node that records requests tells the first
        with exemplars to those who can read them."""
        scope = request.path.removeprefix("/metrics").lstrip("/") or "node"
        media_type = _TEXT_METRICS
        accepted = request.headers.get("Accept", "")
        if scope == "node" and self._service.spans is not None and _OPEN_METRICS in accepted:
            scope, media_type = "open", f"{_OPEN_METRICS}; version=1.0.0; charset=utf-8"
        told = self._service.metrics(scope)
        page = told if told is None or isinstance(told, bytes) else await told
        if page is None:
            told_by = "the top-level node tells the metrics of the whole network, this one does not"
            return web.Response(status=404, text=f"{told_by}\n")
        return web.Response(body=page, headers={"Content-Type": media_type})

    async def health(self, request: web.Request) -> web.StreamResponse:
        """``GET /health``, for supervisors."""
        return json_response(self._service.health(), 200)
