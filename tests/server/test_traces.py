"""Spans where nobody has to be asked: what is recorded is decided once, and said clearly if it
cannot be."""

import pytest

from resolver.model.errors import ConfigError
from resolver.server.traces import PACKAGES, address_of, check_packages
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import TraceSpec

SPEC = TraceSpec("http://127.0.0.1:4318")


def test_where_spans_are_sent():
    assert address_of(SPEC) == "http://127.0.0.1:4318/v1/traces"
    assert address_of(TraceSpec("http://127.0.0.1:4318/")) == "http://127.0.0.1:4318/v1/traces"
    assert address_of(TraceSpec("https://x.example/otlp/spans")) == "https://x.example/otlp/spans"


def test_without_the_packages_it_says_what_to_do():
    check_packages(SPEC)
    missing = (*PACKAGES, "wuhan-has-no-such-package")
    check_packages(TraceSpec(), missing)
    with pytest.raises(ConfigError, match=r'pip install "wuhan\[otel\]"'):
        check_packages(SPEC, missing)


def test_settings():
    assert expand(load_network("minimal", environ={})).traces == TraceSpec("", 1.0)
    environ = {"WUHAN_TRACES_ENDPOINT": "http://h:1", "WUHAN_TRACES_SAMPLE": "0.25"}
    assert expand(load_network("minimal", environ=environ)).traces == TraceSpec("http://h:1", 0.25)
    for key, value in (("ENDPOINT", "h:1"), ("SAMPLE", "2")):
        with pytest.raises(ConfigError, match=f"traces.{key.lower()}"):
            load_network("minimal", environ={f"WUHAN_TRACES_{key}": value})
