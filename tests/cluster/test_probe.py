"""What the probe says of nodes that answer, and of what stands where a node should."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from resolver.cluster.probe import OK, Health, probe
from resolver.cluster.state import NodeState
from tests.support.live_network import LiveNetwork, network

__all__ = ["network"]

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


async def test_nodes_that_answer_through_every_door(network: LiveNetwork):
    nodes = [
        node(name, *(int(network.address(name, t).split(":")[1]) for t in ("tcp", "http")))
        for name in network.states
    ]
    anywhere = node("anywhere", nodes[0].port, nodes[0].http_port, "0.0.0.0")
    health = await probed(*nodes, anywhere)
    assert set(health) == {*network.states, "anywhere"}
    assert set(health.values()) == {Health(OK, OK, OK)}
    assert {one.summary for one in health.values()} == {OK}


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    health = (await probed(node("works", port, port)))["works"]
    assert "refused" in health.udp
    assert "refused" in health.tcp
    assert "refused" in health.http
    assert health.summary == f"udp: {health.udp}"


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


async def test_one_that_is_silent_does_not_keep_the_others(
    network: LiveNetwork, silent: tuple[int, int]
):
    port, http_port = (int(network.address("root", t).split(":")[1]) for t in ("tcp", "http"))
    began = asyncio.get_running_loop().time()
    health = await probed(*(node(f"n{n}", *silent) for n in range(20)), node("r", port, http_port))
    assert asyncio.get_running_loop().time() - began < 10 * TIMEOUT_S
    assert health["r"].summary == OK
