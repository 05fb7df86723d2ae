"""The cache lab measures what it says, and says when a goal is missed."""

import json
from typing import Any

import pytest

from bench import cachelab
from bench.traces import TRACES
from resolver.cache.policies import POLICIES

TINY = ["--questions", "4000", "--keys", "2000", "--rounds", "1"]


def test_a_tiny_run(capsys: pytest.CaptureFixture[str]) -> None:
    status = cachelab.main([*TINY, "--sizes", "5,20", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == (4 if any(report["goals"].values()) else 0)
    assert set(report["traces"]) == set(TRACES)
    for name, trace in report["traces"].items():
        assert set(trace["classes"]) == ({"leaf"} if "zipf" in name else {"route", "leaf"})
        for row in trace["classes"].values():
            assert row["could"] == pytest.approx(100 * (1 - row["distinct"] / row["asked"]))
            for small, large in zip(
                *(row["hit_percent"][s].items() for s in ["5", "20"]), strict=True
            ):
                assert small[0] == large[0]
                assert 0 <= small[1] <= row["could"]
                assert large[1] <= row["could"]
        for percent in trace["cpu_ns"].values():
            assert all(percent[policy] > 0 for policy in POLICIES)
    for name in ("scan", "flood"):
        percent = report["traces"][name]["classes"]["leaf"]["hit_percent"]["5"]
        assert percent["sieve"] > percent["lru"] > percent["ttl"] > 0
    for policy, cost in report["policies"].items():
        assert cost["bytes"]["filled"] > 8, policy
    cachelab.print_report(report)
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*TRACES, *POLICIES))


def test_hits_are_the_same_in_every_run() -> None:
    def hits() -> Any:
        return cachelab.run(TRACES["drift"], 2_000, 1, [10.0], 1)["classes"]

    assert hits() == hits()


def row(hostile: bool, kind: str, **percent: float) -> dict[str, Any]:
    return {
        "t": {
            "hostile": hostile,
            "worst": False,
            "classes": {kind: {"hit_percent": {"1": percent}}},
        }
    }


def test_what_misses_a_goal() -> None:
    def missed(hostile: bool, kind: str, ours: float) -> list[str]:
        return list(cachelab.misses(row(hostile, kind, lru=40.0, sieve=ours), "sieve"))

    assert missed(False, "leaf", 39.6) == []
    assert missed(False, "leaf", 39.2) == ["t, leaf at 1 %: 39.20, lru 40.00: 0.80 points behind"]
    assert missed(True, "leaf", 43.9) == ["t, leaf at 1 %: 43.90, lru 40.00: not clearly ahead"]
    assert missed(True, "leaf", 44.1) == []
    assert missed(True, "route", 40.0) == [], "a flood under one prefix asks for one route"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--sizes", "ten"], "--sizes takes percentages joined by commas, as 1,10; not 'ten'"),
        (["--sizes", "0"], "--sizes takes percentages joined by commas, as 1,10; not '0'"),
        (["--traces", "scam"], "there is no trace 'scam'; known: zipf-0.6, "),
        (["--questions", "0"], "--questions must be at least 1"),
    ],
)
def test_bad_input(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cachelab.main(arguments)
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err
