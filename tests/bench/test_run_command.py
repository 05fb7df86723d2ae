"""What the command line of a run changes in a workload, and what counts of its slices."""

import pytest

from bench.ci import arguments
from bench.run.command import adjusted
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
