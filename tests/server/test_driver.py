"""Equal questions share one resolution; who leaves takes only itself."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from resolver.cache import Route, RouteCache
from resolver.model.codes import ResponseCode
from resolver.model.errors import UpstreamError
from resolver.node.outcome import Pending
from resolver.resolution import Ask, Limits, Question, Reply, Resolution
from resolver.server.clock import SystemClock
from resolver.server.driver import Driver
from resolver.server.writer import Writer
from resolver.storage.memory import MemoryStore
from resolver.telemetry.counters import Counters
from resolver.upstream.exchange import Upstream
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer
from tests.support.memory_network import MemoryNetwork, four_tiers, site

HANDLE = "88.901.1/motor"


class Gate:
    """Carries questions through a network in memory, once it is open."""

    def __init__(self) -> None:
        self.network: MemoryNetwork = four_tiers()
        self.open = asyncio.Event()
        self.asked = asyncio.Event()

    def ask(self, ask: Ask, heard: Callable[[Reply | UpstreamError], None]) -> object:
        self.asked.set()
        return asyncio.ensure_future(self._tell(ask, heard))

    async def _tell(self, ask: Ask, heard: Callable[[Reply | UpstreamError], None]) -> None:
        await self.open.wait()
        heard(self.network.exchange(ask))


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def driver(gate: Gate, counters: Counters) -> Driver:
    return Driver(
        gate, Writer(MemoryStore(), SystemClock().unix, counters), SystemClock(), counters
    )


async def resolve(driver: Driver, asked: Pending) -> Answer:
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    driver.begin(asked, lambda answer: None if future.done() else future.set_result(answer))
    return await future


def pending(gate: Gate, key: str = HANDLE) -> Pending:
    state = gate.network.states["recursive"]
    return Pending(
        key=key,
        process=lambda: Resolution(Question(HANDLE), state.routes),
        settle=lambda answer, now, unix_now: None,
        finish=lambda answer: answer,
    )


async def test_equal_questions_are_asked_once(driver: Driver, gate: Gate, counters: Counters):
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(resolve(driver, pending(gate))) for _ in range(50)]
        await gate.asked.wait()
        gate.open.set()
    assert {answer.result().code for answer in answers} == {ResponseCode.SUCCESS}
    assert counters.coalesced == 49
    assert len(gate.network.asked) == 3


async def test_other_questions_are_asked_for_themselves(
    driver: Driver, gate: Gate, counters: Counters
):
    gate.open.set()
    async with asyncio.TaskGroup() as group:
        for key in ("one", "other"):
            group.create_task(resolve(driver, pending(gate, key)))
    assert counters.coalesced == 0


async def test_who_leaves_takes_only_itself(driver: Driver, gate: Gate):
    first = asyncio.create_task(resolve(driver, pending(gate)))
    second = asyncio.create_task(resolve(driver, pending(gate)))
    await gate.asked.wait()
    first.cancel()
    gate.open.set()
    assert (await second).code == ResponseCode.SUCCESS
    assert first.cancelled()


async def test_what_nobody_waits_for_any_more_is_kept(driver: Driver, gate: Gate):
    kept: list[Answer] = []
    asked = replace(pending(gate), settle=lambda answer, now, unix_now: kept.append(answer))
    only = asyncio.create_task(resolve(driver, asked))
    await gate.asked.wait()
    only.cancel()
    gate.open.set()
    await driver.close()
    assert only.cancelled()
    assert [answer.code for answer in kept] == [ResponseCode.SUCCESS]


async def test_the_deadline_holds_however_many_are_silent(counters: Counters):
    """Each of four servers takes connections and says nothing."""
    limits = Limits(deadline_s=0.5, ask_timeout_s=0.2)
    async with AsyncExitStack() as running:
        sites = []
        for _ in range(4):
            server = running.enter_context(socket.create_server(("127.0.0.1", 0)))
            sites.append(site("silent", server.getsockname()[1]))
        routes = RouteCache(
            1 << 16, ttl_cap_s=60, negative_ttl_s=60, hints=(Route("", delegation=tuple(sites)),)
        )
        upstream = Upstream(counters=counters)
        running.push_async_callback(upstream.close)
        driver = Driver(
            upstream, Writer(MemoryStore(), SystemClock().unix, counters), SystemClock(), counters
        )
        began = time.monotonic()
        answer = await resolve(
            driver,
            Pending(
                key=HANDLE,
                process=lambda: Resolution(Question(HANDLE), routes, limits),
                settle=lambda answer, now, unix_now: None,
                finish=lambda answer: answer,
            ),
        )
        seconds = time.monotonic() - began
    assert answer.code == ResponseCode.ERROR
    assert isinstance(answer.body, ErrorAnswer)
    assert "was not resolved within 0.5 s" in (answer.body.message or "")
    assert limits.deadline_s <= seconds < limits.deadline_s + 0.5
    assert counters.upstream_requests["other", "timeout"] == 3


async def test_closing_waits_for_what_runs(driver: Driver, gate: Gate):
    answer = asyncio.create_task(resolve(driver, pending(gate)))
    await gate.asked.wait()
    closing = asyncio.create_task(driver.close())
    gate.open.set()
    await closing
    assert (await answer).code == ResponseCode.SUCCESS


async def test_the_next_question_is_asked_anew(driver: Driver, gate: Gate):
    gate.open.set()
    await resolve(driver, pending(gate))
    before = len(gate.network.asked)
    await resolve(driver, pending(gate))
    assert len(gate.network.asked) > before


async def test_a_defect_is_an_answer_and_a_line_in_the_log(
    driver: Driver, gate: Gate, caplog: pytest.LogCaptureFixture
):
    def broken() -> Resolution:
        raise ZeroDivisionError

    caplog.set_level(logging.ERROR)
    answer: Answer = await resolve(
        driver, Pending("x", broken, lambda *_: None, lambda answer: answer)
    )
    assert answer.code == ResponseCode.ERROR
    assert isinstance(answer.body, ErrorAnswer)
    assert "internal error" in (answer.body.message or "")
    assert "ZeroDivisionError" in caplog.text
