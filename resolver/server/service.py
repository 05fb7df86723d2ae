"""A node as its doors know it: the endpoint, its driver, its counters and its clock together."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import Site
from resolver.model.value import Reference
from resolver.node.administer import logging_in
from resolver.node.endpoint import Endpoint, Malformed, Signer, Waiting
from resolver.node.node import Node
from resolver.node.outcome import Pending
from resolver.registry.identity import Claim
from resolver.server.clock import Clock
from resolver.server.driver import Asking, Driver
from resolver.server.family import Family
from resolver.server.faults import Faults
from resolver.server.figures import PROOFS, alone, count_proof, figures_of
from resolver.server.notes import Notes
from resolver.server.ready import ready_answers, ready_for_http
from resolver.server.recent import Recent
from resolver.server.rehearsal import Rehearsal
from resolver.server.scrape import Scrape
from resolver.server.tally import Tally
from resolver.server.traces import NodeTraces, Traced
from resolver.server.writer import Writer
from resolver.transport.access import AccessLog
from resolver.transport.admission import Admission, client_of
from resolver.transport.http_ready import HttpReady
from resolver.transport.ready import Ready
from resolver.transport.rpc import Control
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.proof import Proof
from resolver.wire.version import CURRENT

T = TypeVar("T")


class NodeService:
    """One node behind its doors (``resolver.transport.door.Service``)."""

    def __init__(
        self,
        node: Node,
        upstream: Asking,
        clock: Clock,
        signer: Signer | None = None,
        control: Control | None = None,
        family: Family | None = None,
        admission: Admission | None = None,
        access: AccessLog | None = None,
        scrape: Scrape | None = None,
        recent: Recent | None = None,
        faults: Faults | None = None,
        traces: NodeTraces | None = None,
    ) -> None:
        """
        Args:
            admission: how much clients may ask.
            recent: is told of slow and failed resolutions.
            scrape: what the pages of metrics are made of; else of this node alone.
            faults: what goes wrong here, for rehearsals.
            traces: where requests are recorded; None if none is.
            control, family: what the control plane may do here, and who reports over it.
            access: who is told of every request; None if nobody wants to know.
        """
        self.control: Final = control
        self.admission: Final = admission or Admission()
        self.spans: Final = traces
        self._access: Final = access
        self._signer: Final = signer
        self._family: Final = family
        self.name: Final = node.state.name
        self._node: Final = node
        self._state: Final = node.state
        self._counters: Final = node.state.counters
        self.clock: Final = clock
        self._endpoint: Final = Endpoint(node, signer)
        self._writer: Final = Writer(node.state.store, clock.unix, self._counters)
        self._driver: Final = Driver(upstream, self._writer, clock, self._counters)
        self._tally: Final = Tally(node.state.store, node.state.prefixes, clock.unix)
        self._ready: Final = ready_answers(node.state, access)
        self._http_ready: Final = ready_for_http(node.state, clock, access)
        self._scrape: Final = scrape or Scrape(figures_of(node.state, alone(node.state), clock))
        self._recent: Final = recent or Recent(self.name, clock, 1.0)
        self._malformed: Final = Notes(self.name, logging.INFO)
        self._failures: Final = Notes(self.name, logging.WARNING)
        self._faults: Final = faults or Faults(clock)
        self._faults.changed = self._faults_changed
        self._rehearsal: Final = Rehearsal(
            self._faults,
            self._endpoint,
            self.receive,
            self.ask,
            self._refused,
            clock.unix,
        )
        self._faults_changed()

    def receive(
        self, octets: bytes, client: Client, came: float | None = None
    ) -> list[bytes] | Awaitable[list[bytes]]:
        """The reply messages for one request message; awaitable when upstreams are to be asked.

        Args:
            came: when, as ``time.perf_counter`` says, if it has met its fault already.
        """
        started = time.perf_counter() if came is None else came
        if self._faults.rules and came is None:
            fate = self._rehearsal.of_message(octets, client)
            if fate is not None:
                return fate
        handled = self._endpoint.receive(octets, client, self.clock.now(), self.clock.unix())
        traced = None
        if self.spans is not None and not isinstance(handled, Malformed):
            traced = self.spans.of_message(handled.request, octets, client, started)
        if isinstance(handled, Waiting):
            known = self._known_already(handled.request, handled.pending, client)
            if known is None:
                return self._settled(
                    handled.request, handled.pending, client, started, handled.encode, traced
                )
            self.count(handled.request, known, client, started, "local", traced)
            return handled.encode(known, self.clock.unix())
        if isinstance(handled, Malformed):
            self._counters.rejected(client.transport, "malformed")
            self._malformed.note(
                f"malformed message from {client.host} over {client.transport}: {handled.reason}",
                self.clock.now(),
            )
            return handled.messages
        self.count(handled.request, handled.answer, client, started, "local", traced)
        ready = self._ready.get(client.transport)
        if ready is not None and handled.answer.ready and not self._faults.rules:
            (reply,) = handled.messages
            ready.learn(octets, handled.request, handled.answer, reply, self.clock.now())
        return handled.messages

    def ready(self, transport: str) -> Ready | None:
        """See ``Service``."""
        return self._ready.get(transport)

    def http_ready(self) -> HttpReady | None:
        """See ``Service``."""
        return None if self._faults.rules else self._http_ready

    @property
    def is_stopped(self) -> bool:
        """See ``Service``."""
        return self._faults.is_stopped

    def keeps(self, answer: Answer) -> int:
        """See ``Service``."""
        ttl = answer.ttl
        if ttl is None and isinstance(answer.body, RecordAnswer):
            ttl = answer.body.values.lifetime(self.clock.unix())
        return min(ttl or 0, int(self._state.records.ttl_cap_s))

    def ask(
        self, request: Message, client: Client, came: float | None = None
    ) -> Answer | Awaitable[Answer]:
        """The answer to a request that came as HTTP; ``came`` as in ``receive``."""
        started = time.perf_counter() if came is None else came
        if self._faults.rules and came is None:
            fate = self._rehearsal.of_request(request, client)
            if fate is not None:
                return fate
        outcome = self._endpoint.ask(request, client, self.clock.now(), self.clock.unix())
        traced = None if self.spans is None else self.spans.of_request(request, client, started)
        if isinstance(outcome, Pending):
            known = self._known_already(request, outcome, client)
            if known is None:
                return self._settled(request, outcome, client, started, _as_it_is, traced)
            outcome = known
        self.count(request, outcome, client, started, "local", traced)
        return outcome

    def prove(
        self, user: Reference, proof: Proof, nonce: bytes, cnonce: bytes, client: Client
    ) -> Awaitable[Answer]:
        """See ``Service``."""
        started = time.perf_counter()
        request = Message(envelope=Envelope(), op_code=OpCode.LOGIN_KEY)
        claim = Claim(user, proof, nonce, cnonce)
        unix = self.clock.unix()
        pending = logging_in(self._state, request, claim, client.connection, unix)
        return self._settled(request, pending, client, started, _as_it_is)

    def sign(self, octets: bytes) -> tuple[str, bytes] | None:
        """See ``Service``."""
        return None if self._signer is None else self._signer.sign(octets, CURRENT)

    def rejected(self, transport: str, reason: str) -> None:
        """Count a message or connection that a door turned away."""
        self._counters.rejected(transport, reason)

    def shed(self, reason: str, times: int = 1) -> None:
        """See ``Service``."""
        self._counters.shed[reason] = self._counters.shed.get(reason, 0) + times

    def site(self) -> Site:
        """The node's own site."""
        return self._state.site

    def prefixes(self) -> list[str]:
        """The prefixes whose identifiers live here."""
        return sorted(self._state.homes)

    def metrics(self, scope: str = "node") -> bytes | Awaitable[bytes] | None:
        """See ``Service``."""
        return self._scrape.page(scope)

    def health(self) -> dict[str, object]:
        """Who this is, that it answers, and who reports to it."""
        told: dict[str, object] = {
            "status": "ok",
            "node": self.name,
            "role": self._state.role,
            "records": self._state.store.count(),
        }
        children = self._family.children(self.clock.now()) if self._family else []
        if children:
            told["children"] = {child.name: child.told() for child in children}
        return told

    async def close(self) -> None:
        """Finish what is under way, and write down the figures."""
        await self._driver.close()
        await self._tally.close()

    def _faults_changed(self) -> None:
        """Where there are faults every request is looked at, so there are no ready answers."""
        self._writer.delay_s = self._faults.disk_s
        shut = bool(self._faults.rules)
        if shut:
            for ready in self._ready.values():
                ready.forget()
        if self._http_ready is not None:
            self._http_ready.shut(shut=shut)

    def _refused(self, request: Message, answer: Answer, client: Client, came: float) -> None:
        self.count(request, answer, client, came, "local")

    def _known_already(self, request: Message, pending: Pending, client: Client) -> Answer | None:
        """The answer that is given at once, though others would have to be asked for a better one:
        one that is good enough meanwhile, or that the client has asked for too many of these."""
        misses = self.admission.misses
        within = (
            misses is None
            or request.op_code != OpCode.RESOLVE
            or misses.take(client_of(client.host), self.clock.now())
        )
        if not within:
            self.shed("miss_budget")
            busy = ErrorAnswer("too many questions that are not in the cache")
            return pending.meanwhile or Answer(ResponseCode.SERVER_BUSY, busy)
        if pending.meanwhile is None or pending.patience_s:
            return None
        self._driver.begin(pending, _forget)
        return pending.meanwhile

    def _settled(
        self,
        request: Message,
        pending: Pending,
        client: Client,
        started: float,
        encode: Callable[[Answer, int], T],
        traced: Traced | None = None,
    ) -> asyncio.Future[T]:
        """What ``encode(answer, unix_now)`` makes of the answer to a request that takes several
        steps."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(self, request, client, started, encode, future, traced)
        if pending.meanwhile is not None:
            waiter.lose_patience(pending.patience_s, pending.meanwhile)
        self._driver.begin(pending, waiter.hear, traced)
        return future

    def count(
        self,
        request: Message,
        answer: Answer,
        client: Client,
        started: float,
        path: str,
        traced: Traced | None = None,
    ) -> None:
        """Count an answered request; ``started`` as ``time.perf_counter`` says."""
        seconds = time.perf_counter() - started
        trace = ""
        if traced is not None:
            trace = traced.parent.trace
            traced.answered(request, answer, client, path, seconds)
        self._counters.request(request.op_code, client.transport, answer.code, path, seconds)
        if self._access is not None:
            self._access.request(request, answer.code, client, path, seconds, trace)
        if request.op_code == OpCode.RESOLVE and isinstance(request.body, ResolveRequest):
            self._tally.count(request.body.handle, answer.code, forwarded=path == "forwarded")
        elif request.op_code in PROOFS:
            count_proof(self._counters, request, answer)
        if path == "forwarded" and request.op_code == OpCode.RESOLVE:
            assert isinstance(request.body, ResolveRequest)
            self._recent.resolved(request.body.handle, answer, seconds, trace)
        elif answer.code == ResponseCode.ERROR and isinstance(answer.body, ErrorAnswer):
            self._failures.note(answer.body.message or "error", self.clock.now())


@dataclass(slots=True)
class _Waiter(Generic[T]):
    """Whoever waits for the answer to a request that takes several steps."""

    service: NodeService
    request: Message
    client: Client
    started: float
    encode: Callable[[Answer, int], T]
    future: asyncio.Future[T]
    traced: Traced | None
    _patience: asyncio.TimerHandle | None = None
    _heard: bool = False

    def lose_patience(self, seconds: float, answer: Answer) -> None:
        """After so many seconds, ``answer`` will do."""
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(seconds, self.hear, answer)

    def hear(self, answer: Answer) -> None:
        """This is the answer; one that comes later is not."""
        if self._heard:
            return
        self._heard = True
        if self._patience is not None:
            self._patience.cancel()
        self.service.count(
            self.request, answer, self.client, self.started, "forwarded", self.traced
        )
        if not self.future.done():  # it is if who asked has left
            self.future.set_result(self.encode(answer, self.service.clock.unix()))


def _as_it_is(answer: Answer, _: int) -> Answer:
    return answer


def _forget(_: Answer) -> None:
    """Nobody waits."""
