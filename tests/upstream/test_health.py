"""How servers do: the circuit breaker, the estimate of their round trips, the budget."""

from math import inf

import pytest

from resolver.upstream.health import (
    FIRST_PAUSE_S,
    KNOWN_FOR_S,
    LONGEST_PAUSE_S,
    OPENS_AFTER,
    SLOW_AT_LEAST_S,
    Breaker,
    Budget,
    Health,
)

NOW = 1000.0


def broken() -> Health:
    """A server that has just failed often enough to be left alone."""
    health = Health("127.0.0.1:1")
    for _ in range(OPENS_AFTER):
        assert health.admits(NOW)
        health.failed(NOW)
    return health


def test_a_few_failures_change_nothing() -> None:
    health = Health("127.0.0.1:1")
    for _ in range(OPENS_AFTER - 1):
        health.failed(NOW)
    assert health.admits(NOW)
    health.answered(0.01, NOW)
    for _ in range(OPENS_AFTER - 1):
        health.failed(NOW)
    assert health.breaker is Breaker.CLOSED


def test_failures_in_a_row_open_the_breaker_for_a_moment() -> None:
    health = broken()
    assert health.breaker is Breaker.OPEN
    assert not health.admits(NOW + FIRST_PAUSE_S - 0.01)
    assert health.admits(NOW + FIRST_PAUSE_S)


def test_one_request_tries_and_its_answer_lets_others_in() -> None:
    health = broken()
    later = NOW + FIRST_PAUSE_S
    assert health.admits(later)
    assert health.breaker is Breaker.HALF_OPEN
    assert not health.admits(later)
    health.answered(0.01, later)
    assert health.breaker is Breaker.CLOSED
    assert health.admits(later)


def test_each_trial_in_vain_doubles_the_pause() -> None:
    health, now, pauses = broken(), NOW, []
    for _ in range(6):
        pause = 0.0
        while not health.admits(now + pause):
            pause += FIRST_PAUSE_S
        now += pause
        pauses.append(pause)
        health.failed(now)
    assert pauses == [0.5, 1.0, 2.0, 2.0, 2.0, LONGEST_PAUSE_S]


def test_a_trial_that_nobody_waits_for_lets_the_next_try() -> None:
    health = broken()
    later = NOW + FIRST_PAUSE_S
    assert health.admits(later)
    health.abandoned()
    assert health.admits(later)


def test_what_an_answer_usually_takes() -> None:
    health = Health("127.0.0.1:1")
    assert health.slow_after_s == SLOW_AT_LEAST_S
    for _ in range(200):
        health.answered(0.2, NOW)
    assert health.rtt_s == pytest.approx(0.2, rel=0.01)
    assert health.slow_after_s == pytest.approx(0.2, rel=0.05)
    health.answered(1.0, NOW)
    assert health.slow_after_s > 0.9


def test_what_is_expected_of_a_server() -> None:
    health = Health("127.0.0.1:1")
    assert health.expected_s(NOW) == 0.0
    health.answered(0.2, NOW)
    assert health.expected_s(NOW + KNOWN_FOR_S - 1) == 0.2
    assert health.expected_s(NOW + KNOWN_FOR_S) == 0.0


def test_nothing_is_expected_of_a_server_that_is_left_alone() -> None:
    health = broken()
    assert health.expected_s(NOW) == inf
    later = NOW + FIRST_PAUSE_S
    assert health.expected_s(later) == 0.0
    assert health.admits(later)
    assert health.expected_s(later) == inf


def test_a_budget_is_a_share_of_what_goes_out() -> None:
    budget = Budget(share=0.1, most=2.0)
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    for _ in range(11):
        budget.earn()
    assert [budget.spend() for _ in range(2)] == [True, False]
    for _ in range(1000):
        budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]
