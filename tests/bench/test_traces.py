"""The cache lab's traces are the same for the same seed, and have the shape they claim."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise

import pytest

from bench.traces import LEAF, ROUTE, TRACES, Access

COUNT = 20_000


def leaves(name: str, count: int = COUNT) -> list[str]:
    return [key for kind, key, _ in TRACES[name].accesses(count, 1) if kind == LEAF]


def prefix(key: str) -> str:
    return key.partition("/")[0]


@pytest.mark.parametrize("name", TRACES)
def test_a_seed_stands_for_one_trace(name: str) -> None:
    trace = TRACES[name]
    accesses = list(trace.accesses(COUNT, 1))
    assert accesses == list(trace.accesses(COUNT, 1))
    assert accesses != list(trace.accesses(COUNT, 2))
    lazy: Iterator[Access] = trace.accesses(COUNT, 1)
    assert list(islice(lazy, 20)) == accesses[:20]


@pytest.mark.parametrize("name", TRACES)
def test_a_question_is_its_route_and_its_leaf(name: str) -> None:
    accesses = list(TRACES[name].accesses(COUNT, 1))
    if name.startswith("zipf"):
        assert {kind for kind, _, _ in accesses} == {LEAF}
    else:
        for (kind, route, _), (other, leaf, _) in zip(accesses[::2], accesses[1::2], strict=True):
            assert (kind, other, prefix(leaf)) == (ROUTE, LEAF, route)
    assert sum(kind == LEAF for kind, _, _ in accesses) == COUNT
    sizes = {key: size for _, key, size in accesses}
    assert all(sizes[key] == size for _, key, size in accesses), "a key has one size"
    assert all((1_200 if kind == ROUTE else 40) <= size < 2_000 for kind, _, size in accesses)


@pytest.mark.parametrize("alpha", [0.6, 0.8, 1.0, 1.2])
def test_zipf(alpha: float) -> None:
    count = 20_000
    asked = Counter(leaves(f"zipf-{alpha}", count))
    # The first rank has its share, and the first hundred have theirs.
    weights = [(rank + 1) ** -alpha for rank in range(count // 5)]
    for first in (1, 100):
        expected = count * sum(weights[:first]) / sum(weights)
        found = sum(times for _, times in asked.most_common(first))
        assert found == pytest.approx(expected, rel=0.15, abs=30)


def test_an_enterprise_is_asked_for_all_day_and_an_item_once() -> None:
    items = Counter(leaves("enterprise"))
    assert len(items) > 0.99 * COUNT
    enterprises = Counter(map(prefix, items.elements()))
    assert len(enterprises) == COUNT // 100
    harmonic = sum(1 / rank for rank in range(1, COUNT // 100 + 1))
    assert enterprises.most_common(1)[0][1] == pytest.approx(COUNT / harmonic, rel=0.1)


def test_a_scan_walks_through_everything_once_beside_a_hot_set() -> None:
    asked = leaves("scan")
    hot, scanned = asked[::2], asked[1::2]
    assert len(set(hot)) <= COUNT // 25
    assert len(set(scanned)) == len(scanned)
    assert not set(hot) & set(scanned)
    # In order: fifty items, then the next enterprise.
    assert sum(prefix(one) != prefix(next_) for one, next_ in pairwise(scanned)) == COUNT // 100 - 1


def test_a_flood_is_of_names_never_asked_again_under_one_prefix() -> None:
    asked = leaves("flood")
    hot = asked[::5]
    flood = [key for number, key in enumerate(asked) if number % 5]
    assert len(set(flood)) == len(flood)
    assert len(set(map(prefix, flood))) == 1
    assert not set(map(prefix, flood)) & set(map(prefix, hot))
    assert len(set(hot)) <= COUNT // 25


@pytest.mark.parametrize(
    ("name", "asked", "times"), [("shift", 80, 50), ("worst-80", 80, 10), ("worst-5", 5, 10)]
)
def test_a_shift_leaves_nothing_of_the_hot_set(name: str, asked: int, times: int) -> None:
    phase = 80_000 // times
    keys = leaves(name, 80_000)
    phases = [set(keys[start : start + phase]) for start in range(0, 80_000, phase)]
    assert all(not one & next_ for one, next_ in pairwise(phases))
    assert all(0.5 * phase / asked < len(found) <= phase / asked for found in phases)


def test_items_that_drift_come_hot_and_fade() -> None:
    count = 20_000
    keys = leaves("drift", count)
    item = [int(key.partition("/")[2]) for key in keys]
    # An item is new when no later one was asked for before; the new ones are asked for most.
    newest = [max(item[:number], default=0) for number in range(0, count, 100)]
    assert newest == sorted(newest)
    assert newest[-1] - newest[0] == pytest.approx(count // 10, rel=0.3)
    first, last = set(keys[: count // 4]), set(keys[-count // 4 :])
    assert not first & last
