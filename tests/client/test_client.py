"""The client library against real nodes."""

import asyncio
import socket

import pytest

from resolver.client import AliasLoop, Client, NotFound, Referred, Refused, ResolutionError
from resolver.model.codes import ResponseCode
from resolver.model.errors import ConfigError, UpstreamError
from resolver.model.site import Protocol

TRANSPORTS = ["tcp", "udp", "http"]


def client_of(network, name="recursive", transport="tcp", **options) -> Client:
    return Client(network.address(name, transport), transport=transport, **options)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_record_through_the_recursive_node(network, transport):
    async with client_of(network, transport=transport) as client:
        record = await client.resolve("88.901.1/motor")
    assert record.handle == "88.901.1/motor"
    assert [value.index for value in record.values] == [1, 2, 3]
    assert (record.code, record.ttl, record.aliases) == (ResponseCode.SUCCESS, 600, ())
    assert record.server == network.address("recursive", transport)
    assert [hop.kind for hop in record.hops] == ["answer"]
    assert record.hops[0].transport == transport
    assert record.seconds > 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_record_longer_than_a_datagram(network, transport):
    async with client_of(network, transport=transport) as client:
        record = await client.resolve("88.901.1/large")
    assert len(record.values) == 20


async def test_http_at_a_port_that_speaks_something_else(network):
    async with Client(network.address("works", "tcp"), transport="http") as client:
        with pytest.raises(UpstreamError, match="does not speak HTTP"):
            await client.resolve("88.901.1/motor")


async def test_a_tunnelled_answer_that_comes_in_pieces(network):
    """A foreign server may flush in the middle of a message."""
    async with client_of(network, "works") as client:
        whole = await client.resolve("88.901.1/large")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        asked = await reader.readexactly(length)
        host, port = network.address("works", "tcp").split(":")
        upstream, to_upstream = await asyncio.open_connection(host, int(port))
        to_upstream.write(asked)
        to_upstream.write_eof()
        reply = await upstream.read()
        to_upstream.close()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-hdl-message\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for start in range(0, len(reply), 999):
            piece = reply[start : start + 999]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            for _ in range(3):
                await asyncio.sleep(0)  # one turn of the loop: the client reads this piece alone
        writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"127.0.0.1:{port}", transport="http") as client:
            record = await client.resolve("88.901.1/large")
    assert record.values == whole.values


async def test_types_and_indexes_select(network):
    async with client_of(network) as client:
        by_type = await client.resolve("88.901.1/motor", types=("url",))
        below = await client.resolve("88.901.1/motor", types=("url.",))
        both = await client.resolve("88.901.1/motor", types=("URL",), indexes=(2,))
    assert [value.index for value in by_type.values] == [1]
    assert [value.index for value in below.values] == [1, 3]
    assert [value.index for value in both.values] == [1, 2]
    value = both.first("desc")
    assert value is not None
    assert value.text == "电机"
    assert both.first("NOTE") is None


@pytest.mark.parametrize("handle", ["88.901.1", "0.NA/88.901.1"])
async def test_a_bare_prefix_is_its_record(network, handle):
    async with client_of(network) as client:
        record = await client.resolve(handle, types=("HS_SITE",))
    assert [value.type for value in record.values] == ["HS_SITE"]


@pytest.mark.parametrize(
    ("handle", "types", "code"),
    [
        ("88.901.1/nothing", (), ResponseCode.HANDLE_NOT_FOUND),
        ("88.999.1/x", (), ResponseCode.HANDLE_NOT_FOUND),
        ("88.901.1/motor", ("EMAIL",), ResponseCode.VALUES_NOT_FOUND),
    ],
)
async def test_what_is_not_there_is_not_found(network, handle, types, code):
    async with client_of(network) as client:
        with pytest.raises(NotFound) as caught:
            await client.resolve(handle, types=types)
    assert caught.value.code == code
    assert caught.value.handle == handle
    assert handle in str(caught.value)


async def test_without_recursion_a_node_refers_or_refuses(network):
    async with client_of(network, "wuhan") as client:
        with pytest.raises(Referred, match="optics"):
            await client.resolve("0.NA/88.901.1", recursive=False)
        with pytest.raises(Refused) as caught:
            await client.resolve("10.1045/x", recursive=False)
    assert caught.value.code == ResponseCode.NOT_RESPONSIBLE


async def test_an_authoritative_answer_comes_from_the_primary(network):
    async with client_of(network) as client:
        await client.resolve("88.901.1/motor")
        cached = await client.resolve("88.901.1/motor")
        fresh = await client.resolve("88.901.1/motor", authoritative=True)
    assert (cached.authoritative, fresh.authoritative) == (False, True)


