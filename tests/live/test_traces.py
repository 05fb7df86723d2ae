"""One resolution followed through the nodes of a running network: their spans, as a collector of
OTLP over HTTP gets them, with the ids that access logs and answers have too."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from resolver.client import Client
from tests.support.command import network, node_of, until, wuhan

pytestmark = pytest.mark.slow

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
SERVER, CLIENT = 2, 3


@dataclass
class Recorded:
    """A span as it came."""

    node: str
    name: str
    kind: int
    trace: str
    span: str
    parent: str
    ns: tuple[int, int]
    failed: bool
    told: dict[str, Any] = field(default_factory=dict)


class Collector:
    """Takes spans at a port of its own, on a thread of its own."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Collector":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def of(self, trace: str) -> list[Recorded]:
        return [span for span in self.spans if span.trace == trace]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _take(self, request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        for resource in message.resource_spans:
            about = attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Recorded(
                            about["service.name"],
                            span.name,
                            span.kind,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            (span.start_time_unix_nano, span.end_time_unix_nano),
                            span.status.code == 2,
                            attributes(span.attributes),
                        )
                    )
        return web.Response(body=b"", content_type="application/x-protobuf")


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("traces")
    source = folder / "traces.toml"
    minimal = (Path(__file__).parents[2] / "config" / "minimal.toml").read_text(encoding="utf-8")
    source.write_text(
        f'{minimal}\n[log]\naccess = "jsonl"\naccess_every = 1000\nformat = "json"\n'
        f'[traces]\nendpoint = "http://127.0.0.1:{collector.port}"\nsample = 0.0\n',
        encoding="utf-8",
    )
    with network(folder / "data", "--config", str(source)) as running:
        yield running


async def asked(data: Path, path: str, traceparent: str | None) -> tuple[int, str | None]:
    """Status, and the header that came back, of a GET at the recursive node."""
    import aiohttp

    url = f"http://127.0.0.1:{node_of(data, 'recursive')['http_port']}{path}"
    headers = {} if traceparent is None else {"traceparent": traceparent}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status, answer.headers.get("traceparent")


async def test_one_resolution_is_followed_through_all_nodes(data: Path, collector: Collector):
    status, told = await asked(data, "/api/handles/88.901.1/000001", f"00-{TRACE}-{SPAN}-01")
    assert status == 200
    await asyncio.to_thread(until, lambda: len(collector.of(TRACE)) >= 8)
    spans = {span.span: span for span in collector.of(TRACE)}
    assert len(spans) == 8
    (http,) = (span for span in spans.values() if span.parent == SPAN)
    assert (http.node, http.name, http.kind) == (
        "recursive", "GET /api/handles/{handle}", SERVER
    )  # fmt: skip
    assert told == f"00-{TRACE}-{http.span}-01"
    (whole,) = (span for span in spans.values() if span.parent == http.span)
    assert (whole.node, whole.name) == ("recursive", "resolve")
    assert whole.told["wuhan.identifier"] == "88.901.1/000001"
    assert (whole.told["wuhan.path"], whole.told["wuhan.response_code"]) == ("forwarded", 1)
    asks = [span for span in spans.values() if span.parent == whole.span]
    asks.sort(key=lambda span: span.ns)
    names = ["wuhan", "optics", "88.901.1"]
    assert [(span.node, span.name, span.kind) for span in asks] == [
        ("recursive", f"ask {name}", CLIENT) for name in names
    ]
    for name, ask in zip(names, asks, strict=True):
        (answered,) = (span for span in spans.values() if span.parent == ask.span)
        assert (answered.node, answered.name, answered.kind) == (name, "resolve", SERVER)
        assert whole.ns[0] <= ask.ns[0] <= answered.ns[0] <= answered.ns[1] <= ask.ns[1]
        assert ask.told["wuhan.transport"] == answered.told["wuhan.transport"] == "tcp"


