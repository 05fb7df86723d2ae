"""The TCP door on real sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from resolver.model.codes import ResponseCode
from resolver.node.state import NodeState
from resolver.server.service import NodeService
from resolver.transport.door import Service
from resolver.transport.tcp import MAX_PENDING, TcpDoor, TcpLimits, serve_tcp
from resolver.wire.envelope import MAX_MESSAGE, Envelope, encode_envelope
from resolver.wire.message import Message, decode_message
from tests.transport.echo import Echo, blob, id_of, next_message, request, reset

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Bench:
    """Opens doors and connections, and closes what a test leaves open."""

    running: AsyncExitStack

    async def door(
        self, service: Service, *, host: str = "127.0.0.1", **limits: Any
    ) -> tuple[TcpDoor, int]:
        """A door and its port."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        door = await serve_tcp(service, sock, TcpLimits(**limits))
        self.running.push_async_callback(door.close)
        return door, port

    async def client(self, port: int, host: str = "127.0.0.1", came_from: str = "") -> Streams:
        """A connection."""
        reader, writer = await asyncio.open_connection(
            host, port, local_addr=(came_from, 0) if came_from else None
        )
        self.running.callback(writer.close)
        return reader, writer


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as running:
        yield Bench(running)


async def next_reply(reader: asyncio.StreamReader) -> Message:
    return decode_message(await next_message(reader))


async def ids(reader: asyncio.StreamReader, count: int) -> list[int]:
    return [id_of(await next_message(reader)) for _ in range(count)]


async def stalled(echo: Echo, count: int) -> None:
    """The door has had ample time to read ``count`` requests, and has not read them."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await echo.heard(count)


# Answers, in order


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_request_is_answered(bench: Bench, node: NodeService, host: str) -> None:
    _, port = await bench.door(node, host=host)
    reader, writer = await bench.client(port, host)
    writer.write(request(request_id=42))
    reply = await next_reply(reader)
    assert (reply.envelope.request_id, reply.response_code) == (42, ResponseCode.SUCCESS)


async def test_a_thousand_requests_in_one_write(bench: Bench, node: NodeService) -> None:
    _, port = await bench.door(node)
    reader, writer = await bench.client(port)
    handles = ["88.901.1/motor", "88.901.1/nothing", "88.901.1/large", "88.902/elsewhere"]
    codes = [
        ResponseCode.SUCCESS,
        ResponseCode.HANDLE_NOT_FOUND,
        ResponseCode.SUCCESS,
        ResponseCode.NOT_RESPONSIBLE,
    ]
    writer.write(b"".join(request(handles[n % 4], n) for n in range(1000)))
    for n in range(1000):
        reply = await next_reply(reader)
        assert (reply.envelope.request_id, reply.response_code) == (n, codes[n % 4])


async def test_answers_keep_the_order_of_requests(bench: Bench, echo: Echo) -> None:
    gates = [echo.hold(n) for n in range(0, 1000, 7)]
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    writer.write(b"".join(blob(n) for n in range(1000)))
    await echo.heard(1000)
    for gate in reversed(gates):
        gate.set()
    assert await ids(reader, 1000) == list(range(1000))


async def test_an_answer_does_not_wait_for_later_ones(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(2)
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    writer.write(blob(1) + blob(2) + blob(3))
    assert await ids(reader, 1) == [1]
    gate.set()
    assert await ids(reader, 2) == [2, 3]


async def test_a_request_cut_anywhere(bench: Bench, echo: Echo) -> None:
    """The answer to the message before it shows that the door has read the first part."""
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    message = blob(2)
    for cut in range(1, len(message)):
        writer.write(blob(1) + message[:cut])
        assert await ids(reader, 1) == [1]
        writer.write(message[cut:])
        assert await next_message(reader) == message


async def test_octets_one_by_one(bench: Bench, node: NodeService) -> None:
    _, port = await bench.door(node)
    reader, writer = await bench.client(port)
    for octet in request(request_id=5) * 3:
        writer.write(bytes([octet]))
        await asyncio.sleep(0)  # one turn of the loop, so that many arrive alone
    assert [(await next_reply(reader)).response_code for _ in range(3)] == [1, 1, 1]


async def test_a_malformed_message_does_not_end_the_connection(
    bench: Bench, node: NodeService, state: NodeState
) -> None:
    _, port = await bench.door(node)
    reader, writer = await bench.client(port)
    writer.write(blob(11) + blob(12, 0) + request(request_id=13))
    replies = [await next_reply(reader) for _ in range(3)]
    assert [reply.envelope.request_id for reply in replies] == [11, 12, 13]
    assert replies[0].response_code != ResponseCode.SUCCESS
    assert replies[1].response_code == ResponseCode.PROTOCOL_ERROR
    assert replies[2].response_code == ResponseCode.SUCCESS
    assert state.counters.malformed == {("tcp", "malformed"): 2}


# What ends a connection


async def test_a_message_too_long(bench: Bench, node: NodeService, state: NodeState) -> None:
    _, port = await bench.door(node)
    reader, writer = await bench.client(port)
    too_long = encode_envelope(Envelope(request_id=9), MAX_MESSAGE + 1)
    writer.write(request(request_id=8) + too_long + b"more")
    assert (await next_reply(reader)).envelope.request_id == 8
    refusal = await next_reply(reader)
    assert (refusal.envelope.request_id, refusal.response_code) == (9, ResponseCode.ERROR)
    assert await reader.read() == b""
    assert state.counters.malformed[("tcp", "oversize")] == 1


async def test_the_longest_message(bench: Bench, echo: Echo) -> None:
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    writer.write(blob(3, MAX_MESSAGE))
    assert await next_message(reader) == blob(3, MAX_MESSAGE)


async def test_half_a_message(bench: Bench, echo: Echo) -> None:
    _, port = await bench.door(echo, message_s=0.05, tick_s=0.01)
    reader, writer = await bench.client(port)
    writer.write(blob(1) + blob(2)[:-1])
    assert await ids(reader, 1) == [1]
    assert await reader.read() == b""
    assert await echo.rejections.get() == ("tcp", "timeout")
    assert echo.rejections.empty()


async def test_the_time_of_a_message_starts_with_its_own_first_octet(
    bench: Bench, echo: Echo
) -> None:
    """A busy client's reads end in the middle of a message more often than not."""
    door, port = await bench.door(echo, message_s=5.0)
    reader, writer = await bench.client(port)
    writer.write(blob(1) + blob(2)[:9])
    await ids(reader, 1)
    second_begun_before = time.monotonic()
    writer.write(blob(2)[9:] + blob(3)[:9])
    await ids(reader, 1)
    for connection in door.connections:
        connection.check(second_begun_before + 5.0)
    writer.write(blob(3)[9:])
    assert await ids(reader, 1) == [3]
    assert echo.rejections.empty()


