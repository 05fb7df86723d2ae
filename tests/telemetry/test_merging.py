"""The counts of several processes add up."""

from resolver.telemetry.counters import BUCKETS, Counters
from resolver.telemetry.merging import add_counters, pack_counters


def counted(number: int) -> Counters:
    counters = Counters()
    for _ in range(number):
        counters.request(1, "udp", 100, "local", 0.0002)
        counters.ready("tcp", 3, 2, 0.00002)
        counters.running += 1
        counters.commits.observe(0.01)
        counters.coalesced += 1
        counters.rejected("udp", "malformed")
    counters.upstream_finished("works", "timeout", 2.0)
    return counters


def test_all_that_is_counted() -> None:
    total = counted(2)
    add_counters(total, pack_counters(counted(3)))
    one = counted(5)
    assert total.requests == one.requests
    assert total.durations.keys() == one.durations.keys()
    for key, histogram in one.durations.items():
        assert total.durations[key].counts == histogram.counts
    assert total.cache_lookups == {("leaf", "hit"): 10}
    assert total.commits.counts == one.commits.counts
    assert abs(total.commits.total - one.commits.total) < 1e-9
    assert total.malformed == one.malformed
    assert total.upstream_requests == {("works", "timeout"): 2}
    assert total.coalesced == 5
    assert total.upstream_durations["works"].total == 4.0
    assert total.running == 5
    assert len(total.commits.counts) == len(BUCKETS) + 1


def test_what_is_a_state_ends_with_its_process() -> None:
    again = Counters()
    add_counters(again, pack_counters(counted(3)), gauges=False)
    assert again.running == 0
    assert again.coalesced == 3


def test_counts_of_another_version() -> None:
    """A field that is not there any more is left out."""
    old = Counters()
    old.__dict__["gone"] = 7
    total = Counters()
    add_counters(total, pack_counters(old))
    assert not hasattr(total, "gone")
