"""Requests to servers of foreign make over TCP."""

import asyncio
import socket

import pytest

from resolver.model.errors import UpstreamError
from resolver.upstream.tcp import BUSY, ConnectionLost, TcpPeer
from resolver.wire.envelope import MAX_MESSAGE
from tests.upstream.foreign import (
    Foreign,
    blob,
    connected_to,
    echoing,
    id_of,
    next_message,
    payload,
    silent,
    unused_port,
    with_id,
)

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


pytestmark = pytest.mark.timeout(10)


async def ask(peer: TcpPeer, text: str) -> bytes:
    return payload(await peer.ask(blob(text))).rstrip(b".")


# Keeping connections


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_one_connection_for_all_requests(foreign: Foreign, host: str) -> None:
    server, port = await foreign.tcp(echoing, host)
    peer = TcpPeer(host, port)
    assert [await ask(peer, text) for text in "abc"] == [b"a", b"b", b"c"]
    assert server.accepted == 1
    await peer.close()


async def test_answers_find_their_requests_in_any_order(foreign: Foreign) -> None:
    async def backwards(reader: Reader, writer: Writer) -> None:
        messages = [await next_message(reader) for _ in range(500)]
        assert len({id_of(message) for message in messages}) == 500
        writer.write(b"".join(reversed(messages)))
        await reader.read()

    server, port = await foreign.tcp(backwards)
    peer = TcpPeer("127.0.0.1", port, connections=1)
    texts = [str(number) for number in range(500)]
    answers = await asyncio.gather(*(ask(peer, text) for text in texts))
    assert answers == [text.encode() for text in texts]
    assert server.accepted == 1
    await peer.close()


async def test_answers_nobody_waits_for(foreign: Foreign) -> None:
    async def chatty(reader: Reader, writer: Writer) -> None:
        message = await next_message(reader)
        forged = with_id(blob("forged"), id_of(message) ^ 1)
        writer.write(forged + message + message)
        await echoing(reader, writer)

    _, port = await foreign.tcp(chatty)
    peer = TcpPeer("127.0.0.1", port)
    assert await ask(peer, "a") == b"a"
    assert await ask(peer, "b") == b"b"
    await peer.close()


async def test_another_connection_when_many_wait(foreign: Foreign) -> None:
    """One slow answer does not hold back all that come after it."""
    slow = asyncio.Event()

    async def one_slow(reader: Reader, writer: Writer) -> None:
        while True:
            message = await next_message(reader)
            if payload(message).startswith(b"slow"):
                await slow.wait()
            writer.write(message)

    server, port = await foreign.tcp(one_slow)
    peer = TcpPeer("127.0.0.1", port)
    held = asyncio.create_task(peer.ask(blob("slow")))
    others = [asyncio.create_task(ask(peer, str(number))) for number in range(2 * BUSY - 2)]
    await asyncio.wait(others[BUSY:])
    assert server.accepted == 2
    assert not any(task.done() for task in (held, *others[: BUSY - 1]))
    slow.set()
    await asyncio.gather(held, *others)
    await peer.close()


# Servers that hang up


async def test_a_server_that_answers_one_request_per_connection(foreign: Foreign) -> None:
    """As Handle.Net's do: what was pipelined behind the first request is asked again."""

    async def once(reader: Reader, writer: Writer) -> None:
        writer.write(await next_message(reader))

    server, port = await foreign.tcp(once)
    peer = TcpPeer("127.0.0.1", port)
    texts = [str(number) for number in range(20)]
    answers = await asyncio.gather(*(ask(peer, text) for text in texts))
    assert answers == [text.encode() for text in texts]
    assert server.accepted == 20
    assert await ask(peer, "later") == b"later"
    assert server.accepted == 21
    await peer.close()


async def test_a_connection_closed_while_it_was_idle(foreign: Foreign) -> None:
    async def thrice(reader: Reader, writer: Writer) -> None:
        for _ in range(3):
            writer.write(await next_message(reader))

    server, port = await foreign.tcp(thrice)
    peer = TcpPeer("127.0.0.1", port)
    for text in "abcdefg":
        assert await ask(peer, text) == text.encode()
    assert 3 <= server.accepted <= 5
    await peer.close()


