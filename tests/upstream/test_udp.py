"""Requests to servers of foreign make over UDP."""

import asyncio
import socket

import pytest

from resolver.model.errors import UpstreamError
from resolver.upstream.udp import UdpPeer
from resolver.wire.fragments import Reassembler, fragment
from tests.upstream.foreign import (
    Foreign,
    UdpServer,
    blob,
    echo_datagram,
    id_of,
    no_datagram,
    payload,
    unused_port,
    with_id,
)

QUICK = (0.02, 0.02, 0.02)
Address = tuple[str, int]


pytestmark = pytest.mark.timeout(10)


async def ask(peer: UdpPeer, text: str) -> bytes:
    return payload(await peer.ask(blob(text))).rstrip(b".")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_requests_from_one_socket(foreign: Foreign, host: str) -> None:
    askers: set[Address] = set()

    def remember(server: UdpServer, data: bytes, address: Address) -> None:
        askers.add(address)
        echo_datagram(server, data, address)

    server = await foreign.udp(remember, host)
    peer = UdpPeer(host, server.port)
    texts = [str(number) for number in range(50)]
    assert await asyncio.gather(*(ask(peer, text) for text in texts)) == [
        text.encode() for text in texts
    ]
    assert len(askers) == 1
    await peer.close()


async def test_answers_find_their_requests_in_any_order(foreign: Foreign) -> None:
    waiting: list[bytes] = []

    def backwards(server: UdpServer, data: bytes, address: Address) -> None:
        waiting.append(data)
        if len(waiting) == 50:
            for message in reversed(waiting):
                echo_datagram(server, message, address)

    server = await foreign.udp(backwards)
    peer = UdpPeer("127.0.0.1", server.port)
    texts = [str(number) for number in range(50)]
    assert await asyncio.gather(*(ask(peer, text) for text in texts)) == [
        text.encode() for text in texts
    ]
    assert len({id_of(message) for message in waiting}) == 50
    await peer.close()


async def test_long_messages_both_ways(foreign: Foreign) -> None:
    reassembler = Reassembler()

    def whole(server: UdpServer, data: bytes, address: Address) -> None:
        message = reassembler.feed(data, address, 0.0)
        if message is not None:
            for datagram in reversed(fragment(message)):
                echo_datagram(server, datagram, address)

    server = await foreign.udp(whole)
    peer = UdpPeer("127.0.0.1", server.port)
    assert await ask(peer, "x" * 5000) == b"x" * 5000
    await peer.close()


# Losses


async def test_a_lost_request_is_sent_again(foreign: Foreign) -> None:
    def third_time(server: UdpServer, data: bytes, address: Address) -> None:
        if server.arrivals.qsize() == 3:
            echo_datagram(server, data, address)

    server = await foreign.udp(third_time)
    peer = UdpPeer("127.0.0.1", server.port, (0.02, 0.02, 5.0))
    assert await ask(peer, "a") == b"a"
    first, second, third = [server.arrivals.get_nowait() for _ in range(3)]
    assert first == second == third
    await peer.close()


async def test_a_silent_server(foreign: Foreign) -> None:
    server = await foreign.udp(no_datagram)
    peer = UdpPeer("127.0.0.1", server.port, QUICK)
    with pytest.raises(UpstreamError, match=f"127.0.0.1:{server.port} did not answer over UDP"):
        await peer.ask(blob())
    assert [await server.arrivals.get() for _ in QUICK]
    assert server.arrivals.empty()
    await peer.close()


async def test_nobody_listens() -> None:
    peer = UdpPeer("127.0.0.1", unused_port(socket.SOCK_DGRAM))
    for _ in range(2):
        with pytest.raises(UpstreamError, match="cannot be reached"):
            await peer.ask(blob())
    await peer.close()


async def test_a_reply_that_stays_incomplete(foreign: Foreign) -> None:
    """The first fragment alone is no answer."""

    def first_only(server: UdpServer, data: bytes, address: Address) -> None:
        reply = with_id(blob("x" * 900), id_of(data))
        echo_datagram(server, fragment(reply)[0], address)

    server = await foreign.udp(first_only)
    peer = UdpPeer("127.0.0.1", server.port, QUICK)
    with pytest.raises(UpstreamError, match="did not answer"):
        await peer.ask(blob())
    await peer.close()


# Replies that are not the server's, or not to the request


async def test_forged_replies_are_not_heard(foreign: Foreign) -> None:
    """Another id; the right id from another port, or another address; octets that mean nothing."""
    stranger = await foreign.udp(no_datagram)
    neighbour = await foreign.udp(no_datagram, "127.0.0.2")

    def forging(server: UdpServer, data: bytes, address: Address) -> None:
        forged = with_id(blob("forged"), id_of(data))
        echo_datagram(stranger, forged, address)
        echo_datagram(neighbour, forged, address)
        for octets in (with_id(forged, id_of(data) ^ 1), b"", b"nonsense", forged[:30]):
            echo_datagram(server, octets, address)
        echo_datagram(server, data, address)

    server = await foreign.udp(forging)
    peer = UdpPeer("127.0.0.1", server.port)
    for text in ("a", "b"):
        assert await ask(peer, text) == text.encode()
    await peer.close()


async def test_an_answer_that_comes_twice(foreign: Foreign) -> None:
    def twice(server: UdpServer, data: bytes, address: Address) -> None:
        echo_datagram(server, data, address)
        echo_datagram(server, data, address)

    server = await foreign.udp(twice)
    peer = UdpPeer("127.0.0.1", server.port)
    for text in ("a", "b", "c"):
        assert await ask(peer, text) == text.encode()
    await peer.close()


# Giving up, and closing


async def test_who_gives_up_leaves_nothing_behind(foreign: Foreign) -> None:
    def late(server: UdpServer, data: bytes, address: Address) -> None:
        """Answers the first request only when the second is here."""
        if payload(data).startswith(b"second"):
            echo_datagram(server, first, address)
            echo_datagram(server, data, address)

    server = await foreign.udp(late)
    peer = UdpPeer("127.0.0.1", server.port)
    asking = asyncio.create_task(peer.ask(blob("first")))
    first = await server.arrivals.get()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await ask(peer, "second") == b"second"
    await peer.close()


async def test_closing_ends_what_is_asked(foreign: Foreign) -> None:
    server = await foreign.udp(no_datagram)
    peer = UdpPeer("127.0.0.1", server.port, (60.0,))
    asking = asyncio.create_task(peer.ask(blob()))
    await server.arrivals.get()
    await peer.close()
    with pytest.raises(UpstreamError, match="was closed"):
        await asking
    await peer.close()
