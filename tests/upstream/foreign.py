"""Servers of foreign make, which do what a test says, and messages for them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

import psutil

from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.site import Interface, Protocol, Purpose, Server, Site
from resolver.model.value import HandleValue
from resolver.resolution import Ask
from resolver.wire.bodies import Body, RecordAnswer, ResolveRequest
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope, encode_envelope
from resolver.wire.message import decode_message, encode_message
from resolver.wire.values import ValueList

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Respond = Callable[["UdpServer", bytes, tuple[str, int]], None]

HANDLE = "88.901.1/motor"
RECORD = RecordAnswer(HANDLE, ValueList.of([HandleValue(1, "URL", b"https://e.com/")]))


class TcpServer:
    """A server that holds the same conversation on every connection."""

    def __init__(self, conversation: Conversation) -> None:
        self.accepted = 0
        self.ended: asyncio.Queue[None] = asyncio.Queue()
        self._conversation = conversation
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str) -> int:
        self._server = await asyncio.start_server(self._accept, host, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._conversation(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)
            self.ended.put_nowait(None)


class UdpServer(asyncio.DatagramProtocol):
    """A server that calls ``respond`` for every datagram, and remembers them."""

    def __init__(self, respond: Respond) -> None:
        self.arrivals: asyncio.Queue[bytes] = asyncio.Queue()
        self._respond = respond

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # the loop makes no other
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.arrivals.put_nowait(data)
        self._respond(self, data, addr)


class Foreign:
    """The servers of one test."""

    def __init__(self) -> None:
        self._tcp: list[TcpServer] = []
        self._udp: list[asyncio.DatagramTransport] = []

    async def tcp(
        self, conversation: Conversation, host: str = "127.0.0.1"
    ) -> tuple[TcpServer, int]:
        server = TcpServer(conversation)
        self._tcp.append(server)
        return server, await server.open(host)

    async def udp(self, respond: Respond, host: str = "127.0.0.1", port: int = 0) -> UdpServer:
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: UdpServer(respond), local_addr=(host, port)
        )
        self._udp.append(transport)
        return server

    async def close(self) -> None:
        for transport in self._udp:
            transport.close()
        for server in self._tcp:
            await server.close()


# Messages


async def next_message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(ENVELOPE_OCTETS)
    return head + await reader.readexactly(int.from_bytes(head[16:20], "big"))


def blob(text: str = "") -> bytes:
    """A message that only an echoing server understands."""
    octets = text.encode().ljust(24, b".")
    return encode_envelope(Envelope(request_id=1), len(octets)) + octets


def payload(message: bytes) -> bytes:
    return message[ENVELOPE_OCTETS:]


def id_of(message: bytes) -> int:
    return int.from_bytes(message[8:12], "big")


def with_id(message: bytes, request_id: int) -> bytes:
    return message[:8] + request_id.to_bytes(4, "big") + message[12:]


def reply_to(
    octets: bytes, body: Body = RECORD, code: int = ResponseCode.SUCCESS, **fields: int
) -> bytes:
    """The reply of a server that holds one record."""
    return encode_message(replace(decode_message(octets), response_code=code, body=body, **fields))


# Conversations


async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(await next_message(reader))


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(reply_to(await next_message(reader)))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def echo_datagram(server: UdpServer, data: bytes, address: tuple[str, int]) -> None:
    server.transport.sendto(data, address)


def answer_datagram(server: UdpServer, data: bytes, address: tuple[str, int]) -> None:
    server.transport.sendto(reply_to(data), address)


def no_datagram(server: UdpServer, data: bytes, address: tuple[str, int]) -> None:
    """Stays silent."""


# Asks


def unused_port(kind: int) -> int:
    """A port where nobody listens."""
    with socket.socket(type=kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def ask_at(
    *, host: str = "127.0.0.1", timeout: float = 5.0, handle: str = HANDLE, **ports: int
) -> Ask:
    """The question for a record, to a server with these ports by transport."""
    interfaces = tuple(
        Interface(Purpose.BOTH, Protocol[transport.upper()], port)
        for transport, port in ports.items()
    )
    return Ask(
        site=Site((Server(1, ip_address(host), b"", interfaces),)),
        request=ResolveRequest(handle),
        flags=OpFlag.PUBL,
        recursion_count=0,
        timeout=timeout,
    )


def connected_to(*ports: int) -> int:
    """How many sockets of this process are connected to one of ``ports``."""
    connections = psutil.Process().net_connections()
    return sum(bool(each.raddr) and each.raddr.port in ports for each in connections)
