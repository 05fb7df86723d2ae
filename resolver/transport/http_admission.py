"""How much one client may ask over HTTP (``admission``): who asks more hears 429.

Rules: every request counts one, a batch one for each of its handles. Who has nothing left is not
answered before it has earned something again; who has is, and may owe the rest. What a supervisor
asks is not counted.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from resolver.model.codes import ResponseCode
from resolver.transport.admission import client_of
from resolver.transport.door import Service
from resolver.transport.http_requests import client_of as client_asking
from resolver.transport.http_responses import json_response

_UNCOUNTED: Final = frozenset({"/health", "/metrics"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def admitting(service: Service) -> Any:
    """The middleware that counts requests."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        buckets = service.admission.requests
        if buckets is None or request.path in _UNCOUNTED:
            return await handler(request)
        if buckets.take(client_of(client_asking(request).host), time.monotonic()):
            return await handler(request)
        service.shed("rate")
        shown = {
            "responseCode": int(ResponseCode.SERVER_BUSY),
            "message": "you ask more often than one client may; ask again in a second",
        }
        return json_response(shown, 429, headers={"Retry-After": "1"})

    return admit


def charge(service: Service, request: web.Request, handles: int) -> None:
    """Count a batch, whose request has been counted already."""
    buckets = service.admission.requests
    if buckets is not None and handles > 1:
        buckets.owe(client_of(client_asking(request).host), time.monotonic(), handles - 1)
