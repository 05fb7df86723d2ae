"""What a door needs to know of traces: spans that begin and end, and the W3C headers of HTTP.

Rules: who sends ``traceparent`` decides whether the request is recorded, and gets the header back
with the id of its span; of others the node records as many as it is told to. Where no node records
anything, nothing of this is in the application (``http.make_app``).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from aiohttp import web

from resolver.wire.traceparent import TraceParent, parent_in

HEADER: Final = "traceparent"
PARENT: Final = web.RequestKey("traceparent", TraceParent)
"""The span of an HTTP request, for what is done for it."""

_UNTRACED: Final = ("/health", "/metrics", "/console")
_TUNNELLED: Final = "application/x-hdl-message"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Span(Protocol):
    """Something that takes time, and is recorded."""

    @property
    def parent(self) -> TraceParent:
        """What others need to know to be parts of it."""

    def end(self, attributes: dict[str, str | int | bool], trouble: str = "") -> None:
        """It is over; ``trouble`` is what went wrong."""


class Spans(Protocol):
    """Where spans begin."""

    def http(self, method: str, path: str, parent: TraceParent | None) -> Span | None:
        """A request over HTTP begins; None if it is not to be recorded."""


def tracing(spans: Spans) -> Any:
    """The middleware that records requests."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        # A message in a tunnel has its own way of saying which trace it belongs to.
        if request.path.startswith(_UNTRACED) or request.content_type == _TUNNELLED:
            return await handler(request)
        route = request.match_info.route.resource
        span = spans.http(
            request.method,
            request.path if route is None else route.canonical,
            parent_in(request.headers.get(HEADER, "")),
        )
        if span is None:
            return await handler(request)
        request[PARENT] = span.parent
        status = 0
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            trouble = "" if 0 < status < 500 else f"HTTP {status}" if status else "no response"
            span.end({"http.response.status_code": status} if status else {}, trouble)

    return trace


async def tell_parent(request: web.Request, response: web.StreamResponse) -> None:
    """Tell who sent the header the span of their request (a signal of the application)."""
    parent = request.get(PARENT)
    if parent is not None and HEADER in request.headers:
        response.headers[HEADER] = str(parent)
