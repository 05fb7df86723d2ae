"""What clients may ask, at the doors: rates, queues, answers for confirmed addresses only."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from resolver.model.codes import ResponseCode
from resolver.node.node import Node
from resolver.node.state import NodeState
from resolver.resolution import Ask
from resolver.server.clock import SystemClock
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.transport.admission import AMPLIFICATION, Admission
from resolver.transport.tcp import serve_tcp
from resolver.transport.udp import UdpLimits, serve_udp
from resolver.wire.answer import Client
from resolver.wire.busy import BusyReplies, busy_reply
from resolver.wire.envelope import MAX_DATAGRAM, decode_envelope
from resolver.wire.message import Message, decode_message
from tests.support.memory_network import four_tiers
from tests.transport.echo import Echo, blob, id_of, next_message, request
from tests.transport.test_udp import udp_socket


@pytest.fixture
async def running() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as running:
        yield running


class Asker:
    """A UDP client that sends before anybody can answer."""

    def __init__(self, running: AsyncExitStack, port: int) -> None:
        self.sock = udp_socket("127.0.0.1")
        running.callback(self.sock.close)
        self.sock.setblocking(False)
        self.sock.connect(("127.0.0.1", port))

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.sock.send(datagram)

    async def receive(self, count: int) -> list[bytes]:
        loop = asyncio.get_running_loop()
        return [await loop.sock_recv(self.sock, 2000) for _ in range(count)]


async def asker(
    running: AsyncExitStack, service: NodeService | Echo, limits: UdpLimits | None = None
) -> Asker:
    sock = udp_socket("127.0.0.1")
    door = await serve_udp(service, sock, limits)
    running.push_async_callback(door.close)
    return Asker(running, sock.getsockname()[1])


async def test_who_asks_too_much_over_udp_gets_no_answer(
    running: AsyncExitStack, echo: Echo
) -> None:
    echo.admission = Admission(rate=1, burst=5)
    client = await asker(running, echo)
    client.send(*(blob(number) for number in range(8)))
    assert [id_of(reply) for reply in await client.receive(5)] == [0, 1, 2, 3, 4]
    assert [await echo.shed_next() for _ in range(3)] == ["rate"] * 3


async def test_ready_answers_count_too(
    running: AsyncExitStack, node: NodeService, state: NodeState
) -> None:
    node.admission.__init__(rate=1, burst=4)  # type: ignore[misc]  # before anybody has asked
    client = await asker(running, node)
    client.send(request(request_id=1))
    await client.receive(1)
    client.send(*(request(request_id=number) for number in range(2, 10)))
    assert [id_of(reply) for reply in await client.receive(3)] == [2, 3, 4]
    assert state.counters.shed == {"rate": 5}


async def test_a_full_queue(running: AsyncExitStack, echo: Echo) -> None:
    client = await asker(running, echo, UdpLimits(waiting=3))
    messages = [request(request_id=number) for number in range(6)]
    client.send(*messages)
    replies = {id_of(reply): reply for reply in await client.receive(6)}
    assert [replies[number] == messages[number] for number in range(6)] == [True] * 3 + [False] * 3
    for number in (3, 4, 5):
        busy = decode_message(replies[number])
        assert busy.response_code == ResponseCode.SERVER_BUSY
        assert len(replies[number]) <= len(messages[number])
    assert [await echo.shed_next() for _ in range(3)] == ["overload"] * 3


async def test_who_has_waited_too_long(running: AsyncExitStack, echo: Echo) -> None:
    client = await asker(running, echo, UdpLimits(patience_s=-1.0))
    client.send(blob(1))
    assert await echo.shed_next() == "late"
    assert echo.arrivals.empty()


@pytest.mark.parametrize("handle", ["88.901.1/large", "88.901.1/motor"])
async def test_long_answers_are_for_confirmed_addresses(
    running: AsyncExitStack, node: NodeService, state: NodeState, handle: str
) -> None:
    node.admission.__init__(confirm=True)  # type: ignore[misc]  # before anybody has asked
    client = await asker(running, node)
    asked = request(handle)
    for _ in range(2):
        client.send(asked)
        (reply,) = await client.receive(1)
        assert len(reply) <= AMPLIFICATION * len(asked)
        assert decode_envelope(reply).truncated is (handle == "88.901.1/large")
    listener = socket.create_server(("127.0.0.1", 0))
    door = await serve_tcp(node, listener)
    running.push_async_callback(door.close)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(asked)
    whole = await next_message(reader)
    writer.close()
    client.send(asked)
    pieces = -(-(len(whole) - 20) // (MAX_DATAGRAM - 20))
    assert len(await client.receive(pieces)) == pieces
    assert state.counters.shed.get("unconfirmed", 0) == (2 if pieces > 1 else 0)


async def test_who_asks_too_much_over_tcp_is_read_later(
    running: AsyncExitStack, echo: Echo
) -> None:
    echo.admission = Admission(rate=1000, burst=10)
    listener = socket.create_server(("127.0.0.1", 0))
    door = await serve_tcp(echo, listener)
    running.push_async_callback(door.close)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    for start in range(0, 90, 30):
        writer.write(b"".join(blob(number) for number in range(start, start + 30)))
        for number in range(start, start + 30):
            assert id_of(await next_message(reader)) == number
    assert [await echo.shed_next() for _ in range(2)] == ["rate"] * 2
    writer.close()


class Silent:
    """Upstreams that never answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[Ask, Callable[..., None]]] = []

    def ask(self, ask: Ask, heard: Callable[..., None]) -> object:
        self.asked.append((ask, heard))
        return None


