"""Traces beside the buckets of a histogram, in the one format that has room for them."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from resolver.telemetry import families as f
from resolver.telemetry.counters import Histogram
from resolver.telemetry.exemplars import NONE, Exemplar, Exemplars
from resolver.telemetry.page import Page

OWNER = {"node": "recursive", "role": "recursive"}
LABELS = ("http", "forwarded")


def page(exemplars: Exemplars, *, is_open: bool) -> str:
    histogram = Histogram()
    for seconds in (0.0004, 0.0004, 0.3):
        histogram.observe(seconds)
    made = Page(is_open=is_open)
    made.add_histogram(f.REQUEST_DURATION, OWNER, LABELS, histogram, exemplars.of(LABELS))
    made.add(f.REQUESTS, OWNER, ("resolve", "http", "success"), 3)
    return made.octets().decode()


def test_the_latest_of_each_bucket_is_told():
    exemplars = Exemplars()
    assert exemplars.of(LABELS) is NONE
    for trace, seconds in (("a", 0.0003), ("b", 0.0004), ("c", 0.3)):
        exemplars.note(*LABELS, Exemplar(trace * 32, seconds, 1_700_000_000.25))
    found = {
        sample.labels["le"]: (
            sample.exemplar.labels["trace_id"][0],
            sample.exemplar.value,
            float(sample.exemplar.timestamp),
        )
        for family in text_string_to_metric_families(page(exemplars, is_open=True))
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert found == {
        "0.0005": ("b", 0.0004, 1_700_000_000.25),
        "0.5": ("c", 0.3, 1_700_000_000.25),
    }


def test_the_old_format_has_none():
    exemplars = Exemplars()
    exemplars.note(*LABELS, Exemplar("a" * 32, 0.3, 0.0))
    assert "trace_id" not in page(exemplars, is_open=False)
    assert page(exemplars, is_open=False) == page(Exemplars(), is_open=False)
