"""Exchanges with whole servers: transports, belief and disbelief, and what is counted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.telemetry.counters import Counters
from resolver.upstream.exchange import Upstream
from resolver.upstream.servers import PEERS
from resolver.upstream.udp import UdpPeer
from resolver.wire.bodies import ErrorAnswer, RecordAnswer
from resolver.wire.fragments import fragment
from tests.upstream.foreign import (
    RECORD,
    Foreign,
    UdpServer,
    answer_datagram,
    answering,
    ask_at,
    connected_to,
    echo_datagram,
    echoing,
    next_message,
    no_datagram,
    payload,
    reply_to,
    silent,
    unused_port,
)

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
QUICK = {**PEERS, "udp": (PEERS["udp"][0], lambda host, port: UdpPeer(host, port, (0.02, 0.02)))}
TUNNELLED = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-hdl-message\r\n"


pytestmark = pytest.mark.timeout(10)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
async def upstream(counters: Counters) -> AsyncIterator[Upstream]:
    """All that a node asks; at the end nothing is in flight."""
    upstream = Upstream(counters=counters)
    yield upstream
    await upstream.close()
    assert in_flight(upstream) == 0


def in_flight(upstream: Upstream) -> int:
    """Requests without a reply."""
    return sum(health.in_flight for health in upstream.healths())


async def tunnelled_request(reader: Reader) -> bytes:
    """The message in a POST."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"post / http/1.1\r\n")
    assert b"content-type: application/x-hdl-message\r\n" in head
    return await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))


async def answering_http(reader: Reader, writer: Writer) -> None:
    while True:
        reply = reply_to(await tunnelled_request(reader))
        writer.write(TUNNELLED + b"Content-Length: %d\r\n\r\n" % len(reply) + reply)


# Transports


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_each_transport(
    foreign: Foreign, upstream: Upstream, counters: Counters, transport: str, host: str
) -> None:
    if transport == "udp":
        port = (await foreign.udp(answer_datagram, host)).port
    else:
        conversation = answering if transport == "tcp" else answering_http
        _, port = await foreign.tcp(conversation, host)
    for _ in range(3):
        reply = await upstream.exchange(ask_at(host=host, **{transport: port}))
        assert reply.message.response_code == ResponseCode.SUCCESS
        assert reply.message.body == RECORD
        assert reply.transport == transport
        assert reply.server.endswith(f":{port}")
        assert reply.seconds > 0
    assert counters.upstream_requests == {("other", 1): 3}


@pytest.mark.parametrize("preferred", [("tcp", "udp"), ("udp", "tcp")])
async def test_the_preferred_transport_is_asked(
    foreign: Foreign, preferred: tuple[str, str]
) -> None:
    upstream = Upstream(prefer=preferred)
    _, tcp = await foreign.tcp(answering)
    udp = (await foreign.udp(answer_datagram)).port
    reply = await upstream.exchange(ask_at(tcp=tcp, udp=udp))
    assert reply.transport == preferred[0]
    await upstream.close()


def first_fragment_only(server: UdpServer, data: bytes, address: tuple[str, int]) -> None:
    """A truncated reply whose rest never comes."""
    long = RecordAnswer(RECORD.handle, type(RECORD.values).of(list(RECORD.values) * 20))
    echo_datagram(server, fragment(reply_to(data, long))[0], address)


@pytest.mark.parametrize("respond", [no_datagram, first_fragment_only])
async def test_tcp_when_udp_brings_nothing_whole(foreign: Foreign, respond) -> None:
    upstream = Upstream(prefer=("udp", "tcp"), peers=QUICK)
    _, tcp = await foreign.tcp(answering)
    udp = (await foreign.udp(respond)).port
    reply = await upstream.exchange(ask_at(tcp=tcp, udp=udp))
    assert (reply.transport, reply.message.body) == ("tcp", RECORD)
    await upstream.close()


async def test_the_next_transport_when_nobody_listens(foreign: Foreign) -> None:
    upstream = Upstream(prefer=("udp", "tcp", "http"))
    _, http = await foreign.tcp(answering_http)
    ask = ask_at(udp=unused_port(socket.SOCK_DGRAM), tcp=unused_port(socket.SOCK_STREAM), http=http)
    assert (await upstream.exchange(ask)).transport == "http"
    await upstream.close()


