"""The control plane's door beside the Handle protocol on one port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from resolver.model.errors import RefusedError, UpstreamError
from resolver.transport import rpc
from resolver.transport.tcp import TcpDoor, serve_tcp
from resolver.upstream.control import CallError, ControlPeer
from resolver.wire.rpc import Call, Result, RpcReader, encode_call, encode_result
from tests.transport.echo import Echo, request

SECRET = b"s" * 32


@dataclass
class Control:
    """Answers some calls, and remembers who called."""

    name: str = "works"
    secret: bytes = SECRET
    private: frozenset[str] = frozenset()
    heard: list[tuple[str, str]] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def turned_away(self, kind: str, reason: str) -> None:
        self.away.append(kind)

    def call(self, peer: str, method: str, params: list[Any]) -> Any:
        self.heard.append((peer, method))
        match method:
            case "echo":
                return params
            case "wait":
                return self.waited(params)
            case "refuse":
                raise RefusedError("not today")
        raise RefusedError(f"no {method}")

    async def waited(self, params: list[Any]) -> Any:
        await self.gate.wait()
        if not params:
            raise RefusedError("nothing to say")
        return params


pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def service() -> Echo:
    service = Echo()
    service.control = Control()
    return service


@pytest.fixture
async def door(service: Echo) -> AsyncIterator[tuple[TcpDoor, int]]:
    sock = socket.create_server(("127.0.0.1", 0))
    door = await serve_tcp(service, sock)
    yield door, sock.getsockname()[1]
    await door.close()


async def connect(port: int, secret: bytes = SECRET) -> ControlPeer:
    return await ControlPeer.open("127.0.0.1", port, name="optics", secret=secret)


async def test_calls(service: Echo, door: tuple[TcpDoor, int]):
    peer = await connect(door[1])
    assert await peer.call("echo", 1, "two", b"\xff") == [1, "two", b"\xff"]
    with pytest.raises(CallError, match="not today"):
        await peer.call("refuse")
    waiting = [asyncio.create_task(peer.call("wait", number)) for number in range(3)]
    nothing = asyncio.create_task(peer.call("wait"))
    assert await peer.call("echo") == []
    service.control.gate.set()
    assert await asyncio.gather(*waiting) == [[0], [1], [2]]
    with pytest.raises(CallError, match="nothing to say"):
        await nothing
    assert set(service.control.heard) == {
        ("optics", method) for method in ("echo", "refuse", "wait")
    }
    await peer.close()


@pytest.mark.parametrize(
    ("peer", "own", "near"),
    [
        (("127.0.0.1", 5), ("127.0.0.1", 2641), True),
        (("::1", 5, 0, 0), ("::1", 2641, 0, 0), True),
        (("127.0.0.2", 5), ("127.0.0.1", 2641), True),
        (("192.0.2.7", 5), ("192.0.2.7", 2641), True),
        (("192.0.2.8", 5), ("192.0.2.7", 2641), False),
        (None, ("127.0.0.1", 2641), False),
    ],
)
def test_who_is_on_this_machine(peer: Any, own: Any, near: bool):
    class Ends(asyncio.Transport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return {"peername": peer, "sockname": own}[name]

    assert rpc.is_near(Ends()) is near


@pytest.mark.parametrize("near", [True, False])
async def test_what_is_private_is_for_callers_on_this_machine(
    service: Echo, door: tuple[TcpDoor, int], near: bool, monkeypatch: pytest.MonkeyPatch
):
    service.control.private = frozenset({"echo"})
    monkeypatch.setattr(rpc, "is_near", lambda transport: near)
    peer = await connect(door[1])
    if near:
        assert await peer.call("echo", 1) == [1]
    else:
        with pytest.raises(CallError, match="echo can be called on this machine only"):
            await peer.call("echo", 1)
    with pytest.raises(CallError, match="not today"):
        await peer.call("refuse")
    await peer.close()


async def test_both_sides_must_know_the_secret(service: Echo, door: tuple[TcpDoor, int]):
    with pytest.raises(UpstreamError, match="another network"):
        await connect(door[1], b"another secret")
    assert service.control.heard == []


async def test_who_does_not_prove_it_is_turned_away(service: Echo, door: tuple[TcpDoor, int]):
    for calls in (
        [Call(1, "echo", [])],
        [Call(1, "prove", [b"x" * 32])],
        [Call(1, "hello", ["optics", b"n" * 16]), Call(2, "prove", [b"x" * 32])],
        [Call(1, "hello", ["optics", b"n" * 16]), Call(2, "echo", [])],
        [Call(1, "hello", ["optics", b"short"])],
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", door[1])
        writer.write(b"".join(map(encode_call, calls)))
        frames = RpcReader().feed(await reader.read())
        assert isinstance(frames[-1], Result)
        assert "prove first" in (frames[-1].error or "")
        writer.close()
    assert service.control.heard == []
    assert service.control.away == ["unproved"] * 5


@pytest.mark.parametrize(
    "octets",
    [
        b"\x94" * 50_000,
        b"\x94\xc1",
        encode_call(Call(1, "hello", ["x" * 5000, b"n" * 16])),
        encode_result(Result(1, None, 1)),
    ],
)
async def test_rubbish_closes_the_connection(
    service: Echo, door: tuple[TcpDoor, int], octets: bytes
):
    reader, writer = await asyncio.open_connection("127.0.0.1", door[1])
    writer.write(octets)
    assert await reader.read() == b""
    assert service.control.away == ["malformed"]
    writer.close()


async def test_who_says_nothing_is_not_waited_for(
    door: tuple[TcpDoor, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rpc, "AUTHENTICATION_S", 0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", door[1])
    writer.write(b"\x94")
    assert await reader.read() == b""
    writer.close()


async def test_the_handle_protocol_goes_on_beside_it(service: Echo, door: tuple[TcpDoor, int]):
    peer = await connect(door[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", door[1])
    writer.write(request())
    assert await reader.readexactly(len(request()))
    writer.close()
    assert await peer.call("echo") == []
    await peer.close()


async def test_a_node_without_a_control_plane(service: Echo, door: tuple[TcpDoor, int]):
    service.control = None
    reader, writer = await asyncio.open_connection("127.0.0.1", door[1])
    writer.write(encode_call(Call(1, "hello", ["optics", b"n" * 16])))
    writer.write_eof()
    await reader.read()
    writer.close()
    assert service.rejections.get_nowait()[0] == "tcp"


async def test_the_end_of_a_door_ends_its_connections(door: tuple[TcpDoor, int]):
    peer = await connect(door[1])
    waiting = asyncio.create_task(peer.call("wait", 1))
    await peer.call("echo")
    await door[0].close()
    with pytest.raises(UpstreamError, match=r"closed the connection|gone"):
        await waiting
    with pytest.raises(UpstreamError, match="gone"):
        await peer.call("echo")
    await peer.close()


async def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(UpstreamError, match="cannot be reached"):
        await connect(port)


async def test_only_so_many_calls_wait(
    door: tuple[TcpDoor, int], service: Echo, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rpc, "MAX_WAITING", 2)
    peer = await connect(door[1])
    waiting = [asyncio.create_task(peer.call("wait", number)) for number in range(3)]
    with pytest.raises(CallError, match="too many calls"):
        await waiting[2]
    service.control.gate.set()
    assert await asyncio.gather(*waiting[:2]) == [[0], [1]]
    await peer.close()
