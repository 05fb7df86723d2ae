"""Faults in force at real nodes behind real sockets: UDP, TCP and HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from resolver.client import Client, NotFound, ResolutionError
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, WireError
from resolver.server.clock import SystemClock
from resolver.server.fault_texts import Fault, fault_from
from resolver.server.faults import Faults, matches
from resolver.wire.bodies import ResolveRequest
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope
from resolver.wire.message import Message, encode_message
from tests.support.live_network import LiveNetwork, network
from tests.transport.echo import id_of, next_message

__all__ = ["network"]

MOTOR = "88.901.1/motor"
TRANSPORTS = ("udp", "tcp", "http")


def client_of(network: LiveNetwork, transport: str, timeout: float = 5.0) -> Client:
    return Client(network.address("works", transport), transport=transport, timeout=timeout)


@pytest.mark.parametrize(
    ("pattern", "handle", "expected"),
    [
        (MOTOR, "88.901.1/MOTOR", True),
        (MOTOR, "88.901.1/motor2", False),
        ("88.901.1/mot*", MOTOR, True),
        ("88.901.1", MOTOR, True),
        ("88.901", MOTOR, True),
        ("88.901", "0.NA/88.901.1", True),
        ("88.901", "88.901.1", True),
        ("88.90", MOTOR, False),
        ("88.901.1", "0.NA/88.901", False),
        ("0.NA/88.901.1", "88.901.1", True),
    ],
)
def test_which_requests_are_meant(pattern: str, handle: str, expected: bool):
    assert matches(pattern, handle) is expected


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_error_until_it_is_cleared(network: LiveNetwork, transport: str):
    async with asking_plainly(network, transport) as ask:
        for _ in range(4):
            await ask()
    faults = network.faults["works"]
    number = faults.add(fault_from(["error=3"], match=MOTOR))
    async with client_of(network, transport) as client:
        for _ in range(2):
            with pytest.raises(ResolutionError) as caught:
                await client.resolve(MOTOR)
            assert caught.value.code == ResponseCode.SERVER_BUSY
        assert await client.resolve("88.901.1/large")
        assert faults.counts() == {number: (2, 2)}
        assert faults.clear(number) == 1
        assert (await client.resolve(MOTOR)).first("URL") is not None
    assert not faults.rules


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_ready_answers_come_again_after_a_fault(network: LiveNetwork, transport: str):
    counters = network.states["works"].counters

    def ready() -> int:
        histogram = counters.durations.get((transport, "ready"))
        return 0 if histogram is None else sum(histogram.counts)

    async with asking_plainly(network, transport) as ask:
        for _ in range(4):
            await ask()
        assert ready()
        network.faults["works"].add(fault_from(["delay=1ms"]))
        before = ready()
        for _ in range(4):
            await ask()
        assert ready() == before
        network.faults["works"].clear(None)
        for _ in range(4):
            await ask()
        assert ready() > before


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_delay_ends_with_its_fault(network: LiveNetwork, transport: str):
    faults = network.faults["works"]
    async with client_of(network, transport) as client:
        faults.add(fault_from(["delay=80ms"]))
        began = time.monotonic()
        await client.resolve(MOTOR)
        assert time.monotonic() - began >= 0.08
        counted = network.states["works"].counters.durations[(transport, "local")].total
        assert counted >= 0.08  # so that it is seen in the metrics
        faults.clear(None)
        faults.add(fault_from(["delay=60s"]))
        asked = asyncio.ensure_future(client.resolve(MOTOR))
        await asyncio.wait([asked], timeout=0.1)
        assert not asked.done()
        faults.clear(None)
        assert (await asked).code == ResponseCode.SUCCESS


@pytest.mark.parametrize("outcome", ["drop", "hang", "stop"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nobody_hears_of_a_request_that_is_lost(
    network: LiveNetwork, transport: str, outcome: str
):
    faults = network.faults["works"]
    faults.add(fault_from([outcome]))
    async with client_of(network, transport, timeout=0.2) as client:
        with pytest.raises(UpstreamError):
            await client.resolve(MOTOR)
        faults.clear(None)
    async with client_of(network, transport) as client:
        assert (await client.resolve(MOTOR)).code == ResponseCode.SUCCESS


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_garbage_is_no_answer(network: LiveNetwork, transport: str):
    network.faults["works"].add(fault_from(["garbage"]))
    async with client_of(network, transport, timeout=0.3) as client:
        with pytest.raises((UpstreamError, WireError)):
            await client.resolve(MOTOR)


async def test_over_tcp_one_answer_is_lost_and_the_others_come(network: LiveNetwork):
    network.faults["works"].add(fault_from(["drop"], times=1, after=1))
    reader, writer = await asyncio.open_connection(*place(network, "tcp"))
    writer.write(b"".join(request(number) for number in range(1, 5)))
    assert [id_of(await next_message(reader)) for _ in range(3)] == [1, 3, 4]
    writer.close()


async def test_a_garbled_message_finds_the_one_who_asked(network: LiveNetwork):
    network.faults["works"].add(fault_from(["garbage"]))
    reader, writer = await asyncio.open_connection(*place(network, "tcp"))
    writer.write(request(9))
    garbled = await next_message(reader)
    assert id_of(garbled) == 9
    assert len(garbled) == ENVELOPE_OCTETS + int.from_bytes(garbled[16:20], "big")
    assert b"https://example.com/motor" not in garbled
    writer.close()


async def test_what_happens_by_chance_happens_again(network: LiveNetwork):
    faults = network.faults["works"]
    seen = []
    for seed in (7, 7, 8):
        faults.add(fault_from(["error=2", "chance=50%"], seed=seed))
        async with client_of(network, "tcp") as client:
            seen.append([await code(client) for _ in range(24)])
        faults.clear(None)
    assert seen[0] == seen[1] != seen[2]
    assert set(seen[0]) == {1, 2}


async def test_a_script_of_outcomes(network: LiveNetwork):
    faults = network.faults["works"]
    faults.add(fault_from(["error=3"], match=MOTOR, after=1, times=2))
    async with client_of(network, "udp") as client:
        assert [await code(client) for _ in range(5)] == [1, 3, 3, 1, 1]
    assert list(faults.counts().values()) == [(5, 2)]


async def test_a_fault_is_over_when_its_time_is_up(network: LiveNetwork):
    faults = network.faults["works"]
    faults.add(fault_from(["hang"], seconds=0.2))
    async with client_of(network, "http") as client:
        with pytest.raises(UpstreamError):
            await client.resolve(MOTOR)  # which waits until the fault is over
        assert not faults.rules
        assert (await client.resolve(MOTOR)).code == ResponseCode.SUCCESS


async def test_a_stopped_node_still_tells_how_it_is(network: LiveNetwork):
    network.faults["works"].add(fault_from(["stop"]))
    url = f"http://{network.address('works', 'http')}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/health") as answer:
            assert answer.status == 200
        for path in ("/", "/api/site", f"/api/handles/{MOTOR}", f"/{MOTOR}"):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.get(url + path)


async def test_each_handle_of_a_batch_has_its_own_fate(network: LiveNetwork):
    network.faults["works"].add(fault_from(["drop"], match=MOTOR))
    url = f"http://{network.address('works', 'http')}/api/resolve"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"handles": [MOTOR, "88.901.1/large"]}) as answer,
    ):
        items = await answer.json()
    assert [item["responseCode"] for item in items] == [ResponseCode.ERROR, ResponseCode.SUCCESS]


async def test_a_tier_that_fails_is_seen_through_the_recursive_node(network: LiveNetwork):
    faults = network.faults["optics"]
    faults.add(fault_from(["error=3"], match="88.901.1"))
    async with Client(network.address("recursive")) as client:
        with pytest.raises(ResolutionError):
            await client.resolve(MOTOR)
        assert next(iter(faults.counts().values()))[1]
        with pytest.raises(NotFound):
            await client.resolve("88.901/nothing")


async def test_a_slow_disk_holds_up_changes_only(network: LiveNetwork):
    faults = network.faults["works"]
    faults.add(fault_from(["disk=80ms"]))
    assert not faults.rules
    assert network.services["works"]._writer.delay_s == pytest.approx(0.08)
    faults.clear(None)
    assert network.services["works"]._writer.delay_s == 0


@pytest.fixture
async def alone() -> AsyncIterator[Callable[..., Faults]]:
    made: list[Faults] = []

    def make(*arguments: object) -> Faults:
        made.append(Faults(SystemClock(), *arguments))
        return made[-1]

    yield make
    for faults in made:
        faults.close()


async def test_faults_outlive_the_process(alone, tmp_path):
    path = tmp_path / "faults.json"
    first = alone(path)
    number = first.add(Fault(outcome="hang", match="88.901"))
    first.add(Fault(delay_s=1.0, seconds=60.0))
    second = alone(path)
    second.wake()
    assert second.rows() == first.rows()
    assert second.add(Fault(outcome="drop")) == number + 2
    second.clear(None)
    assert not path.exists()
    third = alone(path)
    third.wake()
    assert third.rows() == []


def place(network: LiveNetwork, transport: str) -> tuple[str, int]:
    host, _, port = network.address("works", transport).rpartition(":")
    return host, int(port)


def request(number: int) -> bytes:
    return encode_message(
        Message(
            envelope=Envelope((2, 10), (2, 11), request_id=number),
            op_code=OpCode.RESOLVE,
            flags=OpFlag.PUBL | OpFlag.CACR,
            expiration=2**31,
            body=ResolveRequest(MOTOR),
        )
    )


@asynccontextmanager
async def asking_plainly(
    network: LiveNetwork, transport: str
) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """Asks for the motor over and over, on one connection, in the plainest way."""
    if transport == "http":
        url = f"http://{network.address('works', 'http')}/api/handles/{MOTOR}"
        async with aiohttp.ClientSession() as session:

            async def ask() -> object:
                async with session.get(url) as answer:
                    return await answer.read()

            yield ask
    else:
        async with client_of(network, transport) as client:
            yield lambda: client.resolve(MOTOR)


async def code(client: Client) -> int:
    try:
        return (await client.resolve(MOTOR)).code
    except ResolutionError as error:
        return error.code
