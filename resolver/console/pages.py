"""The console over HTTP: the page and its parts, the live events, the actions.

    GET  /console                        the page
    GET  /console/FILE                   its parts
    GET  /console/events                 server-sent events: topology, tick, kept
    GET  /console/explain?id=…           how an identifier is found
    POST /console/register, fault, clear what only a browser on this machine may (``guard``)

Rules: everything the page needs comes from here; it loads nothing from elsewhere and can send
nothing elsewhere (content security policy).
"""

import gzip
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

from resolver.console import SHOWN_BY
from resolver.console.actions import Actions, failure_of
from resolver.console.guard import token_of, trouble_with
from resolver.console.watch import Watch
from resolver.model.errors import ResolverError
from resolver.topology.plan import HostPlan, NodeSpec
from resolver.transport.http import Extend

PAGE: Final = "console.html"
KINDS: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
_TOKEN: Final = b"{{token}}"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_MAX_BODY: Final = 1 << 16

Action = Callable[[Any], Awaitable[dict[str, Any]]]


def console_of(plan: HostPlan, spec: NodeSpec, secret: bytes) -> Extend | None:
    """What puts the console into the HTTP doors of a node; None if it shows none."""
    if spec.role != SHOWN_BY:
        return None
    return Console(Watch(plan.topology, secret, spec.name), token_of(secret)).extend


class Console:
    """The console of one node."""

    def __init__(self, watch: Watch, token: str) -> None:
        """``token``: what requests that do something have to know."""
        self._watch: Final = watch
        self._token: Final = token
        self._actions: Final = Actions(watch)

    def extend(self, app: web.Application) -> None:
        """Put the console into an application."""
        app.router.add_get("/console", self._page)
        app.router.add_get("/console/events", self._events, allow_head=False)
        app.router.add_get("/console/explain", self._explain)
        for name, action in (
            ("register", self._actions.register),
            ("fault", self._actions.add_fault),
            ("clear", self._actions.clear_fault),
        ):
            app.router.add_post(f"/console/{name}", self._doing(action))
        app.router.add_get("/console/{name}", self._part)
        app.on_shutdown.append(self._close)

    async def _close(self, app: web.Application) -> None:
        await self._watch.close()

    async def _page(self, request: web.Request) -> web.Response:
        page = _file(PAGE)[0].replace(_TOKEN, self._token.encode())
        return web.Response(body=page, content_type=KINDS["html"], charset="utf-8", headers=_SAFE)

    async def _part(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _names() or name == PAGE:
            return web.Response(status=404, text=f"the console has no {name}\n")
        plain, packed, tag = _file(name)
        headers = {**_SAFE, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        kind = KINDS[name.rpartition(".")[2]]
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            plain = packed
        return web.Response(body=plain, content_type=kind, charset="utf-8", headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._watch.is_full:
            return web.Response(status=503, text="too many watch already\n")
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers={**_SAFE, **headers})
        await response.prepare(request)
        async with aclosing(self._watch.events()) as events:
            async for event in events:
                if request.transport is None or request.transport.is_closing():
                    break
                await response.write(event)
        return response

    async def _explain(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            found = await self._actions.explain(
                query.get("id", ""), query.get("node", ""), fresh=query.get("fresh") == "1"
            )
        except ResolverError as error:
            return _json({"message": failure_of(error)}, 400)
        return _json(found)

    def _doing(self, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            trouble = trouble_with(request, self._token)
            if trouble is not None:
                return _json({"message": trouble}, 403)
            octets = await request.content.read(_MAX_BODY)
            try:
                return _json(await action(json.loads(octets)))
            except ResolverError as error:
                return _json({"message": failure_of(error)}, 400)
            except (ValueError, RecursionError):
                return _json({"message": "the request is not JSON"}, 400)

        return handler


_SAFE: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _json(document: dict[str, Any], status: int = 200) -> web.Response:
    octets = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    headers = {**_SAFE, "Cache-Control": "no-store"}
    return web.Response(
        body=octets, status=status, content_type="application/json", headers=headers
    )


@cache
def _names() -> frozenset[str]:
    """The parts of the page."""
    return frozenset(file.name for file in (files("resolver.console") / "static").iterdir())


@cache
def _file(name: str) -> tuple[bytes, bytes, str]:
    """A part as it is, compressed, and its entity tag."""
    octets = (files("resolver.console") / "static" / name).read_bytes()
    return octets, gzip.compress(octets, mtime=0), f'"{sha256(octets).hexdigest()[:16]}"'
