"""Equal questions share one resolution; who leaves takes only itself."""

import asyncio
import logging

import pytest

from resolver.model.codes import ResponseCode
from resolver.node.outcome import Pending
from resolver.resolution import Ask, Question, Reply, Resolution
from resolver.server.clock import SystemClock
from resolver.server.driver import Driver
from resolver.server.writer import Writer
from resolver.storage.memory import MemoryStore
from resolver.telemetry.counters import Counters
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer
from tests.support.memory_network import MemoryNetwork, four_tiers

HANDLE = "88.901.1/motor"


class Gate:
    """Carries questions through a network in memory, once it is open."""

    def __init__(self) -> None:
        self.network: MemoryNetwork = four_tiers()
        self.open = asyncio.Event()
        self.asked = asyncio.Event()

    async def exchange(self, ask: Ask) -> Reply:
        self.asked.set()
        await self.open.wait()
        return self.network.exchange(ask)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def driver(gate: Gate, counters: Counters) -> Driver:
    return Driver(gate, Writer(MemoryStore()), SystemClock(), counters)


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
        answers = [group.create_task(driver.resolve(pending(gate))) for _ in range(50)]
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
            group.create_task(driver.resolve(pending(gate, key)))
    assert counters.coalesced == 0


async def test_who_leaves_takes_only_itself(driver: Driver, gate: Gate):
    first = asyncio.create_task(driver.resolve(pending(gate)))
    second = asyncio.create_task(driver.resolve(pending(gate)))
    await gate.asked.wait()
    first.cancel()
    gate.open.set()
    assert (await second).code == ResponseCode.SUCCESS
    assert first.cancelled()


async def test_closing_waits_for_what_runs(driver: Driver, gate: Gate):
    answer = asyncio.create_task(driver.resolve(pending(gate)))
    await gate.asked.wait()
    closing = asyncio.create_task(driver.close())
    gate.open.set()
    await closing
    assert (await answer).code == ResponseCode.SUCCESS


async def test_the_next_question_is_asked_anew(driver: Driver, gate: Gate):
    gate.open.set()
    await driver.resolve(pending(gate))
    before = len(gate.network.asked)
    await driver.resolve(pending(gate))
    assert len(gate.network.asked) > before


async def test_a_defect_is_an_answer_and_a_line_in_the_log(
    driver: Driver, gate: Gate, caplog: pytest.LogCaptureFixture
):
    def broken() -> Resolution:
        raise ZeroDivisionError

    caplog.set_level(logging.ERROR)
    answer: Answer = await driver.resolve(
        Pending("x", broken, lambda *_: None, lambda answer: answer)
    )
    assert answer.code == ResponseCode.ERROR
    assert isinstance(answer.body, ErrorAnswer)
    assert "internal error" in (answer.body.message or "")
    assert "ZeroDivisionError" in caplog.text
