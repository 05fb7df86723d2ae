"""Rates out of counts."""

from typing import Any

import pytest

from resolver.cli.top import figures_in
from resolver.console.rates import Rates, quantile
from resolver.console.standing import ranking_of, topology_of
from resolver.telemetry.counters import BUCKETS, Counters
from resolver.telemetry.exposition import NodeFigures, Sources
from resolver.telemetry.page import Page
from resolver.topology.expand import expand
from resolver.topology.load import load_network

EMPTY = [0] * (len(BUCKETS) + 1)


def told(
    answers: dict[int, int], durations: dict[int, int], lookups: dict[str, tuple[int, int]]
) -> dict[str, Any]:
    counts = list(EMPTY)
    for bucket, count in durations.items():
        counts[bucket] = count
    rows = [
        [class_, result, number]
        for class_, (hits, misses) in lookups.items()
        for result, number in (("hit", hits), ("miss", misses))
    ]
    return {"answers": list(answers.items()), "durations": counts, "lookups": rows}


def test_what_happened_between_two_looks():
    rates = Rates()
    rates.take(told({1: 100, 3: 5}, {3: 105}, {"leaf": (50, 50)}), 10.0)
    assert rates.told() == [0.0, 0.0, None]
    rates.take(told({1: 300, 3: 15, 100: 10}, {3: 325}, {"leaf": (125, 75)}), 12.0)
    assert rates.told() == [110.0, 5.0, pytest.approx(0.1, rel=0.02)]
    assert rates.hit_ratios() == {"leaf": 0.75}


def test_a_node_that_begins_anew_has_no_rate_below_zero():
    rates = Rates()
    rates.take(told({1: 100}, {}, {}), 1.0)
    rates.take(told({1: 3}, {}, {}), 2.0)
    assert rates.answers == 0
    rates.take(told({1: 3}, {}, {}), 3.0)
    rates.take(told({1: 5}, {}, {}), 4.0)
    assert rates.answers == 2.0


def test_looks_too_near_to_each_other_change_nothing():
    rates = Rates()
    rates.take(told({1: 0}, {}, {}), 1.0)
    rates.take(told({1: 10}, {}, {}), 2.0)
    rates.take(told({1: 11}, {}, {}), 2.01)
    assert rates.answers == 10.0


def test_a_tier_is_the_sum_of_its_nodes():
    tier = Rates()
    for _ in range(2):
        node = Rates()
        node.take(told({1: 0}, {}, {"leaf": (0, 0)}), 0.0)
        node.take(told({1: 50}, {4: 50}, {"leaf": (30, 20)}), 1.0)
        tier.add(node)
    assert tier.answers == 100.0
    assert sum(tier.durations) == 100
    assert tier.hit_ratios() == {"leaf": 0.6}


@pytest.mark.parametrize(
    ("counts", "part", "expected"),
    [
        ({}, 0.99, None),
        ({0: 100}, 1.0, BUCKETS[0]),
        ({5: 100}, 0.5, (BUCKETS[4] + BUCKETS[5]) / 2),
        ({0: 99, len(BUCKETS): 1}, 0.999, BUCKETS[-1]),
    ],
)
def test_quantiles_are_as_exact_as_buckets(counts, part: float, expected: float | None):
    found = quantile(told({}, counts, {})["durations"], part)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_metrics_say_the_same(network_metrics: str):
    figures = figures_in(network_metrics)
    assert dict(figures["answers"]) == {1: 3, 100: 1, -1: 2}
    assert sum(figures["durations"]) == 6
    assert figures["durations"][3] == 6
    assert figures["lookups"] == [["leaf", "hit", 1]]


@pytest.fixture
def network_metrics() -> str:
    counters = Counters()
    for code, times in ((1, 3), (100, 1), (777777, 2)):
        for _ in range(times):
            counters.request(1, "udp", code, "local", 0.00008)
    counters.cache_lookup("leaf", "hit")
    page = Page()
    NodeFigures(Sources("n", "recursive", lambda: counters, dict, lambda: None)).write(page)
    return page.octets().decode()


def test_secondary_nodes_are_ranked_by_what_is_below_them():
    topology = expand(load_network("wuhan", environ={}))
    rows = [["88.902.1", 10, 9, 2, 1], ["88.901.1", 5, 5, 0, 0], ["88.9021.1", 99, 99, 0, 0]]
    ranking = ranking_of(topology, rows, {"88.902.1": 7})
    assert [row["node"] for row in ranking[:2]] == ["chips", "optics"]
    assert ranking[0]["requests"] == 10
    assert ranking[0]["successes"] == 9
    assert ranking[0]["registered"] == 1
    assert ranking[0]["records"] == 7
    assert sum(row["requests"] for row in ranking) == 15
    assert len(topology_of(topology, "wuhan")["nodes"]) == 115
