"""Where a server is: ``HOST:PORT`` as a person writes it, and the site that upstreams ask."""

import asyncio
import socket
from ipaddress import ip_address
from typing import Final

from resolver.model.errors import ConfigError, UpstreamError
from resolver.model.site import Interface, Protocol, Purpose, Server, Site

DEFAULT_PORT: Final = 2641
"""The port of the Handle protocol, where none is given."""

TRANSPORTS: Final = {"udp": Protocol.UDP, "tcp": Protocol.TCP, "http": Protocol.HTTP}


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``HOST`` or ``[IPV6]:PORT``.

    Raises:
        ConfigError: the text is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.startswith("[")):
        host, port = text, str(DEFAULT_PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(f"{text!r} is not an address: write HOST:PORT, such as 127.0.0.1:3641")
    return host, int(port)


async def site_at(address: str, transport: str) -> Site:
    """A site of one server at ``address`` that speaks ``transport`` only.

    Raises:
        ConfigError: the address or the transport cannot be used.
        UpstreamError: the host name is not known.
    """
    protocol = TRANSPORTS.get(transport)
    if protocol is None:
        raise ConfigError(f"{transport!r} is not a transport: choose {', '.join(TRANSPORTS)}")
    host, port = parse_address(address)
    interface = Interface(Purpose.BOTH, protocol, port)
    return Site((Server(1, ip_address(await _ip_of(host)), b"", (interface,)),))


async def _ip_of(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return host
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise UpstreamError(f"the host {host} is not known: {error}") from None
    return str(found[0][4][0]).partition("%")[0]
