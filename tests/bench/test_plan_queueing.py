"""The queue that is played, against the closed forms where they hold."""

from math import inf, log, log10

import pytest

from bench.plan.queueing import (
    Kind,
    Spread,
    erlang_c,
    mm1_quantile,
    pollaczek_khinchine,
    simulate,
)

MS = 1e-3


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_mean_waits_are_those_of_pollaczek_and_khinchine(load: float):
    # Two kinds of services, one ten times as long.
    kinds = [Kind(0.8, 1 * MS), Kind(0.2, 10 * MS)]
    mean, square = 2.8 * MS, (0.8 * 1 + 0.2 * 100) * MS**2
    rate = load / mean
    found = simulate(rate, kinds, batch=1)
    assert found.mean == pytest.approx(mean + pollaczek_khinchine(rate, mean, square), rel=0.08)
    assert found.cpu == pytest.approx(mean, rel=0.02)


def test_percentiles_are_those_of_mm1():
    # Services of very many kinds that together are exponentially distributed.
    steps = 200
    kinds = [Kind(1 / steps, -MS * log(1 - (step + 0.5) / steps)) for step in range(steps)]
    found = simulate(600.0, kinds, batch=1)
    assert found.p50 == pytest.approx(mm1_quantile(600.0, MS, 0.5), rel=0.08)
    assert found.p99 == pytest.approx(mm1_quantile(600.0, MS, 0.99), rel=0.12)


def test_closed_forms():
    assert pollaczek_khinchine(500.0, MS, MS**2) == pytest.approx(0.5 * MS)
    assert pollaczek_khinchine(1_000.0, MS, MS**2) == inf
    assert mm1_quantile(500.0, MS, 0.99) == pytest.approx(-log(0.01) / 500)
    assert mm1_quantile(1_000.0, MS, 0.99) == inf
    assert erlang_c(0.7, 1) == pytest.approx(0.7)
    assert erlang_c(2.0, 3) == pytest.approx(4 / 9)
    assert erlang_c(3.0, 3) == 1.0


def test_bulk_service_takes_turns_together():
    # One turn of 1 ms for up to 64: 10,000 a second are no trouble, one by one they would be.
    kinds = [Kind(1.0, 0.0)]
    found = simulate(10_000.0, kinds, turn=1 * MS)
    assert 1 * MS < found.p50 < 2 * MS
    assert found.p99 <= 2.1 * MS
    assert found.cpu == pytest.approx(0.1 * MS, rel=0.05)
    assert simulate(10_000.0, kinds, turn=1 * MS, batch=1).p99 == inf


def test_waking_up_is_paid_when_there_was_nothing_to_do():
    kinds = [Kind(1.0, 0.1 * MS)]
    lonely = simulate(10.0, kinds, turn=0.1 * MS, wake=1 * MS)
    assert lonely.cpu == pytest.approx(1.2 * MS, rel=0.02)
    busy = simulate(4_800.0, kinds, turn=0.1 * MS, wake=1 * MS)
    assert busy.cpu < 0.4 * MS


def test_a_kinds_turn_is_for_the_batches_that_it_is_in():
    rare, dear = Kind(0.01, 0.1 * MS, turn=1 * MS), Kind(1.0, 0.1 * MS, turn=1 * MS)
    assert simulate(10.0, [dear]).cpu == pytest.approx(1.1 * MS, rel=0.02)
    assert simulate(10.0, [Kind(0.99, 0.1 * MS), rare]).cpu == pytest.approx(0.11 * MS, rel=0.05)
    busy = simulate(4_800.0, [dear]).cpu
    assert 0.1 * MS < busy < 0.6 * MS, "several share one"


def test_what_comes_on_top_comes_for_each_that_is_asked():
    spread = Spread((0.0, 1.0), (1.0, 1.0 + 2 * MS))
    one, two = (simulate(1.0, [Kind(1.0, 0.0, asks=n, base=spread)]).mean for n in (1, 2))
    assert one == pytest.approx(1.0 + 1 * MS, rel=1e-4)
    assert two == pytest.approx(1.0 + 2 * MS, rel=1e-4)


def test_who_asks_others_comes_again():
    found = simulate(1.0, [Kind(1.0, 3 * MS, asks=2, away=5 * MS)])
    assert found.p50 == pytest.approx(13 * MS)
    assert found.cpu == pytest.approx(3 * MS, rel=1e-6)


def test_more_load_longer_waits():
    kinds = [Kind(0.9, 0.1 * MS), Kind(0.1, 1 * MS, asks=1, away=1 * MS)]
    times = [simulate(rate, kinds).p99 for rate in (500.0, 2_000.0, 4_000.0, 5_000.0)]
    assert times == sorted(times)
    assert simulate(6_000.0, kinds).p99 == inf


def test_what_comes_on_top_is_drawn_from_its_spread():
    spread = Spread((0.0, 0.5, 1.0), (0.0, 1.0, 3.0))
    assert [spread.at(share) for share in (0.0, 0.5, 0.75, 1.0)] == [0.0, 1.0, 2.0, 3.0]
    tail = Spread((0.0, 0.9, 0.99), (0.0, 2.0, 4.0))  # of an exponential distribution
    shares = (0.5, 0.68, 0.9, 0.96, 0.99)
    assert [tail.at(share) for share in shares] == pytest.approx(
        [2 * log10(1 / (1 - share)) for share in shares]
    )
    assert Spread((0.5,), (7.0,)).at(0.1) == 7.0
    found = simulate(1.0, [Kind(1.0, 0.0, base=spread)])
    assert found.p50 == pytest.approx(1.0, abs=0.05)
    assert found.p90 == pytest.approx(2.6, abs=0.05)


def test_the_same_seed_the_same_times():
    kinds = [Kind(1.0, 0.1 * MS)]
    assert simulate(5_000.0, kinds) == simulate(5_000.0, kinds)
    assert simulate(5_000.0, kinds, seed=2) != simulate(5_000.0, kinds)
