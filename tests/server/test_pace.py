"""How quickly a tree of nodes counts, and what counts where."""

from resolver.cache.prefixes import OTHERS
from resolver.server.family import Family, report_from
from resolver.server.pace import WINDOW_S, Pace
from resolver.storage import Figures, day_of
from tests.support.memory_network import site
from tests.support.nodes import node_state

NOW = 1_700_000_000
TODAY = day_of(NOW)


def test_the_pace_is_what_came_lately():
    pace = Pace()
    assert pace.rate(5.0) == 0.0
    pace.heard([("works", 1, "88.901.1", 1_000_000, 0, 0, 0)], 0.0)
    assert pace.rate(10.0) == 0.0, "nobody knows when these were counted"
    pace.heard([("works", 1, "88.901.1", 1_000_500, 0, 0, 0)], 10.0)
    assert pace.rate(10.0) == 50.0
    assert pace.rate(100.0) == 5.0
    pace.heard([("works", 1, "88.901.1", 1_000_500, 0, 0, 0)], 200.0)
    assert pace.rate(10.0 + WINDOW_S) == 0.0, "that is long ago"


def test_a_resolution_counts_where_it_was_answered():
    state = node_state("recursive", "recursive", site("recursive", 9))
    recursive = Family(state, (), 5.0)
    wuhan = Family(node_state("wuhan", "top-level", site("wuhan", 1)), (), 5.0)
    counted = Figures(10, 8, forwarded=4, forwarded_successes=3)
    state.store.tally(TODAY, {"88.901.1": counted, "88.902.1": Figures(2, 2, 0, 0, 2, 2)})
    wuhan.heard("recursive", report_from(recursive.report({}, NOW)), 0.0, NOW)
    assert list(wuhan.rows()) == [("recursive", TODAY, "88.901.1", 6, 5, 0, 0)]


def test_what_is_not_found_counts_under_the_prefix_that_lives_there():
    state = node_state("works", "enterprise", site("works", 1), homes=["88.901.1"])
    assert state.prefixes.known("88.901.1/nothing") != OTHERS
    state.adopt("88.901.2", lives_here=True)
    assert state.prefixes.known("88.901.2/nothing") != OTHERS
    assert state.prefixes.known("88.901.3/nothing") == OTHERS
