"""The planner's models of popularity and caches, against exact sums and the node's own policies."""

from math import exp, inf

import pytest

from bench.plan import caching
from bench.plan.caching import Cache, ask, characteristic_time
from bench.plan.popularity import (
    Group,
    scaled,
    split,
    total_rate,
    uniform_groups,
    zipf_groups,
)


@pytest.mark.parametrize("exponent", [0.6, 0.9, 1.0, 1.3])
def test_groups_stand_for_the_ranks_of_the_law(exponent: float):
    groups = zipf_groups(exponent, 5_000, 100.0)
    weights = [rank**-exponent for rank in range(1, 5_001)]
    assert sum(group.count for group in groups) == pytest.approx(5_000)
    assert total_rate(groups) == pytest.approx(100.0)
    first = groups[0]
    assert (first.count, first.rate) == (
        1,
        pytest.approx(100 * weights[0] / sum(weights), rel=2e-3),
    )
    thousand, _ = split(groups, 1_000)
    exact = 100 * sum(weights[: round(sum(g.count for g in thousand))]) / sum(weights)
    assert total_rate(thousand) == pytest.approx(exact, rel=5e-3)


def test_billions_are_some_hundreds_of_groups():
    groups = zipf_groups(0.9, 3.44e10, 1e6)
    assert len(groups) < 400
    assert sum(group.count for group in groups) == pytest.approx(3.44e10)


@pytest.mark.parametrize("policy", ["lru", "ttl"])
@pytest.mark.parametrize(("exponent", "entries"), [(0.7, 300), (0.9, 1_000), (1.1, 100)])
def test_che_agrees_with_the_policies_of_the_node(policy: str, exponent: float, entries: int):
    groups = zipf_groups(exponent, 5_000, 1_000.0)
    cache = Cache(entries, policy)
    model, played = ask(groups, cache), caching._sampled(groups, cache, 0.0)
    assert model.hits == pytest.approx(played.hits, abs=0.012)


def test_che_with_questions_that_never_come_again():
    groups = zipf_groups(0.9, 5_000, 500.0)
    cache = Cache(800, "lru")
    model, played = ask(groups, cache, 500.0), caching._sampled(groups, cache, 500.0)
    assert model.hits == pytest.approx(played.hits, abs=0.012)
    assert model.hits < ask(groups, cache).hits / 2


@pytest.mark.parametrize("prefetch", [False, True])
def test_lifetimes_agree_with_a_cache_that_is_asked(prefetch: bool):
    groups = zipf_groups(0.9, 2_000, 1_000.0)
    cache = Cache(10_000, "sieve", ttl=20.0, prefetch=prefetch)
    model, played = ask(groups, cache), caching._sampled(groups, cache, 0.0)
    assert model.hits == pytest.approx(played.hits, abs=0.012)
    assert model.fetches == pytest.approx(played.fetches, abs=0.012)


def test_one_thing_with_a_lifetime_is_the_formula():
    (group,) = groups = uniform_groups(1, 3.0)
    assert ask(groups, Cache(10, ttl=5.0)).hits == pytest.approx(1 - 1 / 16)
    found = ask(groups, Cache(10, ttl=5.0, prefetch=True))
    assert found.fetches == pytest.approx(1 / (1 + 3 * 5 * 0.875))
    assert 1 - found.hits == pytest.approx(found.fetches * exp(-3 * 5 * 0.125))
    assert group == Group(1, 3.0)


def test_the_characteristic_time_fills_the_cache():
    groups = zipf_groups(1.0, 1_000, 10.0)
    time = characteristic_time(groups, 100, "lru", once=1.0)
    held = time + sum(g.count * (1 - exp(-g.rate * time)) for g in groups)
    assert held == pytest.approx(100)
    assert characteristic_time(groups, 1_000, "lru") == inf


def test_a_smaller_model_of_a_large_cache_says_the_same():
    # Both a hundred times as large: who is asked for how often among them stays the same.
    small, large = uniform_groups(9_000, 100.0), uniform_groups(900_000, 100.0)
    assert ask(large, Cache(300_000)).hits == pytest.approx(ask(small, Cache(3_000)).hits, abs=0.01)
    hot = (*uniform_groups(500, 100.0), *uniform_groups(900_000, 100.0))
    assert ask(hot, Cache(300_500)).hits == pytest.approx(0.5 + 0.5 / 3, abs=0.03)


@pytest.mark.parametrize("policy", ["lru", "sieve", "s3fifo", "ttl", "sieve10"])
def test_more_room_more_hits(policy: str):
    groups = zipf_groups(0.9, 20_000, 1_000.0)
    hits = [ask(groups, Cache(entries, policy)).hits for entries in (200, 1_000, 5_000, 20_000)]
    assert hits == sorted(hits)
    assert hits[-1] == 1.0


def test_nothing_is_kept_without_life_or_room():
    groups = zipf_groups(0.9, 100, 10.0)
    for cache in (Cache(0), Cache(10, ttl=0.0)):
        found = ask(groups, cache)
        assert (found.hits, found.fetches) == (0.0, 1.0)
    assert ask((), Cache(10)).hits == 0.0


def test_rates_scale():
    groups = zipf_groups(1.0, 100, 10.0)
    assert total_rate(scaled(groups, 3.0)) == pytest.approx(30.0)
