"""Where the figures of a node come from."""

import asyncio
from pathlib import Path

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.server.clock import SystemClock
from resolver.server.family import Family, Report
from resolver.server.figures import FsyncWatch, StatesOf, count_proof
from resolver.server.muster import Muster
from resolver.server.pulse import INTERVAL_S, Pulse
from resolver.storage import Figures, day_of
from resolver.storage.lmdb import LmdbStore
from resolver.telemetry.counters import Counters, Histogram
from resolver.telemetry.states import NodeStates, UpstreamState
from resolver.upstream.exchange import Upstream
from resolver.upstream.health import OPENS_AFTER, Breaker, Health
from resolver.wire.answer import Answer
from resolver.wire.bodies import ChallengeAnswerRequest, EmptyBody
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from tests.support.memory_network import site
from tests.support.nodes import node_state


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (ResponseCode.SUCCESS, "success"),
        (ResponseCode.HANDLE_EXISTS, "success"),
        (ResponseCode.AUTHENTICATION_FAILED, "failed"),
        (ResponseCode.INVALID_ADMIN, "refused"),
        (ResponseCode.AUTHENTICATION_TIMEOUT, "timeout"),
        (ResponseCode.ERROR, "error"),
    ],
)
def test_proofs_by_kind_and_result(code: ResponseCode, result: str):
    counters = Counters()
    body = ChallengeAnswerRequest("HS_PUBKEY", "0.NA/88.901", 300, b"")
    answered = Message(envelope=Envelope(), op_code=OpCode.CHALLENGE_ANSWER, body=body)
    count_proof(counters, answered, Answer(code, EmptyBody()))
    password = Message(envelope=Envelope(), op_code=OpCode.LOGIN_PASSWORD)
    count_proof(counters, password, Answer(code, EmptyBody()))
    assert counters.auth == {("public_key", result): 1, ("password", result): 1}


def test_a_login_that_begins_is_no_proof_yet():
    counters = Counters()
    request = Message(envelope=Envelope(), op_code=OpCode.LOGIN_KEY)
    count_proof(counters, request, Answer(ResponseCode.AUTHENTICATION_NEEDED, EmptyBody()))
    assert counters.auth == {}


def test_a_kind_of_key_from_outside_is_no_label():
    counters = Counters()
    body = ChallengeAnswerRequest("made up", "0.NA/88.901", 300, b"")
    request = Message(envelope=Envelope(), op_code=OpCode.CHALLENGE_ANSWER, body=body)
    count_proof(counters, request, Answer(ResponseCode.SUCCESS, EmptyBody()))
    assert counters.auth == {("key", "success"): 1}


def test_what_the_disk_takes(tmp_path: Path):
    store, histogram = LmdbStore(tmp_path / "records.mdb"), Histogram()
    store.watch(FsyncWatch(histogram))
    try:
        store.tally(day_of(1_700_000_000), {"88": Figures(1)})
        store.note("something", "", 1_700_000_000)
        assert sum(histogram.counts) == 2
        assert histogram.total > 0
        assert store.last_entry() == 1
    finally:
        store.close()


def test_the_breaker_as_the_next_request_finds_it():
    health = Health("127.0.0.1:1", "optics")
    for _ in range(OPENS_AFTER):
        health.failed(100.0)
    assert health.breaker_at(100.0) is Breaker.OPEN
    assert health.breaker_at(110.0) is Breaker.HALF_OPEN
    assert health.breaker is Breaker.OPEN


async def test_states_of_a_node():
    state = node_state("wuhan", "top-level", site("wuhan", 1), homes=["88"], delegates=["88"])
    family, clock = Family(state, ("optics", "steel"), heartbeat_s=5.0), SystemClock()
    family.heard("optics", Report("secondary", 0, ()), clock.now(), clock.unix())
    upstream = Upstream()
    states = StatesOf(state, upstream, family, clock)()
    await upstream.close()
    assert states.heard["steel"] is None
    assert states.heard["optics"] is not None
    assert 0 <= states.heard["optics"] < 5
    assert states.sessions == {"session": 0, "login": 0}
    assert states.sync_lag_s is None


async def test_the_processes_of_a_node_together(tmp_path: Path):
    files = [tmp_path / "worker-0.counters", tmp_path / "worker-1.counters"]
    pulse = Pulse("wuhan-2")
    there = NodeStates(
        {"optics": UpstreamState(2, 0.5, 2)}, {"login": 1}, {"steel": 3.0, "food": None}
    )
    here = NodeStates(
        {"optics": UpstreamState(1, 0.1, 0)}, {"login": 2}, {"steel": None, "food": None}
    )
    process = (pulse.name, pulse.states)
    other = Muster(Counters(), dict, files[1], list, lambda: there, process)
    first = Muster(Counters(), dict, files[0], lambda: files[1:], lambda: here)
    try:
        found = first.states()
        assert found.upstreams == {"optics": UpstreamState(3, 0.5, 2)}
        assert found.sessions == {"login": 3}
        assert found.heard == {"steel": 3.0, "food": None}
        (name, states), = first.other_processes().items()  # fmt: skip
        assert name == "wuhan-2"
        assert states.resident > 1 << 20
        assert states.cpu_s > 0
    finally:
        other.close()
        first.close()
        pulse.close()


async def test_a_loop_that_is_held_up_is_late():
    pulse = Pulse("works")
    try:
        deadline = asyncio.get_running_loop().time() + INTERVAL_S + 0.1
        while asyncio.get_running_loop().time() < deadline:
            pass  # somebody computes, and gives nobody a turn
        for _ in range(3):
            await asyncio.sleep(0)
        assert pulse.states().loop_lag.total >= 0.1
        assert pulse.states().open_files > 0
    finally:
        pulse.close()
