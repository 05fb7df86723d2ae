"""Connections that have ready answers: requests in a row, in parts, with bodies, over TLS; whatever
comes, answers stand in the order of their requests (``http_hot``)."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from resolver.model.value import HandleValue
from resolver.security.keys import public_key_from_pem
from resolver.transport import http_hot
from resolver.transport.http_hot import MAX_BURST
from resolver.wire.typed import encode_public_key
from resolver.wire.values import ValueList
from tests.support.certificates import client_files, server_files
from tests.support.memory_network import MemoryNetwork, four_tiers, text_value
from tests.transport.raw_http import MOTOR, RawHttp, TwoDoors, get


def network() -> MemoryNetwork:
    tree = four_tiers()
    other = ValueList.of([text_value(1, "NAME", "Zähler ✓")])
    tree.states["works"].store.put_many([("88.901.1/zähler", other)])
    return tree


@pytest.fixture
async def works() -> AsyncIterator[TwoDoors]:
    async with TwoDoors(network(), "works").open() as doors:
        yield doors


@pytest.fixture
async def recursive() -> AsyncIterator[TwoDoors]:
    async with TwoDoors(network(), "recursive").open() as doors:
        yield doors


async def test_requests_in_a_row_are_answered_in_their_order(works: TwoDoors):
    await works.hot.ask(get())
    await works.hot.ask(get())
    paths = [MOTOR, MOTOR, "/api/handles/88.901.1/none", MOTOR, MOTOR + "?type=URL", "/api/site"]
    await works.hot.send(b"".join(map(get, paths)))
    for path in paths:
        assert await works.hot.response() == await works.ordinary.ask(get(path))


async def test_a_request_waits_for_the_one_before(recursive: TwoDoors):
    for _ in range(3):
        await recursive.hot.ask(get())
    # The first has to be resolved; the second, in octets of its own, has a ready answer.
    first = "/api/handles/88.901.1/z%C3%A4hler"
    await recursive.hot.send(get(first))
    await recursive.hot.send(get())
    assert b"NAME" in (await recursive.hot.response()).body
    assert b"motor" in (await recursive.hot.response()).body


async def test_a_request_that_comes_in_two_parts(works: TwoDoors):
    whole = get()
    expected = await works.ordinary.ask(whole)
    await works.hot.ask(whole)
    for cut in range(1, len(whole)):
        async with RawHttp(works.port) as client:
            for _ in range(2):
                await client.send(whole[:cut])
                await asyncio.sleep(0)
                await client.send(whole[cut:])
                assert await client.response() == expected


@pytest.mark.parametrize("header", ["Content-Length: {}", "content-length:{}"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [MOTOR, "/api/site"])
async def test_a_body_is_no_request(works: TwoDoors, path: str, method: str, header: str):
    for _ in range(2):
        await works.hot.ask(get())
    body = get()
    head = get(path, header.format(len(body)), method=method)
    await works.hot.send(head)
    first = await works.hot.response()
    await works.hot.send(body)
    await works.hot.send(get("/api/prefixes"))
    assert first.status in (200, 501)
    assert b'"prefixes"' in (await works.hot.response()).body


async def test_lines_that_end_otherwise_are_for_aiohttp(works: TwoDoors):
    for _ in range(2):
        await works.hot.ask(get())
    odd = get().replace(b"\r\n\r\n", b"\n\n") + get("/api/site")
    await works.assert_equal(odd)


async def test_a_client_that_asks_much_and_reads_late(works: TwoDoors):
    expected = await works.hot.ask(get())
    await works.hot.ask(get())
    number = 3 * MAX_BURST // len(expected.body)
    sending = asyncio.create_task(works.hot.send(get() * number))
    for _ in range(number):
        assert await works.hot.response() == expected
    await sending


async def test_a_connection_that_is_always_busy_is_seen_by_aiohttp_now_and_then(
    works: TwoDoors, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http_hot, "UNSEEN_S", 0.0)
    async with RawHttp(works.port) as client:
        for _ in range(5):
            assert (await client.ask(get())).status == 200
    # All but the first: over the low-level server.
    assert works.repeated == 4


async def test_a_client_that_leaves_in_the_middle(recursive: TwoDoors):
    for _ in range(3):
        await recursive.hot.ask(get())
    async with RawHttp(recursive.port) as client:
        await client.send(get("/api/handles/88.901.1/z%C3%A4hler"))
    assert (await recursive.assert_equal(get())).status == 200


async def test_everybody_is_looked_at_where_requests_are_counted_by_client():
    tree = network()
    tree.states["works"].max_daily_requests = 3
    async with TwoDoors(tree, "works").open() as doors:
        codes = [json.loads((await doors.hot.ask(get())).body)["responseCode"] for _ in range(4)]
    assert codes == [1, 1, 1, 603]


# TLS


async def test_over_tls(tmp_path: Path):
    files = server_files(tmp_path)
    trusted = ssl.create_default_context(cafile=str(files.certificate))
    async with (
        TwoDoors(network(), "works").open(tls=files) as doors,
        RawHttp(doors.port, trusted) as client,
    ):
        for _ in range(3):
            assert await client.ask(get()) == await doors.ordinary.ask(get())
        assert doors.repeated == 2
        await client.send(get() + get("/api/site"))
        await client.send(get())
        for path in (MOTOR, "/api/site", MOTOR):
            assert await client.response() == await doors.ordinary.ask(get(path))


async def test_somebody_with_a_certificate_is_looked_at(tmp_path: Path):
    key = rsa.generate_private_key(65537, 2048)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    value = HandleValue(300, "HS_PUBKEY", encode_public_key(public_key_from_pem(pem)))
    tree, files = network(), server_files(tmp_path)
    tree.states["works"].store.put_many([("88.901.1/ADMIN", ValueList.of([value]))])
    async with TwoDoors(tree, "works").open(tls=files) as doors:
        for _ in range(2):
            await doors.hot.ask(get())
        repeated = doors.repeated
        for name, expected in (("300:88.901.1/ADMIN", "no-store"), ("a:b", "max-age=600")):
            own = client_files(tmp_path, key, name)
            trusted = ssl.create_default_context(cafile=str(files.certificate))
            trusted.load_cert_chain(own.certificate, own.key)
            async with RawHttp(doors.port, trusted) as client:
                for _ in range(2):
                    assert (await client.ask(get())).headers["cache-control"] == expected
        assert doors.repeated == repeated
