"""What one process of a node hands to another: connections, datagrams, in pieces if long."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from resolver.cluster.sockets import link
from resolver.server.crew import FirstProcess, Others
from resolver.transport.batches import Address
from resolver.transport.elsewhere import HTTP, TCP


@dataclass
class Crew:
    """Both ends of a link, in one process."""

    first: FirstProcess
    connections: asyncio.Queue[tuple[str, socket.socket, bytes]] = field(
        default_factory=asyncio.Queue
    )
    datagrams: asyncio.Queue[tuple[int, bytes, Address]] = field(default_factory=asyncio.Queue)


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    links = link(2)
    crew = Crew(FirstProcess(links.of(1)[0]))

    def connection(kind: str):
        return lambda sock, data: crew.connections.put_nowait((kind, sock, data))

    def datagram(door: int):
        return lambda message, sender: crew.datagrams.put_nowait((door, message, sender))

    others = Others(
        links.of(0), {kind: connection(kind) for kind in (TCP, HTTP)}, [datagram(0), datagram(1)]
    )
    yield crew
    others.close()
    while not crew.connections.empty():
        crew.connections.get_nowait()[1].close()
    for end in links.all():
        end.close()


@pytest.mark.parametrize("octets", [0, 1, 59_999, 60_000, 60_001, 300_000])
async def test_a_connection_and_what_was_read_of_it(crew: Crew, octets: int) -> None:
    data = bytes(range(256)) * (octets // 256 + 1)
    ours, theirs = socket.socketpair()
    with ours:
        assert crew.first.take_connection(TCP, theirs, data[:octets])
        theirs.close()
        kind, sock, read = await crew.connections.get()
        assert (kind, read) == (TCP, data[:octets])
        with sock:
            assert not sock.getblocking()
            sock.send(b"answer")
            assert ours.recv(100) == b"answer"


async def test_several_in_their_order(crew: Crew) -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    for number, (_, theirs) in enumerate(pairs):
        assert crew.first.take_connection(HTTP, theirs, bytes([number]) * 100_000)
        theirs.close()
    for number, (ours, _) in enumerate(pairs):
        kind, sock, read = await crew.connections.get()
        assert (kind, read) == (HTTP, bytes([number]) * 100_000)
        sock.send(bytes([number]))
        sock.close()
        assert ours.recv(100) == bytes([number])
        ours.close()


@pytest.mark.parametrize("sender", [("127.0.0.1", 7), ("::1", 7, 0, 0)])
async def test_a_datagram(crew: Crew, sender: Address) -> None:
    assert crew.first.take_datagram(1, b"x" * 100_000, sender)
    assert await crew.datagrams.get() == (1, b"x" * 100_000, sender)


async def test_no_room() -> None:
    """The first process does not read: it hangs, or is being started."""
    links = link(2)
    first = FirstProcess(links.of(1)[0])
    taken = 0
    while first.take_datagram(0, b"x" * 1000, ("127.0.0.1", 7)):
        taken += 1
        assert taken < 1_000_000
    assert taken > 10
    for end in links.all():
        end.close()
