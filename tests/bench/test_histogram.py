"""Latencies by their size, to within one percent."""

from random import Random

import pytest

from bench.histogram import bucket, counted, mean, merged, middle, percentile


def test_a_bucket_is_within_one_percent():
    for microseconds in (0, 1, 127, 128, 129, 1_000, 54_321, 10**7):
        lower = bucket(microseconds)
        assert lower <= microseconds
        assert middle(lower) == pytest.approx(microseconds, rel=0.01, abs=0.5)


def test_percentiles_are_those_of_the_latencies():
    draw = Random(1)
    latencies = sorted(draw.lognormvariate(-7, 1) for _ in range(10_000))
    found = counted(latencies)
    assert found.total() == 10_000
    assert len(found) < 800
    for share in (0.5, 0.9, 0.99, 0.999):
        exact = latencies[int(share * 10_000) - 1] * 1e3
        assert percentile(found, share) == pytest.approx(exact, rel=0.01)
    assert mean(found) == pytest.approx(sum(latencies) / 10, rel=0.01)


def test_of_none_and_of_several():
    assert percentile({}, 0.99) == mean({}) == 0.0
    assert merged([{5: 1}, {5: 2, 9: 1}]) == {5: 3, 9: 1}
