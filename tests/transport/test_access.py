"""Which requests the doors tell the access log of."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from resolver.model.codes import OpCode
from resolver.node.node import Node
from resolver.node.state import NodeState
from resolver.server.clock import SystemClock
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.telemetry.access import Asked
from resolver.transport.access import AccessLog
from resolver.transport.http import serve_http
from resolver.transport.tcp import serve_tcp
from resolver.transport.udp import serve_udp
from resolver.upstream.exchange import Upstream
from resolver.wire.answer import Client
from resolver.wire.bodies import ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from tests.transport.echo import next_message, request
from tests.transport.raw_http import RawHttp, get

MISSING = "88.901.1/nothing"


@dataclass
class Doors:
    """A node's ports, and what the access log was told."""

    tcp: int = 0
    udp: int = 0
    http: int = 0
    told: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def doors(state: NodeState, every: int = 1) -> AsyncIterator[Doors]:
    found, upstream = Doors(), Upstream()
    log = AccessLog(every, lambda: 1000.5, found.told.append)
    chain = ROLES["enterprise"].chain
    service = NodeService(Node(state, chain), upstream, SystemClock(), access=log)
    socks = [socket.socket(type=kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    socks.append(socket.socket())
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    found.tcp, found.udp, found.http = (sock.getsockname()[1] for sock in socks)
    open_doors = [
        await serve_tcp(service, socks[0]),
        await serve_udp(service, socks[1]),
        await serve_http(service, socks[2]),
    ]
    try:
        yield found
    finally:
        for door in open_doors:
            await door.close()
        await service.close()
        await upstream.close()


async def over_tcp(port: int, handles: list[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(request(handle, number) for number, handle in enumerate(handles)))
    for _ in handles:
        await next_message(reader)
    writer.close()


async def over_udp(port: int, handles: list[str]) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        for handle in handles:
            await loop.sock_sendall(sock, request(handle))
        for _ in handles:
            await loop.sock_recv(sock, 600)


def handles() -> Iterator[list[str]]:
    """Some that have ready answers, with one in between that never has."""
    for count in (1, 30, 7):
        yield ["88.901.1/motor"] * count + [MISSING] + ["88.901.1/MOTOR"] * count


async def test_everything_is_told_of_whatever_door(state: NodeState):
    async with doors(state) as node:
        for asked in handles():
            await over_tcp(node.tcp, asked)
            assert [row.id for row in node.told] == asked, "over TCP in their order"
            assert {row.transport for row in node.told} == {"tcp"}
            assert [row.code for row in node.told if row.id == MISSING] == [100]
            node.told.clear()
            await over_udp(node.udp, asked)
            assert sorted(row.id for row in node.told) == sorted(asked)
            assert {(row.transport, row.client) for row in node.told} == {("udp", "127.0.0.1")}
            node.told.clear()


async def test_http_is_told_of_too(state: NodeState):
    async with doors(state) as node:
        async with RawHttp(node.http) as client:
            for _ in range(5):  # made, learnt, repeated by the route, then by the connection
                await client.ask(get())
        assert [(row.id, row.code) for row in node.told] == [("88.901.1/motor", 1)] * 5
        assert {row.client for row in node.told} == {"127.0.0.1"}
        assert {row.path for row in node.told} == {"local", "ready"}
        node.told.clear()
        body = json.dumps({"handles": ["88.901.1/motor", MISSING, "88.901.1/motor"]}).encode()
        post = (
            b"POST /api/resolve HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        async with RawHttp(node.http) as client:
            await client.ask(post + body)
        assert sorted(row.id for row in node.told) == sorted(["88.901.1/motor"] * 2 + [MISSING])


async def test_one_of_seven(state: NodeState):
    async with doors(state, every=7) as node:
        for count in (1, 5, 20, 3, 41):
            await over_tcp(node.tcp, ["88.901.1/motor"] * count)
        assert len(node.told) == 10, "of 70 requests"


@pytest.mark.parametrize("every", [1, 2, 7, 100])
def test_batches_of_any_size_make_the_same_choice(every: int):
    log = AccessLog(every, lambda: 0.0, lambda asked: None)
    place, chosen = 0, []
    for count in (1, 0, 5, 13, 200, 2, 99, 1, 1, 350):
        chosen += [place + number for number in log.chosen(count)]
        place += count
    assert chosen == list(range(0, place, every))


def test_a_password_stays_out():
    told: list[Asked] = []
    login = Message(
        Envelope(), OpCode.LOGIN_PASSWORD, body=ResolveRequest("88.901.1/user", (), ("secret",))
    )
    AccessLog(1, lambda: 0.0, told.append).request(login, 1, Client("tcp", "h", 1), "local", 0.1)
    assert [(row.id, row.types) for row in told] == [("88.901.1/user", ())]
