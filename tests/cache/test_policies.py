"""Every eviction policy keeps its contract; SIEVE and S3-FIFO do what their papers say."""

import gc
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from itertools import islice
from types import BuiltinMethodType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.policies import POLICIES, CachePolicy, make_policy
from resolver.model.errors import ConfigError
from tests.support.policies import PaperS3Fifo, PaperSieve

PAPERS: dict[str, Callable[[int], PaperSieve | PaperS3Fifo]] = {
    "sieve": PaperSieve,
    "sieve10": partial(PaperSieve, grace=True),
    "s3fifo": PaperS3Fifo,
}


class Cache:
    """So many keys under a policy, asked for and dropped as in ``tests.support.policies``."""

    def __init__(self, policy: CachePolicy[Hashable], capacity: int) -> None:
        self.policy = policy
        self.capacity = capacity
        self.keys: dict[Hashable, Hashable] = {}

    def ask(self, key: Hashable) -> list[Hashable]:
        if key in self.keys:
            self.policy.used(self.keys[key])
            return []
        gone = []
        while len(self.keys) >= self.capacity:
            gone.append(self.policy.victim())
            self.drop(gone[-1])
        self.keys[key] = key
        self.policy.added(key)
        return gone

    def drop(self, key: Hashable) -> None:
        del self.keys[key]
        self.policy.removed(key)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "ask", "drop", "evict"]), st.integers(0, 12)),
    max_size=150,
)


@pytest.mark.parametrize("name", sorted(POLICIES))
@given(steps=STEPS, capacity=st.integers(1, 10))
def test_a_policy_knows_exactly_the_keys_that_are_there(
    name: str, steps: list[tuple[str, int]], capacity: int
) -> None:
    cache = Cache(make_policy(name), capacity)
    for step, key in steps:
        if step == "ask":
            there = set(cache.keys)
            gone = cache.ask(key)
            assert set(gone) <= there
            assert len(gone) == len(set(gone))
        elif step == "drop" and key in cache.keys:
            cache.drop(key)
        elif step == "evict" and cache.keys:
            victim = cache.policy.victim()
            assert victim in cache.keys
            if key % 2:
                # A victim that is pardoned stays.
                cache.drop(victim)
    left = set(cache.keys)
    while left:
        victim = cache.policy.victim()
        left.remove(victim)
        cache.policy.removed(victim)


def trace(seed: int, length: int, universe: int) -> Iterator[str]:
    """Keys, those with small numbers far more often."""
    draw = random.Random(seed)
    for _ in range(length):
        yield f"88.901.1/{int(universe * draw.random() ** 3)}"


@pytest.mark.parametrize("name", sorted(PAPERS))
@pytest.mark.parametrize("capacity", [1, 2, 9, 10, 25, 100])
def test_the_same_keys_leave_in_the_same_order_as_in_the_paper(name: str, capacity: int) -> None:
    ours, papers = Cache(make_policy(name), capacity), PAPERS[name](capacity)
    evictions = 0
    for key in trace(capacity, 8_000, 4 * capacity + 5):
        gone = ours.ask(key)
        assert gone == papers.ask(key)
        evictions += len(gone)
    assert evictions > 1_000


@pytest.mark.parametrize("name", ["s3fifo", "sieve"])
@pytest.mark.parametrize("dropped", [0.02, 0.1, 0.2])
def test_and_so_they_do_while_others_expire(name: str, dropped: float) -> None:
    capacity = 50
    ours, papers = Cache(make_policy(name), capacity), PAPERS[name](capacity)
    draw = random.Random(7)
    evictions = 0
    for key in trace(1, 20_000, 200):
        gone = ours.ask(key)
        assert gone == papers.ask(key)
        evictions += len(gone)
        # They warm up before the first eviction, and when they have been emptied.
        while evictions and len(ours.keys) > 1 and draw.random() < dropped:
            key = draw.choice(list(ours.keys))
            ours.drop(key)
            papers.drop(key)
    assert evictions > 50


@given(steps=STEPS, capacity=st.integers(1, 8))
def test_sieve_is_the_papers_whatever_happens(steps: list[tuple[str, int]], capacity: int) -> None:
    ours, papers = Cache(make_policy("sieve"), capacity), PaperSieve(capacity)
    for step, key in steps:
        if step == "ask":
            assert ours.ask(key) == papers.ask(key)
        elif key in ours.keys:
            ours.drop(key)
            papers.drop(key)