async def test_a_message_that_the_door_does_not_read_is_not_late(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(1)
    door, port = await bench.door(echo, message_s=5.0)
    reader, writer = await bench.client(port)
    writer.write(blob(1) * MAX_PENDING + blob(2)[:9])
    await echo.heard(MAX_PENDING)
    for connection in door.connections:
        connection.check(time.monotonic() + 1000)
    gate.set()
    assert await ids(reader, MAX_PENDING) == [1] * MAX_PENDING
    writer.write(blob(2)[9:])
    assert await ids(reader, 1) == [2]
    assert echo.rejections.empty()


async def test_a_silent_client(bench: Bench, echo: Echo) -> None:
    _, port = await bench.door(echo, idle_s=0.05, tick_s=0.01)
    reader, writer = await bench.client(port)
    writer.write(blob(1))
    assert await next_message(reader) == blob(1)
    assert await reader.read() == b""
    assert echo.rejections.empty()


async def test_a_client_that_waits_is_not_silent(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(1)
    door, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    writer.write(blob(1))
    await echo.heard(1)
    for connection in door.connections:
        connection.check(time.monotonic() + 1e6)
    gate.set()
    assert await ids(reader, 1) == [1]


async def test_a_client_that_only_shuts_its_writing_side(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(2)
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    writer.write(blob(1) + blob(2) + blob(3))
    writer.write_eof()
    await echo.heard(3)
    assert await ids(reader, 1) == [1]
    gate.set()
    assert await ids(reader, 2) == [2, 3]
    assert await reader.read() == b""


async def test_a_stream_that_ends_within_a_message(
    bench: Bench, node: NodeService, state: NodeState
) -> None:
    _, port = await bench.door(node)
    reader, writer = await bench.client(port)
    writer.write(request(request_id=1) + request(request_id=2)[:-5])
    writer.write_eof()
    assert (await next_reply(reader)).response_code == ResponseCode.SUCCESS
    refusal = await next_reply(reader)
    assert (refusal.envelope.request_id, refusal.response_code) == (2, ResponseCode.PROTOCOL_ERROR)
    assert await reader.read() == b""
    assert state.counters.malformed[("tcp", "half-closed")] == 1


async def test_a_client_gone_before_its_answer(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(1)
    door, port = await bench.door(echo)
    gone = socket.create_connection(("127.0.0.1", port))
    gone.sendall(blob(1))
    await echo.heard(1)
    reset(gone)
    reader, writer = await bench.client(port)
    for number in (2, 3, 4):
        writer.write(blob(number))
        assert await ids(reader, 1) == [number]
    gate.set()
    writer.write(blob(5))
    assert await ids(reader, 1) == [5]
    assert len(door.connections) == 1
    assert door.per_client == {"127.0.0.1": 1}


async def test_a_client_gone_before_it_was_let_in(bench: Bench, echo: Echo) -> None:
    """The loop does not accept while this function runs: when it does, there is no peer."""
    door, port = await bench.door(echo)
    gone = socket.create_connection(("127.0.0.1", port))
    reset(gone)
    reader, writer = await bench.client(port)
    writer.write(blob(1))
    assert await ids(reader, 1) == [1]
    assert len(door.connections) == 1
    assert door.per_client == {"127.0.0.1": 1}


# Limits


async def test_too_many_connections(bench: Bench, echo: Echo) -> None:
    door, port = await bench.door(echo, connections=2)
    first, second = [await bench.client(port) for _ in range(2)]
    for number, (reader, writer) in enumerate((first, second)):
        writer.write(blob(number))
        assert await ids(reader, 1) == [number]
    third, _ = await bench.client(port)
    assert await third.read() == b""
    assert await echo.rejections.get() == ("tcp", "too many connections")
    first[1].write_eof()
    assert await first[0].read() == b""
    fourth, writer = await bench.client(port)
    writer.write(blob(4))
    assert await ids(fourth, 1) == [4]
    assert door.per_client == {"127.0.0.1": 2}
    assert echo.rejections.empty()


async def test_too_many_connections_of_one_client(bench: Bench, echo: Echo) -> None:
    _, port = await bench.door(echo, connections_per_client=1)
    first, writer = await bench.client(port)
    writer.write(blob(1))
    assert await ids(first, 1) == [1]
    second, _ = await bench.client(port)
    assert await second.read() == b""
    assert await echo.rejections.get() == ("tcp", "too many connections")
    other, writer = await bench.client(port, came_from="127.0.0.2")
    writer.write(blob(2))
    assert await ids(other, 1) == [2]


async def test_a_client_that_does_not_read(bench: Bench, echo: Echo) -> None:
    """16 MiB asked, and no answer read: the door stops reading long before."""
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    count, octets = 256, 1 << 16
    for number in range(count):
        writer.write(blob(number, octets))
    await stalled(echo, count)
    assert echo.octets < 8 << 20
    assert await ids(reader, count) == list(range(count))


async def test_a_client_that_asks_faster_than_it_can_be_answered(bench: Bench, echo: Echo) -> None:
    """Of 20,000 requests the door takes MAX_PENDING and what one read brings."""
    gate = echo.hold(0)
    _, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    count, octets = 20_000, len(blob(0))
    writer.write(blob(0) * count)
    await echo.heard(MAX_PENDING)
    await stalled(echo, count - MAX_PENDING)
    assert echo.octets // octets <= MAX_PENDING + (1 << 18) // octets
    gate.set()
    assert await ids(reader, count) == [0] * count


# Closing


async def test_a_closed_door_answers_what_was_asked(bench: Bench, echo: Echo) -> None:
    gate = echo.hold(2)
    door, port = await bench.door(echo)
    reader, writer = await bench.client(port)
    idle, _ = await bench.client(port)
    writer.write(blob(1) + blob(2) + blob(3))
    await echo.heard(3)
    closing = asyncio.create_task(door.close())
    assert await ids(reader, 1) == [1]
    assert await idle.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await bench.client(port)
    assert not closing.done()
    gate.set()
    assert await ids(reader, 2) == [2, 3]
    assert await reader.read() == b""
    await closing
    assert not door.connections


async def test_a_closed_door_does_not_wait_for_a_client_that_does_not_read(
    bench: Bench, echo: Echo
) -> None:
    door, port = await bench.door(echo, drain_s=0.05)
    _, writer = await bench.client(port)
    for number in range(256):
        writer.write(blob(number, 1 << 16))
    await stalled(echo, 256)
    async with asyncio.timeout(2):
        await door.close()
    assert not door.connections


async def test_a_closed_door_does_not_wait_for_an_answer_that_never_comes(
    bench: Bench, echo: Echo
) -> None:
    gate = echo.hold(1)
    door, port = await bench.door(echo, answer_s=0.05)
    reader, writer = await bench.client(port)
    writer.write(blob(1))
    await echo.heard(1)
    await door.close()
    assert await reader.read() == b""
    assert not door.connections
    gate.set()
    await echo.answered.get()


async def test_closing_twice(bench: Bench, echo: Echo) -> None:
    door, _ = await bench.door(echo)
    await door.close()
    await door.close()
