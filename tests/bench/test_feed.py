"""Locust's tables after a feed was emptied into them: as if each request had had its event.

In an interpreter of its own, since Locust changes Python's sockets when it is imported.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import json, sys
from locust.env import Environment
from bench.users.feed import feed_of

latencies = [n / 10_000 for n in range(1, 2_000)]
failures = [(0.05, "other values"), (0.07, "other values"), (5.0, "no answer in 5 s")]

def entry(row):
    return {
        "requests": row.num_requests,
        "failures": row.num_failures,
        "sum": row.total_response_time,
        "median": row.median_response_time,
        "p99": row.get_response_time_percentile(0.99),
        "max": row.max_response_time,
        "min": row.min_response_time,
        "octets": row.total_content_length,
        "a second": sum(row.num_reqs_per_sec.values()),
    }

def run(listen, by_itself=False):
    environment = Environment()
    runner = environment.create_local_runner()
    heard = []
    if listen:
        environment.events.request.add_listener(lambda **event: heard.append(event["exception"]))
    if by_itself:
        for latency in latencies:
            environment.stats.log_request("UDP", "scanner", latency * 1e3, 480)
        for seconds, reason in failures:
            environment.stats.log_request("UDP", "scanner", seconds * 1e3, 0)
            environment.stats.log_error("UDP", "scanner", reason)
    else:
        feed = feed_of(environment)
        assert feed_of(environment) is feed
        meter = feed.meter("UDP", "scanner", "native")
        assert feed.meter("UDP", "scanner") is meter
        meter.latencies += latencies
        meter.octets = 480 * len(latencies)
        for seconds, reason in failures:
            meter.failed(seconds, reason, 1 if seconds < 1 else 0)
        feed.empty()
        feed.empty()
    runner.quit()
    rows = [environment.stats.total, environment.stats.get("scanner", "UDP")]
    errors = sorted(error.occurrences for error in environment.stats.errors.values())
    return [entry(row) for row in rows], errors, len(heard), sum(map(bool, heard))

print(json.dumps([run(False, by_itself=True), run(False), run(True)]))
"""


@pytest.mark.slow
def test_many_at_once_leave_what_each_would_have_left(tmp_path: Path):
    figures = tmp_path / "figures.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={"WUHAN_BENCH_FIGURES": str(figures), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (each, errors, _, _), (many, same_errors, _, _), (fired, _, heard, failed) = json.loads(
        done.stdout
    )
    assert errors == same_errors == [1, 2]
    assert (heard, failed) == (2_002, 3)
    for expected, *found in zip(each, many, fired, strict=True):
        for row in found:
            assert row == pytest.approx(expected, rel=0.02)
            for exact in ("requests", "failures", "octets", "a second"):
                assert row[exact] == expected[exact]
    lines = [json.loads(line) for line in figures.read_text(encoding="utf-8").splitlines()]
    series = [found for line in lines for found in line["series"]]
    assert len(series) == 2, "one for each feed; emptied twice, told once"
    assert sum(series[0]["us"].values()) == 1_999
    assert series[0]["codes"] == {"1": 2_001}
    assert series[0]["failures"] == {"other values": 2, "no answer in 5 s": 1}
