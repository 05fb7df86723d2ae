"""Spans where nobody has to be asked: what is recorded is decided once, and said clearly if it
cannot be."""

import socket
import time

import pytest

from resolver.cluster.supervisor import GRACE_S
from resolver.model.errors import ConfigError
from resolver.server.traces import PACKAGES, ProcessTraces, address_of, check_packages
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


@pytest.mark.slow
async def test_a_collector_that_hangs_does_not_hold_up_the_end():
    topology = expand(load_network("minimal", environ={}))
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        spec = TraceSpec(f"http://127.0.0.1:{hanging.getsockname()[1]}")
        traces = ProcessTraces(spec, topology.name, b"secret")
        for node in topology.nodes:
            traces.of(node, 0).begin("resolve", "SERVER", None, {}).end({})
        began = time.monotonic()
        await traces.close()
        assert time.monotonic() - began < GRACE_S
