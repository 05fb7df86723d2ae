"""A small network of real nodes behind real sockets: root → wuhan → optics → works, and a recursive
node in front. Test modules take the fixtures ``network`` and ``foreign_network`` from here."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from resolver.model.site import Interface, Protocol, Purpose, Server, Site
from resolver.model.value import HandleValue
from resolver.node.node import Node
from resolver.node.state import NodeState
from resolver.server.clock import SystemClock
from resolver.server.faults import Faults
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.transport.http import serve_http
from resolver.transport.tcp import serve_tcp
from resolver.transport.udp import serve_udp
from resolver.upstream.exchange import Upstream
from resolver.wire.typed import encode_site
from resolver.wire.values import ValueList
from tests.support.nodes import node_state

TRANSPORTS = (("tcp", Protocol.TCP), ("udp", Protocol.UDP), ("http", Protocol.HTTP))


@dataclass
class Ports:
    """The sockets of one node, bound before anybody needs to know their ports."""

    tcp: socket.socket = field(default_factory=lambda: _bound(socket.SOCK_STREAM))
    udp: socket.socket = field(default_factory=lambda: _bound(socket.SOCK_DGRAM))
    http: socket.socket = field(default_factory=lambda: _bound(socket.SOCK_STREAM))

    def address(self, transport: str) -> str:
        return f"127.0.0.1:{getattr(self, transport).getsockname()[1]}"


def _bound(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(("127.0.0.1", 0))
    return sock


class LiveNetwork:
    """Nodes by name; ``address(name, transport)`` says where one listens. Without ``http`` nobody
    has an HTTP door, as if all were of foreign make."""

    def __init__(self, *, http: bool = True) -> None:
        self.transports = dict(TRANSPORTS if http else TRANSPORTS[:2])
        names = ("root", "wuhan", "optics", "works", "recursive")
        self.ports = {name: Ports() for name in names}
        self.states: dict[str, NodeState] = {}
        self.services: dict[str, NodeService] = {}
        self.faults: dict[str, Faults] = {}
        self.running = AsyncExitStack()
        for ports in self.ports.values():
            for sock in (ports.tcp, ports.udp, ports.http):
                self.running.callback(sock.close)

    def address(self, name: str, transport: str = "tcp") -> str:
        return self.ports[name].address(transport)

    def site(self, name: str) -> Site:
        interfaces = tuple(
            Interface(Purpose.BOTH, protocol, int(self.address(name, transport).split(":")[1]))
            for transport, protocol in self.transports.items()
        )
        server = Server(1, ip_address("127.0.0.1"), b"", interfaces)
        return Site((server,), attributes=(("name", name),))

    def site_value(self, index: int, type_: str, name: str) -> HandleValue:
        return HandleValue(index, type_, encode_site(self.site(name)))

    async def start(
        self,
        name: str,
        role: str,
        *,
        homes: Iterable[str] = (),
        delegates: Iterable[str] = (),
        records: Iterable[tuple[str, Iterable[HandleValue]]] = (),
        hints: Iterable[tuple[str, str]] = (),
    ) -> None:
        state = self.states[name] = node_state(
            name,
            role,
            self.site(name),
            homes=homes,
            delegates=delegates,
            records=((handle, ValueList.of(values)) for handle, values in records),
            hints=((prefix, self.site(to)) for prefix, to in hints),
        )
        upstream = Upstream()
        self.running.push_async_callback(upstream.close)
        faults = self.faults[name] = Faults(SystemClock())
        service = NodeService(
            Node(state, ROLES[role].chain), upstream, SystemClock(), faults=faults
        )
        self.services[name] = service
        self.running.push_async_callback(service.close)
        ports = self.ports[name]
        self.running.push_async_callback((await serve_tcp(service, ports.tcp)).close)
        self.running.push_async_callback((await serve_udp(service, ports.udp)).close)
        if "http" in self.transports:
            self.running.push_async_callback((await serve_http(service, ports.http)).close)
        self.running.callback(faults.close)


def text(index: int, type_: str, data: str, **fields: int) -> HandleValue:
    return HandleValue(index, type_, data.encode(), **fields)


async def start_four_tiers(network: LiveNetwork) -> None:
    await network.start(
        "root",
        "root",
        delegates=[""],
        records=[("0.NA/88", [network.site_value(2, "HS_SITE.PREFIX", "wuhan")])],
    )
    await network.start(
        "wuhan",
        "top-level",
        delegates=["88"],
        hints=[("", "root")],
        records=[
            (
                "0.NA/88.901",
                [
                    network.site_value(1, "HS_SITE", "optics"),
                    network.site_value(2, "HS_SITE.PREFIX", "optics"),
                ],
            )
        ],
    )
    await network.start(
        "optics",
        "secondary",
        homes=["88.901"],
        delegates=["88.901"],
        records=[("0.NA/88.901.1", [network.site_value(1, "HS_SITE", "works")])],
    )
    loop_of_aliases = [
        (f"88.901.1/loop{n}", [text(1, "HS_ALIAS", f"88.901.1/loop{(n + 1) % 3}")])
        for n in range(3)
    ]
    endless = [
        (f"88.901.1/chain{n}", [text(1, "HS_ALIAS", f"88.901.1/chain{n + 1}")]) for n in range(12)
    ]
    await network.start(
        "works",
        "enterprise",
        homes=["88.901.1"],
        hints=[("", "root")],
        records=[
            (
                "88.901.1/motor",
                [
                    text(1, "URL", "https://example.com/motor"),
                    text(2, "DESC", "电机", ttl=600),
                    text(3, "url.mirror", "https://example.org/motor"),
                ],
            ),
            ("88.901.1/latest", [text(1, "HS_ALIAS", "88.901.1/MOTOR")]),
            ("88.901.1/dangling", [text(1, "HS_ALIAS", "88.901.1/nothing")]),
            ("88.901.1/large", [text(n, "NOTE", "x" * 1000) for n in range(1, 21)]),
            ("88.901.1/a%2F /标?#&", [text(1, "DESC", "awkward name")]),
            *loop_of_aliases,
            *endless,
        ],
    )
    await network.start("recursive", "recursive", hints=[("", "root")])


@pytest.fixture
async def network() -> AsyncIterator[LiveNetwork]:
    network = LiveNetwork()
    async with network.running:
        await start_four_tiers(network)
        yield network


@pytest.fixture
async def foreign_network() -> AsyncIterator[LiveNetwork]:
    network = LiveNetwork(http=False)
    async with network.running:
        await start_four_tiers(network)
        yield network
