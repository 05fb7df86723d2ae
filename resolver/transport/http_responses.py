"""The responses of the HTTP door, one function a kind."""

import html
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from resolver.model.codes import ResponseCode
from resolver.model.errors import ResolverError
from resolver.wire.cursor import encode_text

_JSON: Final = "application/json;charset=utf-8"
_JAVASCRIPT: Final = "application/javascript;charset=utf-8"
_METHODS: Final = "GET,POST,HEAD,PUT,DELETE"
_CORS_HEADERS: Final = "X-Requested-With,Authorization,Origin,Accept,Content-Type"


def json_response(
    shown: Mapping[str, object],
    status: int,
    *,
    pretty: bool = False,
    callback: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """JSON with CORS headers; as a call of ``callback`` if one is named (JSONP).

    Args:
        headers: more of them; a ``CIMultiDict`` may have one several times.
    """
    layout: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
    text = json.dumps(shown, ensure_ascii=False, **layout)
    media_type = _JSON
    if callback is not None:
        # Two characters that JSON allows in text and JavaScript once did not.
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        text, media_type = f"{callback}({text});", _JAVASCRIPT
    octets = text.encode("utf-8", "backslashreplace")
    return json_bytes_response(octets, status, media_type, headers or {})


def json_bytes_response(
    octets: bytes,
    status: int = 200,
    media_type: str = _JSON,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.Response:
    """The same for JSON that is written already."""
    return web.Response(
        body=octets,
        status=status,
        headers=CIMultiDict(
            [
                ("Content-Type", media_type),
                ("Access-Control-Allow-Origin", "*"),
                ("X-Content-Type-Options", "nosniff"),
                *headers.items(),
            ]
        ),
    )


def not_modified(headers: Mapping[str, str]) -> web.Response:
    """304: what the client has is what there is; ``headers`` as of the whole answer."""
    return web.Response(
        status=304,
        headers=CIMultiDict([("Access-Control-Allow-Origin", "*"), *headers.items()]),
    )


class BadRequest(ResolverError):
    """A request that cannot be read; the text says why."""


def preflight(request: web.Request) -> web.Response:
    """The answer to OPTIONS: any page may read and, once it can authenticate, write."""
    return web.Response(
        headers={
            "Access-Control-Allow-Origin": request.headers.get("Origin", "*"),
            "Access-Control-Max-Age": "86400",
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _CORS_HEADERS,
        }
    )


def unknown_method(request: web.Request) -> web.Response:
    """501, as Handle.Net answers methods it does not know."""
    return json_response(
        {
            "responseCode": int(ResponseCode.PROTOCOL_ERROR),
            "message": f"Unknown method {request.method}",
        },
        501,
    )


def redirect_to(target: str) -> web.Response:
    """302 to the URL value of a record."""
    # The target is data: only what may stand in a header goes there.
    location = quote(encode_text(target), safe="!#$%&'()*+,/:;=?@[]~")
    shown = html.escape(target.encode("utf-8", "replace").decode())
    return web.Response(
        status=302,
        text=f"<html><head><title>Handle Redirect</title></head>\n"
        f'<body><a href="{shown}">{shown}</a></body></html>\n',
        headers={"Location": location, "Content-Type": "text/html;charset=utf-8"},
    )


def html_response(text: str, status: int) -> web.Response:
    """A page that can load nothing and send nothing elsewhere."""
    return web.Response(
        status=status,
        body=text.encode("utf-8", "replace"),
        headers={
            "Content-Type": "text/html;charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
            "form-action 'self'",
        },
    )