async def test_a_budget_of_misses() -> None:
    tree = four_tiers()
    silent = Silent()
    service = NodeService(
        Node(tree.states["recursive"], ROLES["recursive"].chain),
        silent,
        SystemClock(),
        admission=Admission(misses=2),
    )
    one, other = (Client("udp", host, 7) for host in ("127.0.0.1", "127.0.0.2"))
    handles = [f"88.901.1/{number}" for number in range(3)]
    outcomes = [service.receive(request(handle), one) for handle in handles]
    assert [isinstance(outcome, list) for outcome in outcomes] == [False, False, True]
    (busy,) = outcomes[2]  # type: ignore[misc]
    assert decode_message(busy).response_code == ResponseCode.SERVER_BUSY
    assert not isinstance(service.receive(request("88.901.1/3"), other), list)
    assert len(silent.asked) == 3
    assert tree.states["recursive"].counters.shed == {"miss_budget": 1}


@pytest.mark.parametrize("octets", [request(), request("x" * 2000), blob(7, 40)])
def test_busy(octets: bytes) -> None:
    reply = busy_reply(octets, 1_800_000_000)
    assert reply is not None
    message: Message = decode_message(reply)
    assert message.response_code == ResponseCode.SERVER_BUSY
    assert message.envelope.request_id == id_of(octets)
    assert message.op_code == int.from_bytes(octets[20:24], "big")
    assert len(reply) <= len(octets)


@pytest.mark.parametrize("octets", [b"", request()[:51]])
def test_too_short_to_be_told(octets: bytes) -> None:
    assert busy_reply(octets, 1_800_000_000) is None


def test_replies_made_by_kind_are_those_made_one_by_one() -> None:
    replies = BusyReplies()
    whole = request(request_id=1)
    asked = [
        whole,
        request(request_id=2),
        request("88.901.1/another", 3),
        b"\x02\x03" + whole[2:],
        whole[:28] + bytes(4) + whole[32:],
        whole[:34] + b"\x05" + whole[35:],
        whole[:40],
        b"",
    ]
    for unix_now in (1_800_000_000, 1_800_000_000, 1_800_000_001):
        for octets in asked:
            assert replies.to(octets, unix_now) == busy_reply(octets, unix_now)
