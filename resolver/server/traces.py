"""What a process records of the resolutions it has a part in: spans, for a collector that takes
OTLP over HTTP (``[traces]`` of the configuration; docs/traces.md).

Rules: the packages of OpenTelemetry are an extra and are imported only where spans are wanted.
Whether a request is recorded is decided once, where its trace begins, and travels with it. What the
collector does not take in time is left out; no request waits for it.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from resolver.__about__ import __version__
from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import ConfigError, UpstreamError
from resolver.node.forward import FAILURES
from resolver.resolution import Ask, Reply
from resolver.resolution.trace import site_label
from resolver.telemetry.exemplars import Exemplar, Exemplars
from resolver.topology.plan import NodeSpec, TraceSpec
from resolver.wire.answer import Answer, Client
from resolver.wire.message import Message
from resolver.wire.traceparent import TraceParent, parent_of

if TYPE_CHECKING:
    from opentelemetry import trace as otel

PATH: Final = "/v1/traces"
"""Where collectors take spans, if the address has no path of its own."""

_EVERY_MS: Final = 1000
_TIMEOUT_S: Final = 2
"""For one batch of spans, repetitions included; and for what is left at the end."""

PACKAGES: Final = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")

Attributes = Mapping[str, str | int | bool]


def check_packages(spec: TraceSpec, packages: Sequence[str] = PACKAGES) -> None:
    """Raises ConfigError if spans are wanted, and one of the ``packages`` is not installed."""
    if spec.endpoint and not all(map(_is_installed, packages)):
        raise ConfigError(
            "[traces] endpoint is set, but spans need packages that are not installed: "
            'run pip install "wuhan[otel]", or set endpoint = ""'
        )


class Span:
    """Something that takes time, and is recorded (``resolver.transport.spans.Span``)."""

    __slots__ = ("_span", "parent")

    def __init__(self, span: "otel.Span") -> None:
        context = span.get_span_context()
        self._span: Final = span
        self.parent: Final = TraceParent(context.trace_id, context.span_id)

    def end(self, attributes: Attributes, trouble: str = "") -> None:
        """See ``Span`` there."""
        from opentelemetry.trace import StatusCode

        self._span.set_attributes(attributes)
        if trouble:
            self._span.set_status(StatusCode.ERROR, trouble)
        self._span.end()


class Traced(Span):
    """A request that is recorded, and what others are asked for its sake."""

    __slots__ = ("_node",)

    def __init__(self, span: "otel.Span", node: "NodeTraces") -> None:
        super().__init__(span)
        self._node: Final = node

    def asking(self, ask: Ask) -> Span:
        """Somebody is asked."""
        name = ask.site.attribute("name")
        return self._node.begin(
            f"ask {name}" if name else "ask",
            "CLIENT",
            self.parent,
            {"wuhan.identifier": ask.handle, "peer.service": name or site_label(ask.site)},
        )

    def joined(self, other: "Traced | None") -> None:
        """The request waits for what was begun for another one with the same question."""
        self._span.set_attribute("wuhan.coalesced", True)
        if other is not None:
            self._span.add_link(_context(other.parent))

    def answered(
        self, request: Message, answer: Answer, client: Client, path: str, seconds: float
    ) -> None:
        """This is the answer, after so many seconds; ``path`` as in the access log."""
        exemplar = Exemplar(self.parent.trace, seconds, time.time())
        self._node.exemplars.note(client.transport, path, exemplar)
        trouble = ResponseCode(answer.code).name if answer.code in FAILURES else ""
        self.end(
            {
                "wuhan.identifier": str(getattr(request.body, "handle", "")),
                "wuhan.path": path,
                "wuhan.cache": answer.cache,
                "wuhan.response_code": int(answer.code),
                "wuhan.transport": client.transport,
                "client.address": client.host,
            },
            trouble,
        )


class NodeTraces:
    """What is recorded of one node (``resolver.transport.spans.Spans``)."""

    def __init__(self, tracer: "otel.Tracer", sample: float, secret: bytes) -> None:
        """
        Args:
            sample: the part of the traces that begin here which is recorded.
            secret: what all nodes of the network know.
        """
        self.exemplars: Final = Exemplars()
        self._tracer: Final = tracer
        self._sample: Final = sample
        self._secret: Final = secret

    def begin(
        self,
        name: str,
        kind: str,
        parent: TraceParent | None,
        attributes: Attributes,
        started: float | None = None,
    ) -> Span:
        """A span begins, or began when ``time.perf_counter`` said ``started``."""
        return Span(self._begin(name, kind, parent, attributes, started))

    def http(self, method: str, path: str, parent: TraceParent | None) -> Span | None:
        """See ``Spans``."""
        if not self._is_wanted(parent):
            return None
        attributes = {"http.request.method": method, "http.route": path}
        return self.begin(f"{method} {path}", "SERVER", parent, attributes)

    def of_message(
        self, request: Message, octets: bytes, client: Client, started: float
    ) -> Traced | None:
        """The span of a request message; None if it is not to be recorded.

        Args:
            started: when it came, as ``time.perf_counter`` says.
        """
        parent = client.parent or parent_of(request, octets, self._secret)
        if not self._is_wanted(parent):
            return None
        return self._traced(request, "SERVER", parent, started)

    def of_request(self, request: Message, client: Client, started: float) -> Traced | None:
        """The span of a request that came as HTTP, below that of HTTP itself."""
        if client.parent is None:
            return None
        return self._traced(request, "INTERNAL", client.parent, started)

    def _traced(
        self, request: Message, kind: str, parent: TraceParent | None, started: float
    ) -> Traced:
        name = OpCode(request.op_code).name.lower().replace("_", " ")
        return Traced(self._begin(name, kind, parent, {}, started), self)

    def _is_wanted(self, parent: TraceParent | None) -> bool:
        if parent is not None:
            return parent.sampled
        return random.random() < self._sample

    def _begin(
        self,
        name: str,
        kind: str,
        parent: TraceParent | None,
        attributes: Attributes,
        started: float | None,
    ) -> "otel.Span":
        from opentelemetry import trace as otel
        from opentelemetry.context import Context

        now = time.time_ns()
        if started is not None:
            now -= int((time.perf_counter() - started) * 1e9)
        # An empty context in place of the current one: nothing but what is said here counts.
        context = Context()
        if parent is not None:
            around = otel.NonRecordingSpan(_context(parent))
            context = otel.set_span_in_context(around, context)
        return self._tracer.start_span(
            name, context, otel.SpanKind[kind], attributes, start_time=now
        )


class ProcessTraces:
    """What is recorded in one process, and sent from there."""

    def __init__(self, spec: TraceSpec, network: str, secret: bytes) -> None:
        """
        Args:
            spec: with an endpoint.
            secret: what all nodes of the network know.

        Raises:
            ConfigError: the packages are missing.
        """
        check_packages(spec)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._exporter: Final = OTLPSpanExporter(endpoint=address_of(spec), timeout=_TIMEOUT_S)
        self._processor: Final = BatchSpanProcessor(self._exporter, schedule_delay_millis=_EVERY_MS)
        self._spec: Final = spec
        self._network: Final = network
        self._secret: Final = secret

    def of(self, node: NodeSpec, worker: int) -> NodeTraces:
        """What is recorded of a node, in the process of it that has this number."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        resource = Resource(
            {
                "service.namespace": self._network,
                "service.name": node.name,
                "service.instance.id": f"{node.name}/{worker}",
                "service.version": __version__,
                "wuhan.role": node.role,
            }
        )
        provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return NodeTraces(provider.get_tracer("wuhan"), self._spec.sample, self._secret)

    async def close(self) -> None:
        """Send what is left, if the collector takes it soon."""
        ending = asyncio.ensure_future(asyncio.to_thread(self._processor.shutdown))
        await asyncio.wait((ending,), timeout=_TIMEOUT_S)
        if not ending.done():
            await asyncio.to_thread(self._exporter.shutdown)
        await ending


def address_of(spec: TraceSpec) -> str:
    """Where spans are sent."""
    return (
        spec.endpoint
        if urlsplit(spec.endpoint).path.strip("/")
        else f"{spec.endpoint.rstrip('/')}{PATH}"
    )


def told_of(outcome: Reply | UpstreamError) -> tuple[dict[str, str | int | bool], str]:
    """The attributes of what came of asking somebody, and what went wrong."""
    if isinstance(outcome, UpstreamError):
        return {}, str(outcome)
    return {
        "server.address": outcome.server,
        "wuhan.transport": outcome.transport,
        "wuhan.response_code": int(outcome.message.response_code),
    }, ""


def _context(parent: TraceParent) -> "otel.SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        parent.trace_id, parent.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
