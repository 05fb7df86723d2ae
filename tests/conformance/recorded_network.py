"""The nodes that were recorded, played by ours: same records, same sites, real doors.

The recorded root, secondary and enterprise node with the records in tests/records, the caching and
the recursive node in front. Between the nodes messages travel in memory, because the recorded sites
name fixed ports; between a test and a node they travel through real sockets.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from resolver.model.codes import OpCode
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.model.site import Site
from resolver.model.value import Reference
from resolver.node.node import Node
from resolver.node.state import NodeState
from resolver.resolution import Ask, Reply
from resolver.server.clock import SystemClock
from resolver.server.keys import NetworkKey, load_or_make_key
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.storage import open_store
from resolver.transport.http import serve_http
from resolver.transport.tcp import serve_tcp
from resolver.transport.udp import serve_udp
from resolver.wire.answer import Client
from resolver.wire.envelope import Envelope
from resolver.wire.fragments import Reassembler
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.rest import record_from_json
from resolver.wire.typed import decode_site
from resolver.wire.values import ValueList
from tests.support.nodes import node_state
from tests.support.recorded import VECTORS

RECORDS: Final = Path(__file__).parents[1] / "records"


@dataclass(frozen=True)
class Recorded:
    """A recorded node: its role, its name in tests/vectors/keys, its records, what lives there."""

    role: str
    site: str
    records: str = ""
    homes: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()


NODES: Final = {
    2651: Recorded("root", "root", "root", delegates=("",)),
    2652: Recorded("secondary", "sec", "secondary", ("88.118", "88.200"), ("88.118",)),
    2641: Recorded("enterprise", "ent", "enterprise", ("88.118.8",)),
    2661: Recorded("recursive", "cache"),
    2662: Recorded("recursive", "rec"),
}
"""By the port of the recorded node."""

ANSWER_S: Final = 5.0
"""How long a test waits for an answer that must come."""

HTTP_PORT: Final = 8000
"""The recorded HTTP port; it belongs to the enterprise node."""


class RecordedNetwork:
    """The nodes, once started; ``port(recorded, kind)`` is where one really listens."""

    def __init__(self) -> None:
        self.running: Final = AsyncExitStack()
        self._services: Final[dict[int, NodeService]] = {}
        self._states: Final[list[NodeState]] = []
        self._ports: Final[dict[tuple[int, str], int]] = {}

    def port(self, recorded: int, transport: str) -> int:
        """Where the node listens that was recorded at port ``recorded``."""
        return self._ports[2641 if recorded == HTTP_PORT else recorded, transport]

    async def start(self, folder: Path) -> None:
        """Start all nodes; ``folder`` takes the key they sign with, and their records."""
        key = load_or_make_key(folder / "network.pem")
        for recorded, node in NODES.items():
            await self._start(recorded, node, key, folder / f"{node.site}.mdb")

    def state(self, recorded: int) -> NodeState:
        """The state of the node that was recorded at a port."""
        return self._states[list(NODES).index(recorded)]

    def service(self, recorded: int) -> NodeService:
        """The node that was recorded at a port, for another door."""
        return self._services[recorded]

    def forget(self) -> None:
        """Everything as at the start, so that no answer depends on what was asked before."""
        for state, node in zip(self._states, NODES.values(), strict=True):
            state.records.clear()
            state.routes.clear()
            for handle in list(state.store.handles()):
                state.store.delete(handle)
            if node.records:
                state.store.put_many(_records(node.records))

    def ask(self, ask: Ask, heard: Callable[[Reply | UpstreamError], None]) -> object:
        """Carry a question from one node to another."""
        try:
            outcome: Reply | UpstreamError = self._exchange(ask)
        except UpstreamError as error:
            outcome = error
        return asyncio.get_running_loop().call_soon(heard, outcome)

    def _exchange(self, ask: Ask) -> Reply:
        (port,) = {interface.port for interface in ask.site.servers[0].interfaces} & set(NODES)
        request = Message(
            envelope=Envelope(),
            op_code=OpCode.RESOLVE,
            flags=ask.flags,
            recursion_count=ask.recursion_count,
            body=ask.request,
        )
        client = Client(transport="tcp", host="127.0.0.1", port=1)
        replies = self._services[port].receive(encode_message(request), client)
        if not isinstance(replies, list):
            raise UpstreamTimeout(f"the node recorded at {port} asks others in turn")
        return Reply(decode_message(replies[0]), f"127.0.0.1:{port}", "tcp", 0.0)

    async def _start(self, recorded: int, node: Recorded, key: NetworkKey, file: Path) -> None:
        store = open_store("lmdb", file)
        self.running.callback(store.close)
        state = node_state(
            node.site,
            node.role,
            _site(node.site),
            homes=node.homes,
            delegates=node.delegates,
            records=_records(node.records) if node.records else (),
            hints=(("", _site("root")),),
            # The recorded servers had this key as server_admin with full access.
            administrators=(Reference("88.118.8/ADMIN", 300),),
            store=store,
        )
        self._states.append(state)
        service = NodeService(Node(state, ROLES[node.role].chain), self, SystemClock(), key)
        self.running.push_async_callback(service.close)
        self._services[recorded] = service
        doors = (
            ("udp", socket.SOCK_DGRAM, serve_udp),
            ("tcp", socket.SOCK_STREAM, serve_tcp),
            ("http", socket.SOCK_STREAM, serve_http),
            # What was recorded over TLS goes to a door that takes passwords without.
            ("https", socket.SOCK_STREAM, partial(serve_http, passwords=True)),
        )
        for transport, kind, serve in doors:
            sock = socket.socket(socket.AF_INET, kind)
            sock.bind(("127.0.0.1", 0))
            self._ports[recorded, transport] = sock.getsockname()[1]
            self.running.push_async_callback((await serve(service, sock)).close)


def _records(name: str) -> Iterator[tuple[str, ValueList]]:
    for line in (RECORDS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        yield record_from_json(json.loads(line))


def _site(name: str) -> Site:
    return decode_site((VECTORS / "keys" / f"{name}.siteinfo.bin").read_bytes())


async def over_tcp(port: int, octets: bytes, *, end: bool = True) -> bytes:
    """All that a node says to ``octets`` on a connection of their own.

    Args:
        end: say that no more will come; without it the node has to close by itself.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        if end:
            writer.write_eof()
        async with asyncio.timeout(ANSWER_S):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


class _Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.datagrams: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.datagrams.put_nowait(data)


async def over_udp(port: int, datagrams: Iterable[bytes], expected: int) -> list[bytes]:
    """The messages, ``expected`` of them, that a node answers ``datagrams`` with."""
    loop = asyncio.get_running_loop()
    transport, inbox = await loop.create_datagram_endpoint(_Inbox, remote_addr=("127.0.0.1", port))
    messages: list[bytes] = []
    reassembler = Reassembler()
    try:
        for datagram in datagrams:
            transport.sendto(datagram)
        async with asyncio.timeout(ANSWER_S):
            while len(messages) < expected:
                message = reassembler.feed(await inbox.datagrams.get(), "node", 0.0)
                if message is not None:
                    messages.append(message)
    finally:
        transport.close()
    return messages
