"""What Prometheus gets to see of a node's counters."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from resolver.cache import Lifetimes, RecordCache
from resolver.storage import Figures
from resolver.telemetry.counters import BUCKETS, Counters, Histogram
from resolver.telemetry.exposition import (
    NodeFigures,
    Sources,
    StoreFigures,
    Target,
    write_process,
)
from resolver.telemetry.families import NETWORK_FAMILIES, NODE_FAMILIES, PROCESS_FAMILIES
from resolver.telemetry.page import COUNTER, Page, merged
from resolver.telemetry.states import NodeStates, ProcessStates, UpstreamState


@pytest.fixture
def counters() -> Counters:
    return Counters()


def families(counters: Counters, node: str = "works", **more: Any) -> dict[str, Metric]:
    cache = RecordCache(1 << 16, Lifetimes(ttl_cap_s=60, negative_ttl_s=60))
    page = Page()
    NodeFigures(
        Sources(
            node=node,
            role="enterprise",
            process="enterprises-1",
            counters=lambda: counters,
            caches=lambda: {"leaf": cache.statistics()},
            store=lambda: StoreFigures(107, 16384, 3, 10, 100),
            **more,
        )
    ).write(page)
    return parsed(page.octets())


def parsed(page: bytes) -> dict[str, Metric]:
    text = page.decode()
    assert len(re.findall("^# TYPE", text, re.MULTILINE)) == len(
        set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    )
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(family: Metric, suffix: str = "") -> Iterator[tuple[dict[str, str], float]]:
    for sample in family.samples:
        if sample.name == family.name + suffix:
            labels = dict(sample.labels)
            assert labels.pop("role", "enterprise") == "enterprise"
            labels.pop("node", None)
            yield labels, sample.value


def test_requests_by_operation_transport_and_code(counters: Counters):
    for _ in range(2):
        counters.request(1, "udp", 1, "local", 0.00003)
    counters.request(1, "tcp", 100, "forwarded", 0.004)
    found = families(counters)
    assert list(samples(found["wuhan_requests"], "_total")) == [
        (
            {"op": "resolve", "transport": "udp", "code": "success"},
            2,
        ),
        (
            {"op": "resolve", "transport": "tcp", "code": "handle_not_found"},
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
    counters.upstream_finished("optics", 1, 0.001)
    counters.upstream_finished("optics", "timeout", 2.0)
    counters.upstream_retried("optics", "late")
    states = NodeStates(upstreams={"optics": UpstreamState(in_flight=2, rtt_s=0.25, breaker=2)})
    found = families(counters, states=lambda: states)
    assert {
        (labels["upstream"], labels["code"]): value
        for labels, value in samples(found["wuhan_upstream_requests"], "_total")
    } == {("optics", "success"): 1, ("optics", "timeout"): 1}
    of_optics = {"upstream": "optics"}
    for name, value in (("in_flight", 2), ("rtt_seconds", 0.25), ("breaker_state", 2)):
        assert list(samples(found[f"wuhan_upstream_{name}"])) == [(of_optics, value)]
    assert list(samples(found["wuhan_upstream_retries"], "_total")) == [
        ({**of_optics, "reason": "late"}, 1)
    ]


def test_codes_from_outside_make_one_label(counters: Counters):
    for code in range(10_000, 20_000):
        counters.upstream_finished("other", code, 0.001)
        counters.request(code, "udp", code, "forwarded", 0.001)
    assert len(counters.upstream_requests) == len(counters.requests) == 1
    found = families(counters)
    assert [
        (labels["op"], labels["code"]) for labels, _ in samples(found["wuhan_requests"], "_total")
    ] == [("other", "other")]


def test_caches_store_and_what_is_turned_away(counters: Counters):
    counters.cache_lookup("leaf", "hit")
    counters.rejected("tcp", "oversize")
    counters.coalesced += 3
    counters.proof("secret_key", "failed")
    counters.fsyncs.observe(0.002)
    found = families(counters)
    expected: dict[str, tuple[dict[str, str], float]] = {
        "wuhan_cache_lookups_total": ({"class": "leaf", "result": "hit"}, 1),
        "wuhan_malformed_messages_total": ({"transport": "tcp", "reason": "oversize"}, 1),
        "wuhan_coalesced_requests_total": ({}, 3),
        "wuhan_auth_total": ({"kind": "secret_key", "result": "failed"}, 1),
        "wuhan_store_commits_total": ({}, 1),
        "wuhan_journal_entries_total": ({}, 3),
        "wuhan_store_records": ({}, 107),
        "wuhan_store_disk_free_bytes": ({}, 10),
        "wuhan_cache_entries": ({"class": "leaf"}, 0),
        "wuhan_cache_budget_bytes": ({"class": "leaf"}, 1 << 16),
    }
    for name, row in expected.items():
        base = name.removesuffix("_total")
        assert list(samples(found[base], name[len(base) :])) == [row], name
    assert list(samples(found["wuhan_store_fsync_duration_seconds"], "_sum")) == [({}, 0.002)]


def test_prefixes_that_nobody_was_given_are_one(counters: Counters):
    """A recursive node is asked for any; each would be a label."""
    figures = {"88.901.1": Figures(5, 4, 2, 1), **{f"99.{n}": Figures(1, 1) for n in range(1000)}}
    found = families(
        counters, figures=lambda: figures, prefixes=lambda: frozenset({"88.901.1", "88.902"})
    )
    assert list(samples(found["wuhan_resolutions"], "_total")) == [
        ({"prefix": "88.901.1"}, 5), ({"prefix": "other"}, 1000)
    ]  # fmt: skip
    assert list(samples(found["wuhan_registrations"], "_total")) == [
        ({"prefix": "88.901.1", "op": "create"}, 2), ({"prefix": "88.901.1", "op": "delete"}, 1)
    ]  # fmt: skip


def test_a_store_that_cannot_be_read(counters: Counters):
    """What was counted is told all the same."""
    page = Page()
    sources = Sources(
        "works", "enterprise", lambda: counters, dict, lambda: None, figures=lambda: None
    )
    NodeFigures(sources).write(page)
    found = parsed(page.octets())
    assert "wuhan_store_records" not in found
    assert "wuhan_store_write_failures" in found


def test_children_and_target(counters: Counters):
    states = NodeStates(heard={"optics": 1.5, "steel": None}, sync_lag_s=0.0)
    found = families(
        counters, states=lambda: states, target=lambda: Target(2000, 50, 40, float("inf"))
    )
    assert list(samples(found["wuhan_heartbeat_age_seconds"])) == [
        ({"child": "optics"}, 1.5), ({"child": "steel"}, float("inf"))
    ]  # fmt: skip
    assert list(samples(found["wuhan_target_successes"])) == [({}, 40)]
    assert list(samples(found["wuhan_target_remaining_seconds"])) == [({}, float("inf"))]


def test_build(counters: Counters):
    ((labels, value),) = samples(families(counters)["wuhan_build_info"])
    assert (labels["process"], value) == ("enterprises-1", 1)


def test_a_process():
    page, lag = Page(), Histogram()
    lag.observe(0.003)
    states = ProcessStates(1.5, 4096, 8192, 7, 1024, 3, 1e9, [(5, 4, 3)] * 3, lag)
    write_process(page, "steel", ProcessStates.unpacked(states.packed()))
    found = parsed(page.octets())
    assert list(samples(found["process_cpu_seconds"], "_total")) == [({"process": "steel"}, 1.5)]
    assert list(samples(found["process_open_fds"])) == [({"process": "steel"}, 7)]
    assert len(list(samples(found["python_gc_objects_collected"], "_total"))) == 3
    assert list(samples(found["wuhan_event_loop_lag_seconds"], "_count")) == [
        ({"process": "steel"}, 1)
    ]


def test_pages_together_have_each_family_once(counters: Counters):
    pages = []
    for node in ("works", "steel"):
        page = Page()
        sources = Sources(node, "enterprise", lambda: counters, dict, lambda: None)
        NodeFigures(sources).write(page)
        pages.append(page.octets())
    found = parsed(merged(pages))
    nodes = [sample.labels["node"] for sample in found["wuhan_coalesced_requests"].samples]
    assert nodes == ["works", "steel"]
    assert merged(pages).count(b"\n") < sum(page.count(b"\n") for page in pages)


def test_labels_are_escaped(counters: Counters):
    found = families(counters, node='a"b\\c\nd')
    (sample,) = found["wuhan_store_records"].samples
    assert sample.labels["node"] == 'a"b\\c\nd'


def test_every_family_is_told_in_its_table():
    """Names are unique, in base units, and counters end in _total."""
    families_told = (*NODE_FAMILIES, *PROCESS_FAMILIES, *NETWORK_FAMILIES)
    names = [family.name for family in families_told]
    assert len(set(names)) == len(names)
    for family in families_told:
        assert (family.kind == COUNTER) == family.name.endswith("_total"), family.name
        assert not re.search(r"_(ms|milliseconds|mb|kb|percent)\b", family.name)