def test_keys_asked_for_survive_a_scan_in_some_policies() -> None:
    kept = {}
    for name in sorted(POLICIES):
        cache = Cache(make_policy(name), 100)
        for key in range(50):
            cache.ask(key)
            cache.ask(key)
            cache.ask(key)
        for key in range(1_000, 1_120):
            cache.ask(key)
        kept[name] = sum(key in cache.keys for key in range(50))
    assert kept == {"lru": 0, "s3fifo": 50, "sieve": 50, "sieve10": 50, "ttl": 0}


def test_ghosts_keep_no_key_alive() -> None:
    class Key:
        pass

    cache = Cache(make_policy("s3fifo"), 10)
    for _ in range(200):
        cache.ask(Key())
    gc.collect()
    assert sum(type(thing) is Key for thing in gc.get_objects()) == 10


def test_decisions_do_not_depend_on_the_seed_of_hashes() -> None:
    code = (
        "from tests.cache.test_policies import Cache, POLICIES, make_policy, trace\n"
        "for name in sorted(POLICIES):\n"
        "    cache = Cache(make_policy(name), 50)\n"
        "    print(name, [cache.ask(key) for key in trace(5, 3000, 200)])\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop()) > 10_000


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_after_clearing_all_begins_anew(name: str) -> None:
    keys = list(trace(3, 3_000, 100))
    fresh = Cache(make_policy(name), 40)
    expected = [fresh.ask(key) for key in keys]
    cleared = Cache(make_policy(name), 40)
    used = cleared.policy.used
    for key in trace(4, 3_000, 100):
        cleared.ask(key)
        if len(cleared.keys) > 30 and key.endswith("7"):
            cleared.drop(next(iter(cleared.keys)))
    cleared.keys.clear()
    cleared.policy.clear()
    assert [cleared.ask(key) for key in keys] == expected
    # A cache may hold on to the bound method.
    victim = cleared.policy.victim()
    used(victim)
    used(victim)
    assert name == "ttl" or cleared.policy.victim() != victim


def test_s3fifo_knows_a_ghost_by_what_does_not_change() -> None:
    def stays(policy: CachePolicy[Hashable]) -> bool:
        """Whether an entry that was evicted and came back, with another moment, outlives others."""
        cache = Cache(policy, 20)
        others = ((f"other-{number}", 0) for number in range(100))
        for entry in (*islice(others, 25), ("a", 1), *islice(others, 5)):
            cache.ask(entry)
        assert ("a", 1) not in cache.keys
        for entry in (("a", 2), *islice(others, 10)):
            cache.ask(entry)
        return ("a", 2) in cache.keys

    assert stays(make_policy("s3fifo", lambda entry: entry[0]))
    assert not stays(make_policy("s3fifo"))


@pytest.mark.parametrize("name", ["sieve", "sieve10"])
def test_a_hit_in_sieve_runs_no_python_code(name: str) -> None:
    assert isinstance(make_policy(name).used, BuiltinMethodType)


def memory_of(build: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        kept = build()
        grown = tracemalloc.get_traced_memory()[0]
        del kept
        return grown
    finally:
        tracemalloc.stop()


def test_sieve_takes_at_most_fifty_bytes_for_a_key() -> None:
    # As many keys as make the set of marks as dense as a million do: three fifths of 2 ** 17.
    keys = [f"88.901.1/{number:06d}" for number in range(1_000_000 // 16)]

    def build() -> object:
        policy = make_policy("sieve")
        for key in keys:
            policy.added(key)
            policy.used(key)
        return policy

    assert memory_of(build) / len(keys) <= 50


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_cache_that_is_never_full_does_not_grow(name: str) -> None:
    keys = [f"88.901.1/{number:06d}" for number in range(2_000)]

    def build(rounds: int) -> Callable[[], object]:
        def run() -> object:
            cache = Cache(make_policy(name), 10_000)
            draw = random.Random(1)
            for key in keys:
                cache.ask(key)
            for _ in range(rounds):
                key = draw.choice(keys)
                cache.drop(key)
                cache.ask(key)
                cache.ask(key)
            return cache.policy

        return run

    assert memory_of(build(60_000)) <= memory_of(build(2_000)) + 300_000


def test_nothing_is_left_of_what_was_flushed() -> None:
    keys = [f"88.901.1/{number:06d}" for number in range(20_000)]
    for name in sorted(POLICIES):
        before = sum(map(sys.getrefcount, keys))
        policy = make_policy(name)
        for key in keys:
            policy.added(key)
        assert sum(map(sys.getrefcount, keys)) > before + len(keys) - 100
        for key in keys:
            policy.removed(key)
        policy.added(keys[7])
        assert policy.victim() == keys[7], name
        assert sum(map(sys.getrefcount, keys)) < before + 100, name


def test_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="policy 'mru'; known: lru, s3fifo, sieve, sieve10, ttl"):
        make_policy("mru")
