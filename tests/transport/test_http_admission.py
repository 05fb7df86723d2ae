"""Rates over HTTP: who asks more than one client may hears so, whatever else would answer."""

import json

import msgpack

from resolver.transport.admission import Admission
from tests.support.memory_network import four_tiers
from tests.transport.raw_http import RawHttp, TwoDoors, get

# So slow that nothing is earned while a test runs.
SLOW = 0.001


async def statuses(client: RawHttp, request: bytes, number: int) -> list[int]:
    return [(await client.ask(request)).status for _ in range(number)]


async def test_a_client_that_asks_too_often():
    admission = Admission(rate=SLOW, burst=3)
    async with TwoDoors(four_tiers(), "works", admission=admission).open() as doors:
        assert await statuses(doors.hot, get(), 5) == [200, 200, 200, 429, 429]
        refused = await doors.hot.ask(get())
        assert refused.headers["retry-after"] == "1"
        assert json.loads(refused.body)["responseCode"] == 3
        assert await statuses(doors.hot, get("/88.901.1/motor"), 1) == [429]
        # What a supervisor wants to know is told to everybody.
        for path in ("/health", "/metrics"):
            assert await statuses(doors.hot, get(path), 1) == [200]
        assert doors.state.counters.shed == {"rate": 4}


async def test_a_batch_counts_for_its_handles():
    admission = Admission(rate=SLOW, burst=10)
    async with TwoDoors(four_tiers(), "works", admission=admission).open() as doors:
        body = msgpack.packb(["88.901.1/motor"] * 9)
        head = (
            "POST /api/resolve HTTP/1.1\r\nHost: node\r\nContent-Type: application/msgpack\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        assert await statuses(doors.hot, head.encode() + body, 1) == [200]
        assert await statuses(doors.hot, get(), 2) == [200, 429]


async def test_without_a_rate_nobody_is_counted():
    async with TwoDoors(four_tiers(), "works").open() as doors:
        assert await statuses(doors.hot, get(), 50) == [200] * 50
        assert doors.repeated == 49
