"""Ten thousand datagrams and ten thousand TCP streams of rubbish at live nodes."""

import asyncio
import re
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest

from resolver.client import Client
from resolver.wire.envelope import ENVELOPE_OCTETS, decode_envelope
from resolver.wire.message import decode_message
from tests.support.command import network, status_of
from tests.support.recorded import exchanges, http_exchanges

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COUNT = 10_000
HTTP_COUNT = 2_000
BATCH = 50
GROWTH_OCTETS = 8 << 20
ANSWER_S = 10.0
PATIENCE_S = 0.3

NODES = ["88.901.1", "recursive"]
GOOD = "88.901.1/000001"

EXPECTED_LINES = re.compile(
    r"^[-0-9:, ]+ INFO \S+: (malformed message from 127\.0\.0\.1 over (udp|tcp): "
    r"|closed a control connection: |\d+ prefix records brought up to date)"
    # A mutated name is resolved, and what that comes to is no defect of the node.
    r"|^[-0-9:, ]+ WARNING \S+: (nobody answered for|a referral for) "
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("garbage"), "--config", "minimal") as folder:
        yield folder


@pytest.fixture(params=NODES)
def node(request: pytest.FixtureRequest, data: Path) -> dict[str, Any]:
    (found,) = (node for node in status_of(data)["nodes"] if node["name"] == request.param)
    return dict(found)


def recorded_messages() -> list[bytes]:
    return [octets for exchange in exchanges() for octets in exchange.request_parts if octets]


def recorded_http() -> list[bytes]:
    return [bytes.fromhex(exchange["request_hex"]) for exchange in http_exchanges()]


def rubbish(seed: int, count: int, recorded: Sequence[bytes]) -> Iterator[bytes]:
    """Recorded requests with something wrong in them, and octets that never were a request."""
    random = Random(seed)
    for _ in range(count):
        octets = bytearray(random.choice(recorded))
        match random.randrange(7):
            case 0:
                octets = bytearray(random.randbytes(random.randrange(1, 600)))
            case 1:
                del octets[random.randrange(len(octets)) :]
            case 2:
                octets += random.randbytes(random.randrange(1, 300))
            case 3:
                at = random.randrange(0, max(1, len(octets) - 4), 4)
                octets[at : at + 4] = random.choice(
                    (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", random.randbytes(4))
                )
            case 4:
                other = random.choice(recorded)
                octets[random.randrange(len(octets)) :] = other[random.randrange(len(other)) :]
            case _:
                for _ in range(random.randrange(1, 8)):
                    octets[random.randrange(len(octets))] = random.randrange(256)
        yield bytes(octets)


async def assert_well(node: dict[str, Any], transport: str) -> None:
    port = node["http_port" if transport == "http" else "port"]
    async with Client(f"127.0.0.1:{port}", transport=transport, timeout=5) as client:
        record = await client.resolve(GOOD)
    assert record.first("URL") is not None


def resident(node: dict[str, Any]) -> int:
    return int(psutil.Process(node["pid"]).memory_info().rss)


def malformed(node: dict[str, Any]) -> float:
    """What the node has counted of it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{node['http_port']}/metrics") as response:
        text = response.read().decode()
    found = re.findall(r"^wuhan_malformed_messages_total\{.*\} (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def assert_unharmed(data: Path, node: dict[str, Any], before: int, counted: float) -> None:
    assert resident(node) - before < GROWTH_OCTETS
    assert malformed(node) > counted
    (after,) = (n for n in status_of(data)["nodes"] if n["name"] == node["name"])
    assert (after["pid"], after["restarts"], after["health"]) == (node["pid"], 0, "ok")
    log = (data / "logs" / f"{node['process']}.log").read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if not EXPECTED_LINES.match(line)] == []


async def send_datagrams(node: dict[str, Any], seed: int, count: int) -> None:
    """Rubbish over UDP; after each batch a good request has to be answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", node["port"]))
        for number, octets in enumerate(rubbish(seed, count, recorded_messages())):
            sock.send(octets)
            if number % BATCH == BATCH - 1:
                await assert_well(node, "udp")


async def send_streams(node: dict[str, Any], seed: int, count: int) -> None:
    """Rubbish over TCP, each piece on a connection of its own; whatever comes back is messages."""
    room = asyncio.Semaphore(BATCH)

    async def send(number: int, octets: bytes) -> None:
        async with room, asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", node["port"])
            try:
                writer.write(octets)
                if number % 5:
                    writer.write_eof()
                    answer = await reader.read()
                    while answer:
                        end = ENVELOPE_OCTETS + decode_envelope(answer).length
                        decode_message(answer[:end])
                        answer = answer[end:]
                else:
                    writer.transport.abort()
            except ConnectionError:
                # The node may hang up on an oversize message that is still on its way.
                pass
            finally:
                writer.close()

    async with asyncio.TaskGroup() as group:
        for number, octets in enumerate(rubbish(seed, count, recorded_messages())):
            group.create_task(send(number, octets))
    await assert_well(node, "tcp")


async def send_http(node: dict[str, Any], seed: int, count: int) -> Counter[int]:
    """Rubbish at the HTTP door, each piece on a connection of its own; the status codes that came
    back."""
    room = asyncio.Semaphore(BATCH)
    seen: Counter[int] = Counter()

    async def send(number: int, octets: bytes) -> None:
        async with room, asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", node["http_port"])
            try:
                writer.write(octets)
                if number % 5:
                    # What is no whole request gets no answer as long as more may come.
                    async with asyncio.timeout(PATIENCE_S):
                        answer = await reader.readline()
                    if answer:
                        seen[int(answer.split()[1])] += 1
                else:
                    writer.transport.abort()
            except (ConnectionError, TimeoutError):
                pass
            finally:
                writer.close()

    async with asyncio.TaskGroup() as group:
        for number, octets in enumerate(rubbish(seed, count, recorded_http())):
            group.create_task(send(number, octets))
    await assert_well(node, "http")
    return seen


async def test_ten_thousand_datagrams(data: Path, node: dict[str, Any]):
    await send_datagrams(node, seed=1, count=COUNT // 5)
    before, counted = resident(node), malformed(node)
    await send_datagrams(node, seed=2, count=COUNT)
    assert_unharmed(data, node, before, counted)


async def test_ten_thousand_streams(data: Path, node: dict[str, Any]):
    await send_streams(node, seed=3, count=COUNT // 5)
    before, counted = resident(node), malformed(node)
    await send_streams(node, seed=4, count=COUNT)
    assert_unharmed(data, node, before, counted)


async def test_two_thousand_http_requests(data: Path, node: dict[str, Any]):
    # As many first: what a request leaves in cycles is looked for after some thousands of them.
    await send_http(node, seed=5, count=HTTP_COUNT)
    before, counted = resident(node), malformed(node)
    seen = await send_http(node, seed=6, count=HTTP_COUNT)
    assert_unharmed(data, node, before, counted)
    # What is no request any more is refused, what still is one is answered; nothing is a defect.
    assert {400, 404} <= set(seen)
    assert 500 not in seen
