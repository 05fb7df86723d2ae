"""The lives of what is cached: fresh, due, stale, held, failed; and the numbers of prefixes."""

import pytest

from resolver.cache import Lifetimes, RecordCache
from resolver.cache.prefixes import MAX_PREFIXES, OTHERS, PrefixNumbers
from resolver.cache.records import STALE_RETRY_S, State
from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.value import HandleValue
from resolver.node.outcome import Pending
from resolver.wire.answer import Answer
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.values import ValueList
from tests.support.memory_network import CLIENT, MemoryNetwork, four_tiers

HANDLE = "88.901.1/motor"
NOW = 1_000_000.0
VALUES = ValueList.of([HandleValue(1, "URL", b"https://e.com/", ttl=100)])
LIVES = Lifetimes(ttl_cap_s=100, negative_ttl_s=10, failure_ttl_s=1, stale_s=1000, prefetch=True)


def state_at(cache: RecordCache, now: float) -> State | None:
    found = cache.get(HANDLE, now)
    return None if found is None else found.state


def test_an_answer_is_fresh_then_due_once_then_stale_then_gone() -> None:
    cache = RecordCache(1 << 20, LIVES)
    cache.put_values(HANDLE, VALUES, now=NOW, unix_now=0)
    assert state_at(cache, NOW + 80) is State.FRESH
    assert state_at(cache, NOW + 97) is State.DUE
    assert state_at(cache, NOW + 97) is State.FRESH, "one look for a new answer is enough"
    assert state_at(cache, NOW + 101) is State.STALE
    assert state_at(cache, NOW + 1099) is State.STALE
    assert state_at(cache, NOW + 1101) is None


def test_a_stale_answer_is_held_for_a_moment_after_a_failure() -> None:
    cache = RecordCache(1 << 20, LIVES)
    cache.put_values(HANDLE, VALUES, now=NOW, unix_now=0)
    cache.put_failure(HANDLE, ResponseCode.ERROR, "silent", now=NOW + 200)
    assert state_at(cache, NOW + 200) is State.HELD
    assert state_at(cache, NOW + 200 + STALE_RETRY_S + 0.1) is State.STALE


def test_a_failure_is_remembered_for_a_moment_if_there_is_nothing_better() -> None:
    cache = RecordCache(1 << 20, LIVES)
    cache.put_failure(HANDLE, ResponseCode.ERROR, "silent", now=NOW)
    found = cache.get(HANDLE, NOW + 0.9)
    assert found is not None
    assert (found.code, found.message, found.values) == (ResponseCode.ERROR, "silent", None)
    assert cache.get(HANDLE, NOW + 1.1) is None


@pytest.fixture
def network() -> MemoryNetwork:
    network = four_tiers()
    network.states["recursive"].records = RecordCache(1 << 20, LIVES)
    return network


def outcome(network: MemoryNetwork) -> Answer | Pending:
    request = Message(Envelope(), op_code=1, flags=OpFlag.PUBL, body=ResolveRequest(HANDLE))
    return network.endpoints["recursive"].ask(request, CLIENT, network.now, network.unix_now)


def test_what_is_asked_for_is_looked_for_before_it_expires(network: MemoryNetwork) -> None:
    network.ask("recursive", HANDLE)
    network.now += 97
    network.asked.clear()
    due = outcome(network)
    assert isinstance(due, Pending)
    assert due.patience_s == 0, "nobody waits for it"
    assert due.meanwhile is not None
    assert due.meanwhile.cache == "hit"
    network.settle("recursive", due)
    assert network.asked
    network.now += 50
    again = outcome(network)
    assert isinstance(again, Answer)
    assert again.cache == "hit"


def test_an_old_answer_serves_while_its_node_is_silent(network: MemoryNetwork) -> None:
    network.ask("recursive", HANDLE)
    network.now += 200
    network.down = {"works", "optics", "wuhan", "root"}
    answer = network.ask("recursive", HANDLE)
    assert (answer.code, answer.cache) == (ResponseCode.SUCCESS, "stale")
    assert isinstance(answer.body, RecordAnswer)
    assert not answer.authoritative
    network.asked.clear()
    assert network.ask("recursive", HANDLE).cache == "stale"
    assert network.asked == [], "for a moment nobody is asked again"
    network.down = set()
    network.now += STALE_RETRY_S + 1
    assert network.ask("recursive", HANDLE).cache == "miss"


def test_a_failure_is_told_again_without_asking(network: MemoryNetwork) -> None:
    network.down = {"works", "optics", "wuhan", "root"}
    assert network.ask("recursive", HANDLE).code == ResponseCode.ERROR
    network.asked.clear()
    assert network.ask("recursive", HANDLE).code == ResponseCode.ERROR
    assert network.asked == []


def test_prefixes_are_numbered_in_the_order_of_their_first_finds() -> None:
    numbers = PrefixNumbers()
    assert numbers.known("88.1/x") == OTHERS
    assert [numbers.number(handle) for handle in ("88.1/x", "88.2/x", "88.1/y")] == [1, 2, 1]
    assert numbers.number_of(b"88.2/Z") == 2
    assert numbers.known("88.2/other") == 2
    assert numbers.names == ["*", "88.1", "88.2"]
    assert numbers.number("0.NA/88.7") == numbers.number("0.NA/88.8")


def test_prefixes_beyond_all_numbers_count_together() -> None:
    numbers = PrefixNumbers()
    for number in range(MAX_PREFIXES + 5):
        numbers.number(f"{number}/x")
    assert numbers.number("another/x") == OTHERS
    assert len(numbers.names) == MAX_PREFIXES + 1


def test_counts_are_taken_once() -> None:
    numbers = PrefixNumbers()
    numbers.answered[numbers.number("88.1/x")] += 3
    assert list(numbers.take_answered()) == [(1, 3)]
    assert list(numbers.take_answered()) == []
