"""What Prometheus gets to see of a node's counters."""

from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from resolver.cache import Lifetimes, RecordCache
from resolver.telemetry.counters import BUCKETS, Counters, Histogram
from resolver.telemetry.exposition import Sources, registry_of, render


@pytest.fixture
def counters() -> Counters:
    return Counters()


def families(counters: Counters, node: str = "works") -> dict[str, Metric]:
    cache = RecordCache(1 << 16, Lifetimes(ttl_cap_s=60, negative_ttl_s=60))
    registry = registry_of(
        Sources(
            node=node,
            role="enterprise",
            counters=lambda: counters,
            caches=lambda: {"leaf": cache.statistics()},
            records=lambda: 107,
            store_bytes=lambda: 16384,
        )
    )
    text = render(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(family: Metric, suffix: str = "") -> Iterator[tuple[dict[str, str], float]]:
    for sample in family.samples:
        if sample.name == family.name + suffix:
            yield sample.labels, sample.value


def test_requests_by_operation_transport_and_code(counters: Counters):
    for _ in range(2):
        counters.request(1, "udp", 1, "local", 0.00003)
    counters.request(1, "tcp", 100, "forwarded", 0.004)
    found = families(counters)
    assert list(samples(found["wuhan_requests"], "_total")) == [
        (
            {"node": "works", "role": "enterprise", "op": "resolve", "transport": "udp",
             "code": "success"},
            2,
        ),
        (
            {"node": "works", "role": "enterprise", "op": "resolve", "transport": "tcp",
             "code": "handle_not_found"},
            1,
        ),
    ]  # fmt: skip
    counts = {
        (labels["transport"], labels["path"]): value
        for labels, value in samples(found["wuhan_request_duration_seconds"], "_count")
    }
    assert counts == {("udp", "local"): 2, ("tcp", "forwarded"): 1}


def test_buckets_add_up(counters: Counters):
    for seconds in (0.000001, 0.0002, 0.0002, 3.0, 100.0):
        counters.request(1, "udp", 1, "local", seconds)
    family = families(counters)["wuhan_request_duration_seconds"]
    buckets = {float(labels["le"]): value for labels, value in samples(family, "_bucket")}
    assert len(buckets) == len(BUCKETS) + 1
    assert list(buckets.values()) == sorted(buckets.values())
    assert (buckets[0.00001], buckets[0.0001], buckets[0.00025]) == (1, 1, 3)
    assert (buckets[2.5], buckets[5.0], buckets[10.0], buckets[float("inf")]) == (3, 4, 4, 5)


def test_a_bound_belongs_to_its_bucket():
    histogram = Histogram()
    histogram.observe(BUCKETS[0])
    assert histogram.counts[0] == 1


def test_upstreams(counters: Counters):
    counters.upstream_started()
    counters.upstream_started()
    counters.upstream_finished(1, 0.001)
    counters.upstream_finished("timeout", 2.0)
    counters.upstream_started()
    found = families(counters)
    assert {
        labels["code"]: value
        for labels, value in samples(found["wuhan_upstream_requests"], "_total")
    } == {"success": 1, "timeout": 1}
    assert list(samples(found["wuhan_upstream_in_flight"])) == [({"node": "works"}, 1)]


def test_codes_from_outside_make_one_label(counters: Counters):
    for code in range(10_000, 20_000):
        counters.upstream_started()
        counters.upstream_finished(code, 0.001)
        counters.request(1, "udp", code, "forwarded", 0.001)
    assert len(counters.upstream_requests) == len(counters.requests) == 1
    found = families(counters)
    assert [labels["code"] for labels, _ in samples(found["wuhan_requests"], "_total")] == ["other"]


def test_caches_store_and_what_is_turned_away(counters: Counters):
    counters.cache_lookup("leaf", "hit")
    counters.rejected("tcp", "oversize")
    counters.coalesced += 3
    found = families(counters)
    assert list(samples(found["wuhan_cache_lookups"], "_total")) == [
        ({"node": "works", "class": "leaf", "result": "hit"}, 1)
    ]
    assert list(samples(found["wuhan_malformed_messages"], "_total")) == [
        ({"node": "works", "transport": "tcp", "reason": "oversize"}, 1)
    ]
    assert list(samples(found["wuhan_coalesced_requests"], "_total")) == [({"node": "works"}, 3)]
    assert list(samples(found["wuhan_store_records"])) == [({"node": "works"}, 107)]
    assert list(samples(found["wuhan_cache_entries"])) == [({"node": "works", "class": "leaf"}, 0)]


def test_build_and_process(counters: Counters):
    found = families(counters)
    ((labels, value),) = samples(found["wuhan_build_info"])
    assert (labels["node"], labels["role"], value) == ("works", "enterprise", 1)
    assert "process_resident_memory_bytes" in found


def test_labels_are_escaped(counters: Counters):
    found = families(counters, node='a"b\\c\nd')
    ((labels, _),) = samples(found["wuhan_store_records"])
    assert labels["node"] == 'a"b\\c\nd'
