"""What was counted since the store was made, and how far the network is on its way."""

from dataclasses import dataclass

import pytest

from resolver.model.target import TARGET, remaining_s, together
from resolver.server.family import Family, Report
from resolver.server.progress import ELSEWHERE, Progress, Totals, totals_of
from resolver.storage import Figures, day_of
from tests.support.memory_network import site
from tests.support.nodes import node_state

NOW = 1_700_000_000
TODAY = day_of(NOW)
DAY_S = 86_400


@dataclass
class Hands:
    """A clock that somebody moves."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def unix(self) -> int:
        return NOW + int(self.seconds)


def top() -> Family:
    state = node_state("wuhan", "top-level", site("wuhan", 1), homes=["88"], delegates=["88"])
    return Family(state, ("optics",), heartbeat_s=5.0)


def test_all_days_count_also_when_one_ends():
    store, clock = top().state.store, Hands()
    store.tally(TODAY - 400, {"88": Figures(100, 90)})
    totals = totals_of(store, clock)
    assert totals.by_prefix() == {"88": Figures(100, 90)}
    store.tally(TODAY - 1, {"88": Figures(10, 9)})  # written late
    store.tally(TODAY, {"88": Figures(1, 1), "88.901": Figures(2, 0, 1)})
    expected = {"88": Figures(111, 100), "88.901": Figures(2, 0, 1)}
    assert totals.by_prefix() == expected
    for _ in range(3):
        clock.seconds += DAY_S
        assert totals.by_prefix() == expected
    store.tally(day_of(clock.unix()), {"88": Figures(1)})
    assert totals.by_prefix()["88"] == Figures(112, 100)


def test_days_that_are_over_are_read_once():
    asked = []

    def rows(since: int):
        asked.append(since)
        return iter(())

    totals = Totals(rows, Hands())
    for _ in range(5):
        totals.by_prefix()
    assert asked == [0, *[TODAY - 1] * 5]


def resolved(family: Family, clock: Hands, requests: int) -> None:
    row = ("optics", TODAY, "88.901", requests, requests // 2, 0, 0)
    family.heard("optics", Report("secondary", 7, (row,)), clock.now(), clock.unix())


def test_the_time_that_is_left():
    family, clock = top(), Hands()
    progress = Progress(family, clock)
    target = progress.target()
    assert (target.resolutions, target.requests) == (TARGET, 0)
    assert target.remaining_s == float("inf")
    for _ in range(60):
        clock.seconds += 10
        resolved(family, clock, int(clock.seconds) * 1000)
        target = progress.target()
    assert (target.requests, target.successes) == (600_000, 300_000)
    assert target.remaining_s == (TARGET - 600_000) / 1000


def test_the_rate_is_that_of_the_last_minutes():
    family, clock = top(), Hands()
    progress = Progress(family, clock)
    requests = 0
    for rate in (10_000, 10):
        for _ in range(60):
            clock.seconds += 10
            requests += rate * 10
            resolved(family, clock, requests)
            left = progress.target().remaining_s
    assert abs(left / ((TARGET - requests) / 10) - 1) < 0.01
    clock.seconds += 1000
    of_today = requests / ((NOW + clock.seconds + 8 * 3600) % DAY_S)
    assert progress.target().remaining_s == pytest.approx((TARGET - requests) / of_today)
    clock.seconds += 2 * DAY_S
    assert progress.target().remaining_s == float("inf"), "nothing was asked today"


def test_a_target_that_is_reached():
    family, clock = top(), Hands()
    resolved(family, clock, TARGET + 5)
    assert Progress(family, clock).target().remaining_s == 0.0


def test_figures_by_day_and_by_the_prefixes_below_the_top():
    rows = (
        ("optics", TODAY - 1, "88.901", 5, 4, 1, 0),
        ("88.901.1", TODAY - 1, "88.901.1", 7, 6, 0, 0),
        ("88.901.1", TODAY, "88.901.1", 10, 10, 0, 0),
        ("recursive", TODAY, "88.9012.4", 3, 2, 0, 0),
        ("recursive", TODAY, "88", 1, 1, 0, 0),
        ("recursive", TODAY, "*", 1, 0, 0, 0),
        ("optics", TODAY - 40, "88.901", 50, 40, 0, 0),
    )
    family, clock = top(), Hands()
    assert Progress(family, clock).told()["requests"] == 0
    family.heard("optics", Report("secondary", 7, rows), clock.now(), clock.unix())
    found = Progress(family, clock).told()
    assert (found["requests"], found["successes"], found["today"]) == (77, 63, TODAY)
    assert found["days"] == [[TODAY - 40, 50, 40], [TODAY - 1, 12, 10], [TODAY, 15, 13]]
    assert found["below"] == [
        [ELSEWHERE, 2, 1, 2],
        ["88.901", 72, 60, 10],
        ["88.9012", 3, 2, 3],
    ]
    assert (found["rate"], found["average"]) == (0.0, 15 / ((NOW + 8 * 3600) % DAY_S))


def test_below_a_root_the_first_label_tells():
    state = node_state("root", "root", site("root", 1), delegates=[""])
    family, clock = Family(state, (), 5.0), Hands()
    row = ("x", TODAY, "88.901.1", 1, 1, 0, 0)
    family.heard("x", Report("secondary", 7, (row,)), clock.now(), clock.unix())
    assert Progress(family, clock).told()["below"] == [["88", 1, 1, 1]]


def test_the_metrics_say_what_the_control_plane_says():
    family, clock = top(), Hands()
    progress = Progress(family, clock)
    for requests in (0, 500, 9000):
        clock.seconds += 10
        resolved(family, clock, requests)
        told, target = together([progress.told()]), progress.target()
        assert (target.requests, target.successes) == (told["requests"], told["successes"])
        expected = float("inf") if told["remaining_s"] is None else told["remaining_s"]
        assert target.remaining_s == expected


def test_several_trees_are_as_one():
    one = {"requests": 100, "successes": 90, "rate": 2.0, "average": 1.0}
    other = {"requests": 200, "successes": 20, "rate": 3.0, "average": 0.0}
    found = together([one, other], 1300)
    assert found == {
        "requests": 300, "successes": 110, "rate": 5.0, "average": 1.0, "remaining_s": 200.0
    }  # fmt: skip
    assert together([one | {"rate": 0.0}], 200)["remaining_s"] == 100.0
    assert together([], 5)["remaining_s"] is None
    assert remaining_s(10, 0.0, 0.0, 10) == 0.0