async def test_a_walk_from_the_root(network):
    async with Client(hints={"": network.address("root")}) as client:
        record = await client.resolve("88.901.1/motor")
        again = await client.resolve("88.901.1/latest")
    assert record.hops[0].address == network.address("root")
    assert [hop.node for hop in record.hops] == ["", "wuhan", "optics", "works"]
    assert [hop.kind for hop in record.hops] == ["referral"] * 3 + ["answer"]
    assert record.authoritative
    assert record.server == network.address("works")
    assert [hop.node for hop in again.hops] == ["works"], "routes are remembered"


async def test_a_walk_may_start_at_a_site_and_below_the_root(network):
    async with Client(hints={"88": network.site("wuhan")}) as client:
        record = await client.resolve("88.901.1/motor")
        with pytest.raises(NotFound):
            await client.resolve("88.901.1/nothing")
    assert [hop.node for hop in record.hops] == ["wuhan", "optics", "works"]


async def test_a_walk_stays_in_the_allowed_networks(network):
    async with Client(hints={"": network.address("root")}, allowed=()) as client:
        with pytest.raises(Refused, match="outside the networks"):
            await client.resolve("88.901.1/motor")


async def test_an_alias_is_followed_on_demand(network):
    async with client_of(network) as client:
        plain = await client.resolve("88.901.1/latest")
        followed = await client.resolve("88.901.1/latest", follow_alias=True)
        selected = await client.resolve("88.901.1/latest", types=("URL",), follow_alias=True)
        none = await client.resolve("88.901.1/motor", types=("URL",), follow_alias=True)
    assert [value.type for value in plain.values] == ["HS_ALIAS"]
    assert (followed.handle, followed.aliases) == ("88.901.1/MOTOR", ("88.901.1/latest",))
    assert len(followed.hops) == 2
    assert [value.type for value in selected.values] == ["URL"]
    assert (len(none.values), none.aliases) == (1, ())


@pytest.mark.parametrize("handle", ["88.901.1/loop0", "88.901.1/chain0"])
async def test_aliases_that_do_not_end_are_an_error(network, handle):
    async with client_of(network) as client:
        with pytest.raises(AliasLoop, match="lead on and on"):
            await client.resolve(handle, follow_alias=True)


async def test_an_alias_of_nothing_is_not_found(network):
    async with client_of(network) as client:
        with pytest.raises(NotFound, match=r"88\.901\.1/nothing"):
            await client.resolve("88.901.1/dangling", follow_alias=True)


async def test_many_handles_come_out_in_their_order(network):
    handles = ["88.901.1/motor", "88.901.1/nothing", "88.901.1/large"] * 20
    async with client_of(network) as client:
        outcomes = [o async for o in client.resolve_many(handles, concurrency=7, indexes=(1,))]
    assert [outcome.handle for outcome in outcomes] == handles
    assert [outcome.record is None for outcome in outcomes] == [False, True, False] * 20
    assert all(isinstance(outcome.error, NotFound) for outcome in outcomes[1::3])


async def test_leaving_early_ends_what_is_under_way(network):
    async with client_of(network) as client:
        outcomes = client.resolve_many(iter(["88.901.1/motor"] * 1000), concurrency=5)
        async for outcome in outcomes:
            assert outcome.record is not None
            break
        await outcomes.aclose()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_site_of_the_server(network, transport):
    async with client_of(network, transport=transport) as client:
        site = await client.get_site()
    assert site.attribute("name") == "recursive"
    assert f"127.0.0.1:{site.servers[0].port(Protocol.HTTP)}" == network.address(
        "recursive", "http"
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nobody_there(transport):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with Client(address, transport=transport, timeout=0.5) as client:
            with pytest.raises(UpstreamError):
                await client.resolve("88.901.1/motor")
            with pytest.raises(UpstreamError):
                await client.get_site()


async def test_what_cannot_be_meant_is_said_at_once():
    with pytest.raises(ConfigError, match="either a server or hints"):
        Client("127.0.0.1:3641", hints={})
    async with Client(transport="smoke") as client:
        with pytest.raises(ConfigError, match="'smoke' is not a transport"):
            await client.resolve("88.901.1/motor")
    async with Client(hints={}) as client:
        with pytest.raises(ConfigError, match="has no server"):
            await client.get_site()
        with pytest.raises(ResolutionError, match="nobody is known to ask"):
            await client.resolve("88.901.1/motor")


async def test_an_answer_over_http_sends_nobody_elsewhere(network):
    """Whoever may be asked must not send us on to where we may not ask."""
    asked = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n")).split()[0])
        target = network.address("works", "http")
        writer.write(
            f"HTTP/1.1 307 x\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n".encode()
        )
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"127.0.0.1:{port}", transport="http") as client:
            with pytest.raises(UpstreamError, match="answered HTTP 307"):
                await client.resolve("88.901.1/motor")
    assert asked == [b"POST"]


async def test_many_at_once_are_at_least_one(network):
    async with client_of(network) as client:
        with pytest.raises(ValueError, match="concurrency is 0"):
            _ = [one async for one in client.resolve_many(["88.901.1/motor"], concurrency=0)]
