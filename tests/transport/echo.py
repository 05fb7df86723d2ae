"""A service that gives back what it gets, and messages to send it."""

import asyncio
import socket
import struct
from collections.abc import Awaitable
from ipaddress import ip_address

from resolver.model.codes import OpCode, OpFlag
from resolver.model.site import Interface, Protocol, Purpose, Server, Site
from resolver.transport.admission import Admission
from resolver.transport.http_ready import HttpReady
from resolver.transport.ready import Ready
from resolver.transport.rpc import Control
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import ResolveRequest
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope, encode_envelope
from resolver.wire.message import Message, encode_message

SITE = Site(
    (Server(1, ip_address("127.0.0.1"), b"", (Interface(Purpose.BOTH, Protocol.TCP, 2641),)),)
)


def request(handle: str = "88.901.1/motor", request_id: int = 7) -> bytes:
    """A request message."""
    return encode_message(
        Message(
            envelope=Envelope(request_id=request_id),
            op_code=OpCode.RESOLVE,
            flags=OpFlag.PUBL,
            expiration=2**31,
            body=ResolveRequest(handle),
        )
    )


def blob(request_id: int, octets: int = 24) -> bytes:
    """A message that means nothing, with ``octets`` behind its envelope."""
    return encode_envelope(Envelope(request_id=request_id), octets) + b"." * octets


def id_of(message: bytes) -> int:
    """The request id of a message."""
    return int.from_bytes(message[8:12], "big")


async def next_message(reader: asyncio.StreamReader) -> bytes:
    """The next message of a stream."""
    head = await reader.readexactly(ENVELOPE_OCTETS)
    return head + await reader.readexactly(int.from_bytes(head[16:20], "big"))


def reset(sock: socket.socket) -> None:
    """Close a connection as a client that died does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Echo:
    """A service whose answer is the request itself; ``hold`` makes it wait with some.

    ``arrivals`` and ``rejections`` bring whatever the door hands over, as it does; ``answered`` the
    ids of requests that had to wait.
    """

    name = "echo"
    is_stopped = False
    spans = None
    control: Control | None = None

    def __init__(self) -> None:
        self.admission = Admission()
        self.sheddings: asyncio.Queue[str] = asyncio.Queue()
        self.arrivals: asyncio.Queue[tuple[int, Client]] = asyncio.Queue()
        self.rejections: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.answered: asyncio.Queue[int] = asyncio.Queue()
        self.octets = 0
        self._gates: dict[int, asyncio.Event] = {}

    def hold(self, request_id: int) -> asyncio.Event:
        """Answer this request only when the event is set."""
        return self._gates.setdefault(request_id, asyncio.Event())

    async def heard(self, count: int) -> list[int]:
        """The ids of the next ``count`` requests, once they are here."""
        return [(await self.arrivals.get())[0] for _ in range(count)]

    def receive(self, octets: bytes, client: Client) -> list[bytes] | Awaitable[list[bytes]]:
        """The message itself."""
        self.octets += len(octets)
        self.arrivals.put_nowait((id_of(octets), client))
        gate = self._gates.get(id_of(octets))
        return [octets] if gate is None else self._later(octets, gate)

    async def _later(self, octets: bytes, gate: asyncio.Event) -> list[bytes]:
        await gate.wait()
        self.answered.put_nowait(id_of(octets))
        return [octets]

    def ready(self, transport: str) -> Ready | None:
        """None: everything is echoed."""
        return None

    async def shed_next(self) -> str:
        """Why the next thing was turned away, once it is."""
        return await self.sheddings.get()

    def shed(self, reason: str, times: int = 1) -> None:
        """Remember why the door turned something away."""
        for _ in range(times):
            self.sheddings.put_nowait(reason)

    def http_ready(self) -> HttpReady | None:
        """None."""
        return None

    def keeps(self, answer: Answer) -> int:
        """Only the HTTP door asks so."""
        raise NotImplementedError

    def rejected(self, transport: str, reason: str) -> None:
        """Remember what the door turned away."""
        self.rejections.put_nowait((transport, reason))

    def ask(self, request: Message, client: Client) -> Answer | Awaitable[Answer]:
        """Only the HTTP door asks so."""
        raise NotImplementedError

    def site(self) -> Site:
        """Some site."""
        return SITE

    def prefixes(self) -> list[str]:
        """None."""
        return []

    def metrics(self) -> bytes:
        """None."""
        return b""

    def health(self) -> dict[str, object]:
        """Nothing to say."""
        return {}
