"""The UDP door on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from resolver.model.codes import ResponseCode
from resolver.node.endpoint import UNREADABLE_ID
from resolver.node.state import NodeState
from resolver.server.service import NodeService
from resolver.transport.door import Service
from resolver.transport.udp import UdpDoor, UdpLimits, serve_udp
from resolver.wire.bodies import RecordAnswer
from resolver.wire.envelope import MAX_DATAGRAM, decode_envelope
from resolver.wire.fragments import Reassembler, fragment
from resolver.wire.message import Message, decode_message
from tests.transport.echo import Echo, blob, id_of, request


class Client(asyncio.DatagramProtocol):
    """A socket that is not connected, so that it sees from where it is answered."""

    def __init__(self) -> None:
        self.arrivals: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self.server: tuple[str, int] = ("", 0)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # the loop makes no other
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.arrivals.put_nowait((data, addr[:2]))

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.transport.sendto(datagram, self.server)

    async def datagrams(self, count: int) -> list[bytes]:
        """The next ``count`` datagrams, all from the address that was asked."""
        received = [await self.arrivals.get() for _ in range(count)]
        assert {address for _, address in received} == {self.server}
        return [datagram for datagram, _ in received]

    async def reply(self) -> Message:
        """The next reply of one datagram."""
        return decode_message((await self.datagrams(1))[0])


@dataclass
class Bench:
    """Opens doors and clients, and closes what a test leaves open."""

    running: AsyncExitStack

    async def door(
        self, service: Service, host: str = "127.0.0.1", **limits: Any
    ) -> tuple[UdpDoor, Client]:
        """A door, and a client that knows it."""
        sock = udp_socket(host)
        address = sock.getsockname()[:2]
        door = await serve_udp(service, sock, UdpLimits(**limits))
        self.running.push_async_callback(door.close)
        return door, await self.client(address)

    async def client(self, server: tuple[str, int]) -> Client:
        """A client of ``server``."""
        transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
            Client, sock=udp_socket(server[0])
        )
        self.running.callback(transport.close)
        client.server = server
        return client


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as running:
        yield Bench(running)


def udp_socket(host: str, port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


# Answers


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.3", "::1"])
async def test_a_request_is_answered_by_whom_it_asked(
    bench: Bench, node: NodeService, host: str
) -> None:
    _, client = await bench.door(node, host)
    client.send(request(request_id=42))
    reply = await client.reply()
    assert (reply.envelope.request_id, reply.response_code) == (42, ResponseCode.SUCCESS)
    assert not reply.envelope.truncated


async def test_a_long_reply_comes_in_fragments(bench: Bench, node: NodeService) -> None:
    _, client = await bench.door(node)
    client.send(request("88.901.1/large", 7))
    datagrams = await client.datagrams(7)
    assert all(len(datagram) <= MAX_DATAGRAM for datagram in datagrams)
    envelopes = [decode_envelope(datagram) for datagram in datagrams]
    assert [envelope.sequence for envelope in envelopes] == list(range(7))
    assert {(e.request_id, e.truncated, e.length) for e in envelopes} == {
        (7, True, envelopes[0].length)
    }
    reassembler = Reassembler()
    whole = [reassembler.feed(datagram, None, 0.0) for datagram in datagrams]
    assert whole[:-1] == [None] * 6
    body = decode_message(whole[-1] or b"").body
    assert isinstance(body, RecordAnswer)
    assert [len(value.data) for value in body.values] == [1000] * 3


async def test_each_client_gets_its_own_answer(bench: Bench, node: NodeService) -> None:
    _, first = await bench.door(node)
    second = await bench.client(first.server)
    first.send(request("88.901.1/motor", 1))
    second.send(request("88.901.1/nothing", 1))
    assert (await first.reply()).response_code == ResponseCode.SUCCESS
    assert (await second.reply()).response_code == ResponseCode.HANDLE_NOT_FOUND


async def test_an_answer_does_not_wait_for_others(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(1)
    _, client = await bench.door(echo)
    client.send(blob(1), blob(2))
    assert await client.datagrams(1) == [blob(2)]
    gate.set()
    assert await client.datagrams(1) == [blob(1)]


# Requests in fragments


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 0, 3, 2, 1)])
async def test_a_request_in_fragments(
    bench: Bench, node: NodeService, order: tuple[int, ...]
) -> None:
    """In any order, and with some of them twice."""
    _, client = await bench.door(node)
    pieces = fragment(request("88.901.1/" + "m" * 1700, 5))
    assert len(pieces) == 4
    client.send(*(pieces[number] for number in order))
    reply = await client.reply()
    assert reply.envelope.request_id == 5
    assert reply.response_code == ResponseCode.HANDLE_NOT_FOUND


async def test_two_clients_with_the_same_id(bench: Bench, echo: Echo) -> None:
    _, first = await bench.door(echo)
    second = await bench.client(first.server)
    pieces = fragment(blob(5, 900))
    first.send(pieces[0])
    second.send(pieces[1])
    first.send(pieces[1])
    assert await first.datagrams(2) == pieces
    second.send(pieces[0])
    assert await second.datagrams(2) == pieces


async def test_a_fragment_that_never_comes(bench: Bench, echo: Echo) -> None:
    _, client = await bench.door(echo, fragment_s=0.05, tick_s=0.01)
    pieces = fragment(blob(5, 900))
    client.send(pieces[0], pieces[0])
    assert await echo.rejections.get() == ("udp", "fragment")
    client.send(blob(6))
    assert await client.datagrams(1) == [blob(6)]
    assert echo.rejections.empty()
    client.send(*pieces)
    assert await client.datagrams(2) == pieces


async def test_messages_given_up_for_lack_of_room_are_counted(bench: Bench, echo: Echo) -> None:
    """One client may have 16 unfinished messages."""
    _, client = await bench.door(echo, tick_s=0.01)
    client.send(*(fragment(blob(number, 900))[0] for number in range(18)))
    assert [await echo.rejections.get() for _ in range(2)] == [("udp", "fragment")] * 2
    client.send(fragment(blob(17, 900))[1])
    assert id_of((await client.datagrams(2))[0]) == 17


async def test_unfinished_messages_that_make_way_in_time_are_counted(
    bench: Bench, echo: Echo
) -> None:
    """Also if it is the next fragment, not the clock, that brings to light that they are late."""
    _, client = await bench.door(echo, fragment_s=0.0, tick_s=0.01)
    client.send(*(fragment(blob(number, 900))[0] for number in range(3)))
    assert [await echo.rejections.get() for _ in range(3)] == [("udp", "fragment")] * 3


# What is no request


@pytest.mark.parametrize(
    ("octets", "request_id"),
    [
        (b"GET / HTTP/1.1", UNREADABLE_ID),
        (request(request_id=9)[:19], UNREADABLE_ID),
        (blob(9, 0), 9),
        (blob(9, 24), 9),
        (request(request_id=9)[:-1], 9),
        (request(request_id=9)[:44], 9),
        (blob(9)[:12] + b"\x00\x00\x00\x07" + blob(9)[16:], 9),
        (blob(9)[:16] + b"\xff\xff\xff\xff" + blob(9)[20:], 9),
        (b"\xff" * 512, 0xFFFFFFFF),
        (blob(9, 1000), 9),
    ],
)
async def test_a_malformed_datagram_gets_an_error(
    bench: Bench, node: NodeService, state: NodeState, octets: bytes, request_id: int
) -> None:
    """And the next request its answer."""
    _, client = await bench.door(node)
    client.send(octets, request(request_id=10))
    refusal = await client.reply()
    assert refusal.envelope.request_id == request_id
    assert refusal.response_code != ResponseCode.SUCCESS
    reply = await client.reply()
    assert (reply.envelope.request_id, reply.response_code) == (10, ResponseCode.SUCCESS)
    assert state.counters.malformed[("udp", "malformed")] == 1


async def test_an_empty_datagram(bench: Bench, node: NodeService) -> None:
    _, client = await bench.door(node)
    with udp_socket("127.0.0.1") as sock:
        sock.sendto(b"", client.server)
    client.send(request(request_id=10))
    assert (await client.reply()).envelope.request_id == 10


async def test_a_datagram_too_long(bench: Bench, echo: Echo) -> None:
    """It is read as a server with a buffer of 512 octets would read it."""
    _, client = await bench.door(echo)
    client.send(blob(9, 800))
    assert await client.datagrams(1) == [blob(9, 800)[:MAX_DATAGRAM]]
    assert await echo.rejections.get() == ("udp", "oversize")


# Limits, and closing


async def test_more_requests_than_may_wait(bench: Bench, echo: Echo) -> None:
    gates = [echo.hold(number) for number in (1, 2, 3)]
    _, client = await bench.door(echo, pending=2)
    client.send(blob(1), blob(2), blob(3), blob(4))
    assert await client.datagrams(1) == [blob(4)]
    assert await echo.rejections.get() == ("udp", "overload")
    for gate in gates:
        gate.set()
    assert await client.datagrams(2) == [blob(1), blob(2)]
    client.send(blob(3))
    assert await client.datagrams(1) == [blob(3)]


async def test_a_closed_door_answers_what_was_asked(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(1)
    door, client = await bench.door(echo)
    client.send(blob(1))
    await echo.heard(1)
    closing = asyncio.create_task(door.close())
    client.send(blob(2))
    assert await client.datagrams(1) == [blob(2)]
    assert not closing.done()
    gate.set()
    assert await client.datagrams(1) == [blob(1)]
    await closing


async def test_a_closed_door_lets_go_of_its_socket(bench: Bench, echo: Echo) -> None:
    door, client = await bench.door(echo)
    client.send(blob(1))
    assert await client.datagrams(1) == [blob(1)]
    await door.close()
    udp_socket(*client.server).close()
    await door.close()
