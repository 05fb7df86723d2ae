"""Who may do something at the console, and not only look.

Rules: only a browser on this machine, on a page that the console itself has served. So the
connection comes from this machine; the address bar holds an address or ``localhost``, since a name
could be made to point here (DNS rebinding); the request says that it comes from the same origin;
and it has a token that only the console's page knows.
"""

import hmac
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

from aiohttp import web
from yarl import URL

from resolver.transport.rpc import is_near

TOKEN_HEADER: Final = "X-Console-Token"


def token_of(secret: bytes) -> str:
    """The console's token: the same in all processes of a node, and nowhere else."""
    return hmac.new(secret, b"console", sha256).hexdigest()


def trouble_with(request: web.Request, token: str) -> str | None:
    """Why a request may not do anything; None if it may."""
    transport = request.transport
    if transport is None or not is_near(transport):
        return "the console can be used on this machine only; from elsewhere it only shows"
    if not is_address(request.host):
        return "open the console by its address or as localhost, not by another name"
    origin = request.headers.get("Origin", "")
    if URL(origin).authority != request.host:
        return "the request does not come from the console's page"
    if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        return "the page is an old one; load it again"
    return None


def is_address(host: str) -> bool:
    """Whether a ``Host`` is an IP address or localhost, with or without a port."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name == "localhost":
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
