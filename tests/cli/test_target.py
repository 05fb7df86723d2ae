"""``wuhan target``: progress over restarts, of a real network."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from resolver.cli.target import _document
from tests.support.command import network, node_of, until, wuhan

NOW = 1_700_000_000.0 - 8 * 3600  # 22:13:20 in China
TODAY = 19675


def told(**more: Any) -> dict[str, Any]:
    return {
        "requests": 300,
        "successes": 290,
        "today": TODAY,
        "rate": 0.0,
        "average": 0.0,
        "days": [[TODAY - 1, 100, 95], [TODAY, 200, 195]],
        "below": [["88.901", 250, 245, 190], ["*", 50, 45, 10]],
        **more,
    }


def test_the_time_left_follows_from_the_rate():
    found = _document([told(rate=2.0), told()], {"88.901": "optics", "88.902": "chips"}, 1000, NOW)
    assert (found["wuhan_target_requests"], found["wuhan_target_successes"]) == (600, 580)
    assert found["wuhan_target_remaining_seconds"] == 200.0
    assert found["reached_at"] == "2023-11-14T14:16:40Z"
    assert found["secondaries"] == [
        {"node": "optics", "prefix": "88.901", "resolutions": 500, "successes": 490, "today": 380},
        {"node": "chips", "prefix": "88.902", "resolutions": 0, "successes": 0, "today": 0},
        {"node": None, "prefix": "*", "resolutions": 100, "successes": 90, "today": 20},
    ]
    assert found["days"][1] == {"day": "2023-11-14", "resolutions": 400, "successes": 390}


def test_without_a_rate_of_now_that_of_the_day_counts():
    found = _document([told(average=0.0025)], {}, 1_000_000, NOW)
    assert found["rate"] == {"now": 0.0, "today": 0.003}
    assert found["wuhan_target_remaining_seconds"] == (1_000_000 - 300) * 400.0
    nothing = _document([told(requests=0, days=[])], {}, 10, NOW)
    assert nothing["wuhan_target_remaining_seconds"] is None
    assert nothing["reached_at"] is None
    assert _document([told()], {}, 100, NOW)["wuhan_target_remaining_seconds"] == 0.0


def test_without_a_network_it_says_how_to_start_one(tmp_path: Path):
    refused = wuhan("target", data=tmp_path)
    assert refused.returncode == 3
    assert "wuhan up" in refused.stderr


def standing_of(document: dict[str, Any]) -> tuple[int, int, float]:
    """Requests, successes and seconds that are left, as ``wuhan target`` says."""
    keys = ("requests", "successes", "remaining_seconds")
    requests, successes, left = (document[f"wuhan_target_{key}"] for key in keys)
    return requests, successes, left


def metrics(data: Path) -> tuple[int, int, float]:
    """The same, as the top-level node's metrics say."""
    port = node_of(data, "wuhan")["http_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    found = dict(re.findall(r"^wuhan_target_(\w+){[^}]*} (\S+)$", page, re.M))
    return (
        int(float(found["requests"])),
        int(float(found["successes"])),
        float(found["remaining_seconds"]),
    )


def console(data: Path) -> tuple[int, int, float]:
    """The same, as the console shows it."""
    port = node_of(data, "wuhan")["http_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/console/events", timeout=10) as events:
        while events.readline() != b"event: kept\n":
            pass
        kept = json.loads(events.readline().removeprefix(b"data: "))
    return kept["requests"], kept["successes"], kept["remaining_s"]


@pytest.mark.slow
def test_resolutions_count_once_and_over_restarts_and_all_say_so(tmp_path: Path):
    data = tmp_path / "data"

    def counted() -> dict[str, Any]:
        shown = wuhan("target", "--json", data=data)
        assert shown.returncode == 0, shown.stderr
        document: dict[str, Any] = json.loads(shown.stdout)
        return document

    with network(data, "--config", "minimal"):
        for _ in range(3):  # one asks the enterprise node, two are answered from the cache
            assert wuhan("resolve", "88.901.1/000001", data=data).returncode == 0
        assert wuhan("resolve", "88.901.1/nothing", data=data).returncode == 2
    with network(data, "--config", "minimal"):
        until(lambda: counted()["wuhan_target_requests"] >= 4)
        found = counted()
        assert (found["wuhan_target_requests"], found["wuhan_target_successes"]) == (4, 3)
        assert found["secondaries"][0]["node"] == "optics"
        assert found["secondaries"][0]["resolutions"] == 4
        said = [standing_of(found), metrics(data), console(data), standing_of(counted())]
        assert {(requests, successes) for requests, successes, _ in said} == {(4, 3)}
        left = [seconds for *_, seconds in said]
        # Nothing is asked meanwhile, so the time that is left only grows.
        assert left == pytest.approx(sorted(left), abs=0.1)
        assert left[-1] / left[0] < 2
        shown = wuhan("target", data=data)
        assert "4 of 2,000,000,000 resolutions" in shown.stdout
        assert "optics" in shown.stdout
