"""Many identifiers in one request: the outcomes are those of one request each, whatever the server
is like."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import msgpack
import pytest
from aiohttp import web

from resolver.client import Client, NotFound, Outcome, Referred, Refused
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.transport.http import MEDIA_TYPE
from resolver.wire.answer import Client as Sender
from resolver.wire.batch import MAX_HANDLES, MSGPACK
from resolver.wire.values import EMPTY

HANDLES = [
    "88.901.1/motor",
    "88.901.1/nothing",
    "88.901.1/MOTOR",
    "88.901.1/a%2F /标?#&",
    "99.1/x",
    "88.901.1",
    "0",
    "88.901.1/" + "x" * 2048,
]
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def all_of(client: Client, handles: list[str], **options: object) -> list[Outcome]:
    return [outcome async for outcome in client.resolve_many(handles, **options)]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """The address of an HTTP server that is none of ours."""
    runner = web.ServerRunner(web.Server(handler, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def packed(items: list[object]) -> bytes:
    return b"".join(map(msgpack.packb, items))


# The same as one by one


@pytest.mark.parametrize("node", ["recursive", "works", "optics"])
@pytest.mark.parametrize(
    "options", [{}, {"types": ("URL",)}, {"indexes": (2,), "types": ("url.",)}, {"indexes": (77,)}]
)
async def test_outcomes(network, node: str, options: dict):
    async with Client(network.address(node, "tcp")) as client:
        expected = await all_of(client, HANDLES, **options)
    async with Client(network.address(node, "http"), transport="http") as client:
        found = await all_of(client, HANDLES, **options)
    assert [outcome.handle for outcome in found] == HANDLES
    for one, many in zip(expected, found, strict=True):
        assert type(one.error) is type(many.error)
        if one.record is None:
            assert isinstance(many.error, NotFound | Refused | Referred)
            assert many.error.code == one.error.code
        else:
            assert many.record is not None
            assert many.record.values == one.record.values
            assert (many.record.handle, many.record.ttl) == (one.record.handle, one.record.ttl)
            assert (many.record.code, many.record.hops) == (1, ())


async def test_it_takes_one_request(network):
    address = network.address("works", "http")
    async with Client(address, transport="http") as client:
        found = await all_of(client, ["88.901.1/motor"] * 100)
    assert {outcome.record.server for outcome in found} == {address}
    counters = network.states["works"].counters
    assert sum(counters.durations["http", "ready"].counts) >= 99


async def test_more_than_one_request_takes(network):
    handles = ["88.901.1/motor", "88.901.1/nothing"] * (MAX_HANDLES // 2) + ["88.901.1/large"]
    async with Client(network.address("works", "http"), transport="http") as client:
        found = await all_of(client, handles)
    assert [outcome.handle for outcome in found] == handles
    assert found[-1].record is not None
    assert len(found[-1].record.values) == 20


async def test_some_options_are_for_one_at_a_time(network):
    async with Client(network.address("recursive", "http"), transport="http") as client:
        (alias,) = await all_of(client, ["88.901.1/latest"], follow_alias=True)
        (same,) = await all_of(client, ["88.901.1/latest"], authoritative=True)
        (usual,) = await all_of(client, ["88.901.1/latest"], recursive=True)
    assert alias.record is not None
    assert alias.record.aliases == ("88.901.1/latest",)
    assert same.record is not None
    assert same.record.hops
    assert usual.record is not None
    assert not usual.record.hops


async def test_leaving_early(network):
    async with Client(network.address("works", "http"), transport="http") as client:
        outcomes = client.resolve_many(["88.901.1/large"] * 5000)
        async for outcome in outcomes:
            assert outcome.record is not None
            break
        await outcomes.aclose()
        assert (await client.resolve("88.901.1/motor")).code == 1


# Servers that do otherwise


@pytest.mark.parametrize("status", [404, 405, 415, 501])
async def test_a_server_that_knows_no_batches(network, status: int):
    paths = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        paths.append(request.path)
        if request.path != "/":
            return web.Response(status=status)
        service = network.services["works"]
        messages = service.receive(await request.read(), Sender("http", "127.0.0.1", 1))
        return web.Response(body=b"".join(messages), content_type=MEDIA_TYPE)

    async with server(answer) as address, Client(address, transport="http") as client:
        found = await all_of(client, ["88.901.1/motor", "88.901.1/nothing", "88.901.1/motor"])
    assert [outcome.record is None for outcome in found] == [False, True, False]
    assert paths == ["/api/resolve", "/", "/", "/"]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], "answered only 0 handles"),
        ([[1, EMPTY.octets]], "answered only 1 handles"),
        ([[1, EMPTY.octets]] * 4, "answered more than was asked"),
        ([[1, EMPTY.octets], [1, b"\xff"]], "sent nonsense"),
        ([[1, EMPTY.octets], "x"], "sent nonsense"),
        ([[1, EMPTY.octets], [1, 2, 3]], "sent nonsense"),
    ],
)
async def test_answers_that_are_none(items: list[object], reason: str):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=packed(items), content_type=MSGPACK)

    async with server(answer) as address, Client(address, transport="http") as client:
        found = await all_of(client, ["a/b", "c/d", "e/f"])
    good = len([outcome for outcome in found if outcome.record is not None])
    assert good == (3 if len(items) == 4 else min(1, len(items)))
    if good < 3:
        assert [outcome.handle for outcome in found] == ["a/b", "c/d", "e/f"]
        for outcome in found[good:]:
            assert isinstance(outcome.error, UpstreamError)
            assert reason in str(outcome.error)


async def test_a_server_that_leaves_in_the_middle():
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": MSGPACK})
        await response.prepare(request)
        await response.write(packed([[1, EMPTY.octets]]))
        assert request.transport is not None
        request.transport.abort()
        return response

    async with server(answer) as address, Client(address, transport="http") as client:
        found = await all_of(client, ["a/b", "c/d"])
    assert isinstance(found[1].error, UpstreamError)


async def test_a_server_that_says_no_more():
    end = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": MSGPACK})
        await response.prepare(request)
        await end.wait()
        return response

    async with server(answer) as address:
        async with Client(address, transport="http", timeout=0.01) as client:
            (found,) = await all_of(client, ["a/b"])
        end.set()
    assert isinstance(found.error, UpstreamTimeout)


async def test_a_server_that_fails():
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=500)

    async with server(answer) as address, Client(address, transport="http") as client:
        (found,) = await all_of(client, ["a/b"])
    assert "answered HTTP 500" in str(found.error)


async def test_nobody_there(network):
    async with Client("127.0.0.1:1", transport="http", timeout=0.5) as client:
        found = await all_of(client, ["a/b", "c/d"])
    assert [type(outcome.error) for outcome in found] == [UpstreamError] * 2
    assert "cannot be reached" in str(found[0].error)


async def test_where_nobody_may_be_asked(network):
    address = network.address("works", "http")
    async with Client(address, transport="http", allowed=[ip_network("10.0.0.0/8")]) as client:
        (found,) = await all_of(client, ["88.901.1/motor"])
    assert isinstance(found.error, UpstreamError)


async def test_a_handle_that_cannot_be_sent(network):
    async with Client(network.address("works", "http"), transport="http") as client:
        found = await all_of(client, ["88.901.1/motor", "\ud800"])
    assert [outcome.record is None for outcome in found] == [False, True]
