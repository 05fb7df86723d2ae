"""What the command line of a run changes in a workload, and what counts of its slices."""

from collections import Counter, deque

import pytest

from bench.ci import arguments
from bench.run.command import _broken, _busy_load, adjusted
from bench.run.session import LOAD
from bench.run.slices import Slice, Tally
from bench.run.thresholds import parse_thresholds
from bench.workloads.model import load_workload
from resolver.model.errors import ConfigError


def test_a_rate_is_shared_out_as_before():
    workload = load_workload("platforms")
    doubled = adjusted(workload, rate=2 * sum(c.rate * c.count for c in workload.client))
    assert [c.rate for c in doubled.client] == pytest.approx([2 * c.rate for c in workload.client])


def test_time_and_seed():
    workload = load_workload("zipf")
    short = adjusted(workload, seconds=5.0, seed=9)
    assert (short.seconds, short.warm_up, short.seed) == (5.0, 1.0, 9)
    assert adjusted(workload) == workload
    assert adjusted(workload, seconds=60.0).warm_up == workload.warm_up


def test_a_closed_loop_has_no_rate():
    with pytest.raises(ConfigError, match="--users is how many there are"):
        adjusted(load_workload("peak-udp"), rate=100)


def test_the_environment_of_a_pipeline_becomes_a_command_line():
    assert arguments({}) == ["bench", "run", "--start"]
    assert arguments(
        {
            "WUHAN_LOAD_WORKLOAD": "zipf",
            "WUHAN_LOAD_SECONDS": "5s",
            "WUHAN_LOAD_THRESHOLDS": "errors<1%, p99<1s",
            "WUHAN_LOAD_BASELINE": "",
        }
    ) == ["bench", "run", "zipf", "--start", "--seconds", "5s", "--threshold", "errors<1%, p99<1s"]


def test_a_load_at_its_limit_is_told():
    workload = load_workload("zipf")
    busy = [Slice(float(n), 1.0, cpu={LOAD: 0.9}) for n in range(3)]
    (note,) = _busy_load(workload, busy, 1)
    assert "busy 90%" in note
    assert _busy_load(workload, busy, 2) == []
    assert _busy_load(load_workload("peak-udp"), busy, 1) == []
    assert _busy_load(workload, [], 1) == []


def test_a_ramp_breaks_when_a_threshold_is_missed_three_times_together():
    workload = load_workload("ramp")
    breaking = parse_thresholds(workload.arrival.break_at, ["scanner"])

    def part(second: int, microseconds: int) -> Slice:
        return Slice(float(second), 1.0, {"scanner": Tally(us=Counter({microseconds: 100}))})

    def broken(*latencies: int, start: int = 10) -> bool:
        parts = [part(start + n, latency) for n, latency in enumerate(latencies)]
        return _broken(workload, deque(parts, maxlen=3), breaking)

    assert broken(300_000, 300_000, 300_000)
    assert not broken(300_000, 300_000)
    assert not broken(300_000, 1_000, 300_000)
    assert not broken(1_000, 1_000, 1_000)
    assert not broken(300_000, 300_000, 300_000, start=0), "a cold start is no break"