async def test_all_that_went_wrong_is_told(upstream: Upstream, counters: Counters) -> None:
    tcp, udp = unused_port(socket.SOCK_STREAM), unused_port(socket.SOCK_DGRAM)
    with pytest.raises(UpstreamError, match=f":{tcp} cannot be reached.*:{udp} cannot be reached"):
        await upstream.exchange(ask_at(tcp=tcp, udp=udp))
    assert counters.upstream_requests == {("other", "error"): 1}


async def test_a_server_without_a_transport(upstream: Upstream) -> None:
    with pytest.raises(UpstreamError, match="offers none of"):
        await upstream.exchange(ask_at())


# Belief


async def answered_with(foreign: Foreign, upstream: Upstream, **fields) -> None:
    async def conversation(reader: Reader, writer: Writer) -> None:
        while True:
            writer.write(reply_to(await next_message(reader), **fields))

    _, port = await foreign.tcp(conversation)
    await upstream.exchange(ask_at(tcp=port))


async def test_another_handle_is_not_believed(foreign: Foreign, upstream: Upstream) -> None:
    other = RecordAnswer("88.901.1/other", RECORD.values)
    with pytest.raises(UpstreamError, match="answered about another handle"):
        await answered_with(foreign, upstream, body=other)


async def test_the_case_of_a_handle_does_not_matter(foreign: Foreign, upstream: Upstream) -> None:
    await answered_with(foreign, upstream, body=RecordAnswer("88.901.1/MOTOR", RECORD.values))


async def test_another_operation_is_not_believed(foreign: Foreign, upstream: Upstream) -> None:
    fields = {"op_code": OpCode.DELETE_HANDLE, "code": ResponseCode.ERROR}
    with pytest.raises(UpstreamError, match="answered another operation"):
        await answered_with(foreign, upstream, body=ErrorAnswer("no"), **fields)


async def test_a_request_is_no_reply(foreign: Foreign, upstream: Upstream) -> None:
    """An echo has the right id and the right handle."""
    _, port = await foreign.tcp(echoing)
    with pytest.raises(UpstreamError, match="answered another operation"):
        await upstream.exchange(ask_at(tcp=port))


@pytest.mark.parametrize("code", [ResponseCode.HANDLE_NOT_FOUND, ResponseCode.NOT_RESPONSIBLE])
async def test_errors_are_replies(
    foreign: Foreign, upstream: Upstream, counters: Counters, code: int
) -> None:
    await answered_with(foreign, upstream, body=ErrorAnswer("no"), code=code)
    assert counters.upstream_requests == {("other", code): 1}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_garbage(
    foreign: Foreign, upstream: Upstream, counters: Counters, transport: str
) -> None:
    """The right id, and nothing that could be read behind it."""
    if transport == "udp":

        def garble(server: UdpServer, data: bytes, address: tuple[str, int]) -> None:
            echo_datagram(server, data[:20] + b"\xff" * len(payload(data)), address)

        port = (await foreign.udp(garble)).port
    else:

        async def conversation(reader: Reader, writer: Writer) -> None:
            while True:
                message = await next_message(reader)
                writer.write(message[:20] + b"\xff" * len(payload(message)))

        _, port = await foreign.tcp(conversation)
    with pytest.raises(UpstreamError, match="sent nonsense"):
        await upstream.exchange(ask_at(**{transport: port}))
    assert counters.upstream_requests == {("other", "error"): 1}


HTTP_TROUBLES = {
    "not found": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered HTTP 404"),
    "a page": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        "with text/html",
    ),
    "no message": (TUNNELLED + b"Content-Length: 2\r\n\r\nhi", "sent nonsense"),
    "no HTTP": (b"\x02\x0b\x00\x00" * 5, "does not speak HTTP"),
    "nothing": (b"", "cannot be reached"),
    "half": (TUNNELLED + b"Content-Length: 200\r\n\r\nhi", "does not speak HTTP"),
    "too much": (TUNNELLED + b"Content-Length: 300000\r\n\r\n" + b"." * 300_000, "more than"),
}


@pytest.mark.parametrize("trouble", HTTP_TROUBLES)
async def test_http_servers_that_answer_otherwise(
    foreign: Foreign, upstream: Upstream, trouble: str
) -> None:
    octets, told = HTTP_TROUBLES[trouble]

    async def conversation(reader: Reader, writer: Writer) -> None:
        await tunnelled_request(reader)
        writer.write(octets)

    _, port = await foreign.tcp(conversation)
    with pytest.raises(UpstreamError, match=told):
        await upstream.exchange(ask_at(http=port))


