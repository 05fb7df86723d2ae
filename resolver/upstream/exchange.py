"""One request to one site: which server, which transport, and whether the reply is to be believed
(docs/protocol.md §12.5).

Rules:
- The responsible server is chosen by the handle's hash. Its transports are tried in the order of
  preference until one brings a reply, beginning with the one that did last; all of them together
  have ``Ask.timeout``. When an answer is later than nearly all are, the next transport is asked
  too, and the first reply counts. How often a request goes out again is bounded (``Budget``).
- Which servers are asked at all, ``resolver.upstream.servers`` decides.
- A reply counts only if it has the operation, and for a record the handle, that was asked for.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout, WireError
from resolver.model.handle import fold
from resolver.model.site import Site
from resolver.resolution import Ask, Reply
from resolver.security import is_signed_by
from resolver.telemetry.counters import Counters
from resolver.upstream.health import Health
from resolver.upstream.peer import Sent
from resolver.upstream.servers import LOOPBACK, PEERS, PeerKind, Servers, Target, Way
from resolver.wire.bodies import RecordAnswer, ResolveRequest, VerifyRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import (
    LIFETIME_S,
    Message,
    digest_of,
    encode_message,
)
from resolver.wire.resolving import encode_question
from resolver.wire.traceparent import with_parent

Outcome = Reply | UpstreamError


class Upstream:
    """All the servers a node or a client asks."""

    def __init__(
        self,
        *,
        prefer: Sequence[str] = ("tcp", "udp", "http"),
        allowed: Sequence[IPv4Network | IPv6Network] = LOOPBACK,
        counters: Counters | None = None,
        peers: Mapping[str, PeerKind] = PEERS,
        names: Mapping[str, str] | None = None,
        secret: bytes = b"",
    ) -> None:
        """
        Args:
            prefer: transports in the order in which they are tried.
            allowed: networks whose servers may be asked.
            counters: where exchanges are counted.
            peers: what the names in ``prefer`` mean.
            names: of the servers of this network, by ``host:port``, for metrics.
            secret: what these know; only they are told which trace a request belongs to.
        """
        counters = counters or Counters()
        self._servers: Final = Servers(prefer, allowed, counters, peers, names or {}, secret)

    def ask(self, ask: Ask, heard: Callable[[Outcome], None]) -> Sent:
        """Ask the site of ``ask``; ``heard`` is told the reply, or why there is none: an
        UpstreamTimeout after ``ask.timeout`` seconds. Never before this returns."""
        loop = asyncio.get_running_loop()
        target = self._servers.target(ask.site.server_for(ask.handle))
        exchange = Exchange(self._servers, ask, target, heard, loop)
        trouble = self._servers.trouble(target, time.monotonic())
        if not trouble:
            exchange.begin()
        else:
            loop.call_soon(heard, UpstreamError(trouble))
        return exchange

    async def exchange(self, ask: Ask) -> Reply:
        """``ask`` for those who wait.

        Raises:
            UpstreamTimeout: nothing came in ``ask.timeout`` seconds.
            UpstreamError: the site cannot be reached, or its reply makes no sense.
        """
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def heard(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, UpstreamError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        sent = self.ask(ask, heard)
        try:
            return await future
        finally:
            sent.cancel()

    async def close(self) -> None:
        """Close all connections."""
        await self._servers.close()

    def expected_s(self, site: Site, handle: str) -> float:
        """Seconds until ``site`` answers about ``handle``, from what it took lately; 0 if nobody
        knows, infinite if its server is left alone."""
        target = self._servers.target(site.server_for(handle))
        return target.health.expected_s(time.monotonic())

    def healths(self) -> list[Health]:
        """How the servers do that were asked lately."""
        return self._servers.healths()


class Exchange:
    """A request to one server, by whichever of its transports."""

    __slots__ = (
        "_ask", "_heard", "_loop", "_next", "_octets", "_open", "_sent", "_servers", "_started",
        "_target", "_timer", "_troubles",
    )  # fmt: skip

    def __init__(
        self,
        servers: Servers,
        ask: Ask,
        target: Target,
        heard: Callable[[Outcome], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._servers: Final = servers
        self._ask: Final = ask
        self._target: Final = target
        self._heard: Final = heard
        self._loop: Final = loop
        self._octets = b""
        self._started = 0.0
        self._next = 0
        self._open = False
        self._sent: Final[list[Sent]] = []
        self._troubles: Final[list[str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Send the request."""
        servers, loop = self._servers, self._loop
        self._open = True
        self._octets = _encoded(self._ask)
        if self._ask.parent is not None and servers.is_ours(self._target):
            self._octets = with_parent(self._octets, self._ask.parent, servers.secret)
        self._started = time.monotonic()
        slow_after = self._target.health.slow_after_s
        if len(self._target.ways) > 1 and slow_after < self._ask.timeout:
            self._timer = loop.call_later(slow_after, self._hurry, slow_after)
        else:
            self._timer = loop.call_later(self._ask.timeout, self._late)
        self._target.health.in_flight += 1
        servers.budget.earn()
        self._send()

    def cancel(self) -> None:
        """See ``Sent``."""
        if self._open:
            self._target.health.abandoned()
            self._close("error")

    def _send(self) -> None:
        """Send the request by the next transport."""
        way = self._target.ways[self._next]
        self._next += 1
        self._sent.append(self._servers.peer(way).send(self._octets, partial(self._hear, way)))

    def _hear(self, way: Way, outcome: bytes | UpstreamError) -> None:
        if not self._open:
            return
        try:
            if isinstance(outcome, UpstreamError):
                raise outcome
            message = self._believed(outcome, way)
        except UpstreamError as error:
            self._failed(str(error))
            return
        now = time.monotonic()
        seconds = now - self._started
        self._target.health.answered(seconds, now)
        ways = self._target.ways
        if ways[0] is not way:
            ways.remove(way)
            ways.insert(0, way)
        self._close(message.response_code)
        self._heard(Reply(message, way.name, way.transport, seconds))

    def _failed(self, trouble: str) -> None:
        self._troubles.append(trouble)
        if self._next < len(self._target.ways) and self._servers.budget.spend():
            self._servers.counters.upstream_retried(self._target.health.label, "failed")
            self._send()
        elif len(self._troubles) == len(self._sent):
            self._target.health.failed(time.monotonic())
            self._close("error")
            self._heard(UpstreamError("; ".join(self._troubles)))

    def _hurry(self, after: float) -> None:
        """The answer is late, after so many seconds: ask by another transport too."""
        self._timer = self._loop.call_later(self._ask.timeout - after, self._late)
        if self._next < len(self._target.ways) and self._servers.budget.spend():
            self._servers.counters.upstream_retried(self._target.health.label, "late")
            self._send()

    def _late(self) -> None:
        self._target.health.failed(time.monotonic())
        self._close("timeout")
        address, timeout = self._target.server.address, self._ask.timeout
        self._heard(UpstreamTimeout(f"{address} did not answer within {timeout:.3g} s"))

    def _close(self, code: int | str) -> None:
        self._open = False
        self._target.health.in_flight -= 1
        if self._timer is not None:
            self._timer.cancel()
        if len(self._sent) > 1 or isinstance(code, str):
            for sent in self._sent:
                sent.cancel()
        # What was sent knows this exchange as the one to tell. Without this, memory would be free
        # only after a search for garbage, which held up a node for 100 ms of each second.
        self._sent.clear()
        seconds = time.monotonic() - self._started
        self._servers.counters.upstream_finished(self._target.health.label, code, seconds)

    def _believed(self, octets: bytes, way: Way) -> Message:
        """The reply, if it is one to this request.

        Raises:
            UpstreamError: it is not.
        """
        ask, peer = self._ask, way.name
        try:
            message = self._servers.decoded(octets, ask.handle)
        except WireError as error:
            raise UpstreamError(f"{peer} sent nonsense: {error}") from None
        code, body = message.response_code, message.body
        asked = _OPERATIONS[type(ask.request)]
        if not code or (message.op_code != asked and (code == _SUCCESS or message.op_code)):
            raise UpstreamError(f"{peer} answered another operation ({message.op_code})")
        if code != _SUCCESS:
            return message
        if isinstance(body, RecordAnswer) and not _is_same(body.handle, ask.handle):
            raise UpstreamError(f"{peer} answered about another handle")
        if ask.flags & OpFlag.CERT:
            if not is_signed_by(octets, message, self._target.server.public_key):
                raise UpstreamError(f"{peer} did not sign its reply with the key of its site")
            if message.digest != digest_of(self._octets, message.envelope.version):
                raise UpstreamError(f"{peer} signed the reply to another request")
        return message


_SUCCESS: Final = int(ResponseCode.SUCCESS)

_OPERATIONS: Final[dict[type, int]] = {
    ResolveRequest: int(OpCode.RESOLVE),
    VerifyRequest: int(OpCode.VERIFY_CHALLENGE),
}


def _is_same(one: str, other: str) -> bool:
    return one == other or fold(one) == fold(other)


def _encoded(ask: Ask) -> bytes:
    request, expiration = ask.request, int(time.time()) + LIFETIME_S
    if isinstance(request, ResolveRequest) and request.auth is None:
        return encode_question(
            request.handle,
            request.indexes,
            request.types,
            flags=ask.flags,
            recursion_count=ask.recursion_count,
            expiration=expiration,
        )
    return encode_message(
        Message(
            envelope=Envelope(),
            op_code=_OPERATIONS[type(request)],
            flags=ask.flags,
            recursion_count=ask.recursion_count,
            expiration=expiration,
            body=request,
        )
    )
