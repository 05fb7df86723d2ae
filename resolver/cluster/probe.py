"""Asks every node of a network, through each of its doors, whether it answers.

Rules: real requests over real sockets; all nodes at once; a door that does not answer in time is
told apart from one that answers nonsense.
"""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from resolver.cluster.state import NodeState
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, WireError
from resolver.upstream.tcp import TcpPeer
from resolver.upstream.udp import UdpPeer
from resolver.wire.bodies import HandleRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message

OK: Final = "ok"
_AT_ONCE: Final = 32

_GET_SITE: Final = encode_message(
    Message(
        envelope=Envelope(),
        op_code=OpCode.GET_SITE,
        flags=OpFlag.PUBL | OpFlag.CACR,
        expiration=0xFFFFFFFF,
        body=HandleRequest("/"),
    )
)


@dataclass(frozen=True, slots=True)
class Health:
    """What a node's doors said: ``ok``, or what is wrong."""

    udp: str
    tcp: str
    http: str

    @property
    def summary(self) -> str:
        """``ok``, or the first trouble with its door's name."""
        for door in ("udp", "tcp", "http"):
            trouble: str = getattr(self, door)
            if trouble != OK:
                return f"{door}: {trouble}"
        return OK


def probe(nodes: Iterable[NodeState], *, timeout: float = 3.0) -> dict[str, Health]:
    """The health of ``nodes`` by name; at most about ``timeout`` seconds for each."""
    return asyncio.run(_probe_all(list(nodes), timeout))


async def _probe_all(nodes: list[NodeState], timeout: float) -> dict[str, Health]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(node: NodeState) -> Health:
        async with gate:
            return await _probe_node(node, timeout)

    return dict(zip((n.name for n in nodes), await asyncio.gather(*map(one, nodes)), strict=True))


async def _probe_node(node: NodeState, timeout: float) -> Health:
    host = node.address
    udp, tcp, http = await asyncio.gather(
        _ask_site(UdpPeer(host, node.port), timeout),
        _ask_site(TcpPeer(host, node.port), timeout),
        _get_health(host, node.http_port, timeout),
    )
    return Health(udp, tcp, http)


async def _ask_site(peer: UdpPeer | TcpPeer, timeout: float) -> str:
    try:
        async with asyncio.timeout(timeout):
            reply = decode_message(await peer.ask(_GET_SITE))
    except TimeoutError:
        return f"no answer in {timeout:g} s"
    except (UpstreamError, WireError) as error:
        return str(error)
    finally:
        await peer.close()
    if reply.response_code == ResponseCode.SUCCESS:
        return OK
    return f"response code {reply.response_code}"


_GET_HEALTH: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def _get_health(host: str, port: int, timeout: float) -> str:
    """One HTTP request by hand: the probe need not import a whole HTTP client."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_GET_HEALTH)
                status = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer in {timeout:g} s"
    except OSError as error:
        # Not its strerror: asyncio writes there which address it tried, not what came of it.
        return os.strerror(error.errno) if error.errno else str(error)
    return OK if b" 200 " in status else status.decode("latin-1").strip() or "no answer"
