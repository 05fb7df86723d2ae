"""Which rounds of a calibration count, and what is made of them."""

from collections.abc import Iterator

import pytest

from bench.native import Figures
from bench.plan.asking import TRIES, Round, cost_of, latencies_of, median_pace, quietest
from bench.plan.calibration import Pace
from bench.plan.refusals import second_of_two

PACE = Pace(hit_us=10.0, miss_us=100.0, tail_us=1_000.0)


def a_round(us: float = 50.0, stolen: float = 0.0, pace: Pace = PACE, p99: float = 900.0) -> Round:
    latency = {"p50": 300.0, "p90": 600.0, "p99": p99, "p999": 2_000.0}
    figures = Figures(
        elapsed=1.0, rate=1.0, sent=10, right=10, wrong=0, lost=0, other_names=0, unknown_ids=0,
        late=0, codes={"1": 10}, octets=0, shortest=0, longest=0, latency_us=latency,
        client_cpu=30e-6,
    )  # fmt: skip
    cpu_us = {"recursive": us, "top-level": 0.0, "secondary": 0.0, "enterprise": us / 2}
    return Round(cpu_us, figures, 10, pace, stolen)


def made(shares: list[float]) -> tuple[list[float], int]:
    """Which rounds are taken of those that lose these shares to others, and how many are made."""
    rest: Iterator[float] = iter(shares)
    numbers: list[int] = []

    def ask(number: int) -> Round:
        numbers.append(number)
        return a_round(stolen=next(rest))

    taken = [one.stolen for one in quietest(3, ask)]
    assert numbers == list(range(len(numbers)))
    return taken, len(numbers)


def test_quiet_rounds_are_not_made_again():
    assert made([0.0, 0.01, 0.02]) == ([0.0, 0.01, 0.02], 3)


def test_a_disturbed_round_is_made_again():
    assert made([0.2, 0.0, 0.5, 0.01, 0.02]) == ([0.0, 0.01, 0.02], 5)


def test_where_it_is_never_quiet_the_quietest_count():
    shares = [0.1 + 0.01 * number for number in range(3 * TRIES)]
    assert made(shares[::-1]) == (shares[:3], 3 * TRIES)


def test_costs_are_multiples_of_the_pace_beside_their_rounds():
    slow = Pace(hit_us=20.0, miss_us=200.0)
    cost = cost_of("cold-1", [a_round(50.0), a_round(100.0, pace=slow), a_round(90.0)])
    assert cost.cpu_us["recursive"] == pytest.approx(0.9)
    assert cost.cpu_us["enterprise"] == pytest.approx(0.45)
    assert (cost.least_us, cost.most_us) == pytest.approx((0.75, 1.5))
    assert cost.client_us == pytest.approx(0.03)
    slower = [a_round(us, pace=slow) for us in (50.0, 100.0, 90.0)]
    assert cost_of("cold-1", slower).cpu_us["recursive"] == pytest.approx(0.45)
    assert cost_of("udp", [a_round(50.0)]).cpu_us["recursive"] == pytest.approx(5.0)


def test_tails_are_multiples_of_the_tail_where_it_was_measured():
    found = latencies_of("half-miss", [a_round(p99=900.0), a_round(p99=1_100.0), a_round(p99=2e3)])
    assert (found.p50_us, found.p99_us, found.p999_us) == pytest.approx((3.0, 1.1, 2.0))
    assert latencies_of("miss", [a_round()]).p99_us == pytest.approx(9.0)


def test_the_usual_pace_leaves_out_tails_that_were_not_measured():
    plain = Pace(hit_us=12.0, miss_us=80.0)
    found = median_pace([plain, PACE, Pace(hit_us=11.0, miss_us=120.0)])
    assert found == Pace(hit_us=11.0, miss_us=100.0, tail_us=1_000.0)
    assert plain.between(PACE).hit_us == 11.0


def test_what_two_kinds_took_together_tells_both():
    answers, refusals = [10.0, 20.0, 5.0], [100.0, 30.0, 80.0]
    spent = [90 * a + 4.5 * b for a, b in zip(answers, refusals, strict=True)]
    assert second_of_two(answers, refusals, spent) == pytest.approx(4.5)
    disturbed = [spent[0] + 3.0, spent[1] - 3.0, spent[2]]
    assert second_of_two(answers, refusals, disturbed) == pytest.approx(4.5, abs=0.1)
    assert second_of_two([1.0], [1.0], [2.0]) == 0.0
