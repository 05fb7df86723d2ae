"""What the metrics cost, measured on a small scale."""

import json

import pytest

from bench.telemetry import Way, counting_costs, main


def test_counting_costs_something_and_not_much():
    costs = counting_costs(20_000)
    assert set(costs) == {"ready", "request", "lookup", "upstream"}
    assert all(0 < cost < 50e-6 for cost in costs.values())


def test_the_share_of_counting():
    assert Way("", 50.0, 1.0).share == 0.02


@pytest.mark.slow
def test_a_short_run(capsys: pytest.CaptureFixture[str]):
    options = ["--rounds", "1", "--seconds", "0.3", "--names", "300", "--scrapes", "1"]
    status = main([*options, "--calls", "20000", "--network", "minimal", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status in (0, 4)
    hot, cold = report["ways"]
    assert 0 < hot["share"] < 0.2
    assert 0 < cold["share"] < 0.2
    assert cold["cpu_us"] > hot["cpu_us"] > cold["counting_us"]
    assert 0 < report["scrape_seconds"] < 5
