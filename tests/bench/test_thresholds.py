"""Thresholds are read as written, refused with what is known, and judged."""

import pytest

from bench.run.results import Results
from bench.run.slices import Slice, Tally
from bench.run.thresholds import parse_thresholds
from bench.workloads.model import Workload
from resolver.model.errors import ConfigError

CLIENTS = ["scanner", "native", "udp", "browser", "web", "http"]
WORKLOAD = Workload.model_validate(
    {
        "title": "two clients",
        "client": [
            {"name": "scanner", "tier": "native"},
            {"name": "browser", "tier": "web", "transport": "http"},
        ],
    }
)


def results() -> Results:
    scanner, browser = Tally(), Tally()
    scanner.us.update({1_000: 98, 9_000: 2})
    browser.us.update({50_000: 10})
    browser.failures.update({"other values": 10})
    one = Slice(
        0.0,
        2.0,
        {"scanner": scanner, "browser": browser},
        cpu={"recursive": 0.0011, "wuhan": 0.0022, "load": 9.0},
        lookups={"route": (9.0, 1.0), "leaf": (30.0, 70.0)},
    )
    return Results(WORKLOAD, [one], {"recursive": "recursive", "wuhan": "top-level"})


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("rate>54", True),
        ("rate > 56/s", False),
        ("rate{scanner}>=50", True),
        ("errors<8.4%", True),
        ("errors<8.3%", False),
        ("errors{http}<=50%", True),
        ("failures{native}<1", True),
        ("answers>=110", True),
        ("p50{scanner}<1.1ms", True),
        ("p99{scanner}<8ms", False),
        ("p99{scanner}<0.01s", True),
        ("p50{web}<49000us", False),
        ("max<51ms", True),
        ("mean{udp}<1.2ms", True),
        ("cpu<31us", True),
        ("cpu{recursive}<11us", True),
        ("cpu{recursive}<0.009ms", False),
        ("hits{route}>89%", True),
        ("hits<35.5%", True),
    ],
)
def test_a_threshold_is_judged(text: str, met: bool):
    (threshold,) = parse_thresholds([text], CLIENTS)
    verdict = threshold.verdict(results().value(threshold))
    assert verdict["met"] is met, verdict
    assert verdict["threshold"] == text


def test_several_stand_in_one_text_and_a_figure_that_is_not_there_is_missed():
    first, second = parse_thresholds(["p99<10ms, errors<1%"], CLIENTS)
    assert (first.share, second.bound) == (0.99, 1.0)
    empty = Results(WORKLOAD, [], {})
    assert not first.verdict(empty.value(first))["met"]
    (change,) = parse_thresholds(["cpu_change<5%"], CLIENTS)
    assert change.verdict(results().value(change, 4.0))["met"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fast", "is no threshold; thresholds look like p99<10ms"),
        ("p99<", "is no threshold"),
        ("p99=10ms", "is no threshold"),
        ("eror<1%", "there is no metric 'eror'; did you mean 'errors'?"),
        ("errors99<1%", "there is no metric 'errors99'"),
        ("p<1ms", "there is no metric 'p'"),
        ("p100<1ms", "p100 is no percentile"),
        ("p9.9.9<1ms", "is no percentile"),
        ("p99<10", "takes us or µs or ms or s, not 'no unit'"),
        ("errors<0.1", "takes %, not 'no unit'"),
        ("p99{scaner}<1ms", "has no scope 'scaner'; did you mean 'scanner'?"),
        ("hits{tree}>1%", "known are route, leaf"),
        ("cpu_change{udp}<1%", "it has none"),
    ],
)
def test_what_is_no_threshold(text: str, reason: str):
    with pytest.raises(ConfigError) as refused:
        parse_thresholds([text], CLIENTS)
    assert reason in str(refused.value)