async def test_a_server_that_hangs_up_without_an_answer(foreign: Foreign) -> None:
    async def rude(reader: Reader, writer: Writer) -> None:
        await next_message(reader)

    server, port = await foreign.tcp(rude)
    peer = TcpPeer("127.0.0.1", port)
    for _ in range(2):
        with pytest.raises(ConnectionLost, match=f"127.0.0.1:{port} closed the connection"):
            await peer.ask(blob())
    assert server.accepted == 2
    await peer.close()


async def test_nobody_listens() -> None:
    port = unused_port(socket.SOCK_STREAM)
    peer = TcpPeer("127.0.0.1", port)
    for _ in range(2):
        with pytest.raises(UpstreamError, match=f"127.0.0.1:{port} cannot be reached"):
            await peer.ask(blob())
    await peer.close()


async def test_nonsense(foreign: Foreign) -> None:
    """A length beyond all bounds; the next request gets a connection of its own."""

    async def nonsense(reader: Reader, writer: Writer) -> None:
        message = await next_message(reader)
        if payload(message).startswith(b"good"):
            writer.write(message)
        else:
            writer.write(message[:16] + (MAX_MESSAGE + 1).to_bytes(4, "big"))
        await reader.read()

    server, port = await foreign.tcp(nonsense)
    peer = TcpPeer("127.0.0.1", port)
    with pytest.raises(UpstreamError, match="sent nonsense"):
        await peer.ask(blob("bad"))
    await server.ended.get()
    assert await ask(peer, "good") == b"good"
    await peer.close()


# Asking in vain, and closing


async def test_who_gives_up_leaves_nothing_behind(foreign: Foreign) -> None:
    asked: asyncio.Queue[bytes] = asyncio.Queue()
    late = asyncio.Event()

    async def hesitant(reader: Reader, writer: Writer) -> None:
        first = await next_message(reader)
        asked.put_nowait(first)
        await late.wait()
        writer.write(first)
        await echoing(reader, writer)

    server, port = await foreign.tcp(hesitant)
    peer = TcpPeer("127.0.0.1", port)
    asking = asyncio.create_task(peer.ask(blob("first")))
    await asked.get()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    late.set()
    assert await ask(peer, "second") == b"second"
    assert server.accepted == 1
    await peer.close()


async def test_one_who_gives_up_does_not_take_the_others_connection(foreign: Foreign) -> None:
    server, port = await foreign.tcp(echoing)
    peer = TcpPeer("127.0.0.1", port)
    first = asyncio.create_task(peer.ask(blob("first")))
    second = asyncio.create_task(ask(peer, "second"))
    asyncio.get_running_loop().call_soon(first.cancel)
    assert await second == b"second"
    await asyncio.gather(first, return_exceptions=True)
    assert server.accepted == 1
    await peer.close()


async def test_closing_ends_what_is_asked(foreign: Foreign) -> None:
    second = asyncio.Event()

    async def one_answer(reader: Reader, writer: Writer) -> None:
        writer.write(await next_message(reader))
        await next_message(reader)
        second.set()
        await silent(reader, writer)

    server, port = await foreign.tcp(one_answer)
    peer = TcpPeer("127.0.0.1", port)
    assert await ask(peer, "first") == b"first"
    asking = asyncio.create_task(peer.ask(blob("second")))
    await second.wait()
    await peer.close()
    with pytest.raises(UpstreamError, match="closed"):
        await asking
    assert server.accepted == 1


async def test_closing_lets_go_of_all_sockets(foreign: Foreign) -> None:
    server, port = await foreign.tcp(echoing)
    peer = TcpPeer("127.0.0.1", port)
    await asyncio.gather(*(ask(peer, str(number)) for number in range(10)))
    assert connected_to(port) == 1
    await peer.close()
    assert connected_to(port) == 0
    await server.ended.get()
    await peer.close()


async def test_closing_while_connecting() -> None:
    """A full backlog: the connection neither comes about nor fails."""
    with socket.socket() as listener, socket.socket() as filler, socket.socket() as another:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for sock in (filler, another):
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        host, port = listener.getsockname()
        fillers = connected_to(port)
        peer = TcpPeer(host, port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await peer.ask(blob())
        asking = asyncio.create_task(peer.ask(blob()))
        await asyncio.wait({asking}, timeout=0.05)
        assert connected_to(port) == fillers + 1
        await peer.close()
        with pytest.raises(UpstreamError, match="was closed"):
            await asking
        assert connected_to(port) == fillers
