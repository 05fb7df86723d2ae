"""What HTTP does where a fault that is rehearsed leaves a request without an answer, or with
garbage.

Rule: what supervisors and operators look at stays as it is, so that a rehearsal can be watched.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from resolver.model.errors import ResolverError
from resolver.transport.door import Service
from resolver.wire.bodies import ErrorAnswer

_SPARED: Final = ("/health", "/metrics", "/console")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class NoAnswer(ErrorAnswer):
    """In place of an answer that a fault has taken away.

    Attributes:
        octets: that go out instead; empty if the connection just ends.
    """

    octets: bytes = b""


class Unanswered(ResolverError):
    """The request is not answered, or with these octets."""

    def __init__(self, octets: bytes = b"") -> None:
        super().__init__("a fault is rehearsed")
        self.octets: Final = octets


def rehearsing(service: Service) -> Any:
    """The middleware that ends connections where faults want it."""

    @web.middleware
    async def rehearse(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if service.is_stopped and not request.path.startswith(_SPARED):
                raise Unanswered
            return await handler(request)
        except Unanswered as fault:
            if fault.octets:
                return web.Response(body=fault.octets, content_type="application/json")
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)

    return rehearse