async def test_access_logs_have_its_id(data: Path, collector: Collector):
    trace = "a" * 32
    await asked(data, "/api/handles/88.901.1/000002?auth=true", f"00-{trace}-{SPAN}-01")

    def rows() -> set[tuple[str, str]]:
        found = set()
        for file in data.rglob("access*.jsonl*"):
            for line in file.read_text(encoding="utf-8").splitlines()[1:]:
                row = json.loads(line)
                if row.get("trace") == trace:
                    found.add((row["path"], row["transport"]))
        return found

    await asyncio.to_thread(until, lambda: len(rows()) >= 2)
    assert ("forwarded", "http") in rows()
    assert ("local", "tcp") in rows()


async def test_who_began_the_trace_decides(data: Path, collector: Collector):
    unwanted, wanted = "b" * 32, "c" * 32
    assert (await asked(data, "/api/handles/88.901.1/000003", f"00-{unwanted}-{SPAN}-00"))[
        1
    ] is None
    assert (await asked(data, "/api/handles/88.901.1/000003", None))[1] is None
    # From the cache, and yet recorded: who sends the header wants to see it.
    for _ in range(3):
        _, told = await asked(data, "/api/handles/88.901.1/000003", f"00-{wanted}-{SPAN}-01")
        assert told is not None
    await asyncio.to_thread(until, lambda: len(collector.of(wanted)) >= 6)
    assert not collector.of(unwanted)
    whole = [span for span in collector.of(wanted) if span.name == "resolve"]
    assert {(span.told["wuhan.path"], span.told["wuhan.cache"]) for span in whole} == {
        ("local", "hit")
    }


async def test_a_failure_is_one_in_the_spans_and_in_the_log(data: Path, collector: Collector):
    trace = "d" * 32
    added = wuhan("fault", "add", "optics", "error=3", "--for", "20s", data=data)
    assert added.returncode == 0, added.stderr
    path = "/api/handles/88.901.1/000004?auth=true"
    status, _ = await asked(data, path, f"00-{trace}-{SPAN}-01")
    wuhan("fault", "clear", "optics", data=data)
    if status == 200:
        pytest.fail("the fault was not met")
    await asyncio.to_thread(until, lambda: any(span.failed for span in collector.of(trace)))
    log = wuhan("logs", "recursive", data=data).stdout
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert trace in [line.get("trace") for line in lines if line.get("kind") == "failed"]


async def test_metrics_have_it_as_an_exemplar(data: Path):
    import aiohttp

    trace = "f" * 32
    await asked(data, "/api/handles/88.901.1/000006?auth=true", f"00-{trace}-{SPAN}-01")
    url = f"http://127.0.0.1:{node_of(data, 'recursive')['http_port']}/metrics"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"Accept": "application/openmetrics-text"}) as answer:
            assert answer.content_type == "application/openmetrics-text"
            page = await answer.text()
        async with session.get(url) as answer:
            assert answer.content_type == "text/plain"
            assert "trace_id" not in await answer.text()
    found = [
        (sample.labels["transport"], sample.labels["path"], sample.exemplar.value)
        for family in text_string_to_metric_families(page)
        if family.name == "wuhan_request_duration_seconds"
        for sample in family.samples
        if sample.exemplar is not None and sample.exemplar.labels == {"trace_id": trace}
    ]
    ((transport, path, seconds),) = found
    assert (transport, path) == ("http", "forwarded")
    assert 0 < seconds < 10


async def test_a_client_of_the_protocol_begins_none_unless_sampled(
    data: Path, collector: Collector
):
    port = node_of(data, "recursive")["port"]
    async with Client(f"127.0.0.1:{port}") as client:
        assert await client.resolve("88.901.1/000005", authoritative=True)
    await asked(data, "/api/handles/88.901.1/000005", f"00-{'e' * 32}-{SPAN}-01")
    await asyncio.to_thread(until, lambda: len(collector.of("e" * 32)) >= 2)
    begun = {TRACE, *(digit * 32 for digit in "acdef")}
    assert {span.trace for span in collector.spans} <= begun, "only what these tests began"
