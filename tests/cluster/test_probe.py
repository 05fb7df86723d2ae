"""What the probe says of nodes that answer, and of what stands where a node should."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from resolver.cluster.probe import OK, Health, probe
from resolver.cluster.state import NodeState

TIMEOUT_S = 0.3


def node(name: str, port: int, http_port: int, address: str = "127.0.0.1") -> NodeState:
    return NodeState(name, "enterprise", "", "", address, port, http_port, name)


async def probed(*nodes: NodeState) -> dict[str, Health]:
    # The probe has an event loop of its own.
    return await asyncio.to_thread(probe, nodes, timeout=TIMEOUT_S)


@pytest.fixture
def silent() -> Iterator[tuple[int, int]]:
    """A port for UDP and TCP, and one for HTTP, where connections are taken and nothing is said."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", 0)) as http,
    ):
        udp.bind(tcp.getsockname())
        yield tcp.getsockname()[1], http.getsockname()[1]


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    health = (await probed(node("works", port, port)))["works"]
    assert health.summary.startswith(f"udp: 127.0.0.1:{port} cannot be reached: ")
    assert health.tcp.startswith(f"127.0.0.1:{port} cannot be reached: ")
    assert health.http == "Connection refused"


async def test_nobody_answers(silent: tuple[int, int]):
    health = (await probed(node("works", *silent)))["works"]
    assert health == Health(*["no answer in 0.3 s"] * 3)


async def test_something_else_answers():
    """An HTTP server on both ports: it takes a request of the Handle protocol for nonsense."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.write_eof()
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        health = (await probed(node("works", port, port)))["works"]
    assert health.tcp not in (OK, "no answer in 0.3 s")
    assert health.http == "HTTP/1.1 400 Bad Request"


async def test_the_silent_are_waited_for_together(silent: tuple[int, int]):
    began = time.monotonic()
    health = await probed(*(node(f"n{number}", *silent) for number in range(30)))
    assert time.monotonic() - began < 10 * TIMEOUT_S
    assert len(health) == 30
    assert OK not in {one.summary for one in health.values()}