# Who may be asked


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "192.0.2.1", "0.0.0.0", "::2", "::ffff:192.0.2.1", "169.254.169.254"]
)
async def test_others_than_loopback_are_not_asked(
    upstream: Upstream, counters: Counters, host: str
) -> None:
    with pytest.raises(UpstreamError, match="outside the networks that may be asked"):
        await upstream.exchange(ask_at(host=host, tcp=2641, udp=2641, http=8000))
    assert counters.upstream_requests == {}


async def test_the_networks_that_may_be_asked_are_the_callers_choice(foreign: Foreign) -> None:
    upstream = Upstream(allowed=[ip_network("127.0.0.2/32")])
    _, port = await foreign.tcp(answering, "127.0.0.2")
    await upstream.exchange(ask_at(host="127.0.0.2", tcp=port))
    with pytest.raises(UpstreamError, match="outside the networks"):
        await upstream.exchange(ask_at(tcp=port))
    await upstream.close()


# Time, cancellation and closing


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_a_silent_server(
    foreign: Foreign, upstream: Upstream, counters: Counters, transport: str
) -> None:
    if transport == "udp":
        port = (await foreign.udp(no_datagram)).port
    else:
        _, port = await foreign.tcp(silent)
    with pytest.raises(UpstreamTimeout, match=r"did not answer within 0\.05 s"):
        await upstream.exchange(ask_at(timeout=0.05, **{transport: port}))
    assert counters.upstream_requests == {("other", "timeout"): 1}
    assert in_flight(upstream) == 0


async def test_an_exchange_that_is_cancelled(
    foreign: Foreign, upstream: Upstream, counters: Counters
) -> None:
    asked = asyncio.Event()

    async def second_only(reader: Reader, writer: Writer) -> None:
        await next_message(reader)
        asked.set()
        await answering(reader, writer)

    _, port = await foreign.tcp(second_only)
    exchange = asyncio.create_task(upstream.exchange(ask_at(tcp=port)))
    await asked.wait()
    assert in_flight(upstream) == 1
    exchange.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange
    assert in_flight(upstream) == 0
    assert (await upstream.exchange(ask_at(tcp=port))).message.body == RECORD


async def test_many_exchanges_at_once(
    foreign: Foreign, upstream: Upstream, counters: Counters
) -> None:
    """Each handle with its own record, all over one connection, answered backwards."""

    async def backwards(reader: Reader, writer: Writer) -> None:
        messages = [await next_message(reader) for _ in range(200)]
        for message in reversed(messages):
            length = int.from_bytes(message[44:48], "big")
            handle = message[48 : 48 + length].decode()
            writer.write(reply_to(message, RecordAnswer(handle, RECORD.values)))
        await reader.read()

    server, port = await foreign.tcp(backwards)
    handles = [f"88.901.1/{number}" for number in range(200)]
    replies = await asyncio.gather(
        *(upstream.exchange(ask_at(tcp=port, handle=handle)) for handle in handles)
    )
    bodies = [reply.message.body for reply in replies]
    assert [body.handle for body in bodies if isinstance(body, RecordAnswer)] == handles
    assert server.accepted == 1
    assert counters.upstream_requests == {("other", 1): 200}


async def test_closing_lets_go_of_all_sockets(foreign: Foreign) -> None:
    upstream = Upstream()
    _, tcp = await foreign.tcp(answering)
    _, http = await foreign.tcp(answering_http)
    udp = (await foreign.udp(answer_datagram)).port
    assert connected_to(tcp, http, udp) == 0
    for ports in ({"tcp": tcp}, {"udp": udp}, {"http": http}):
        await upstream.exchange(ask_at(**ports))
    assert connected_to(tcp, http, udp) == 3
    await upstream.close()
    assert connected_to(tcp, http, udp) == 0


async def test_sockets_are_not_kept_for_everybody(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Site records from outside name any number of ports."""
    monkeypatch.setattr("resolver.upstream.servers.MAX_PEERS", 2)
    upstream = Upstream()
    ports = [(await foreign.tcp(answering))[1] for _ in range(4)]
    for port in (*ports, ports[2]):
        await upstream.exchange(ask_at(tcp=port))
    first = await upstream.exchange(ask_at(tcp=ports[0]))
    assert first.message.response_code == ResponseCode.SUCCESS
    await upstream.close()
    assert connected_to(*ports) == 0
