"""The client: one object for many resolutions, at a server or by walking the tree.

With a ``server`` every question goes there, with RECU unless told otherwise (what clients of the
field do, docs/protocol.md §12). With ``hints`` the client walks from prefix to prefix itself, with
the resolution and the upstream connections that the recursive node uses, and keeps the routes it
learns. Connections stay open until the client is closed.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain, islice
from types import TracebackType
from typing import Final, Self, TypedDict, Unpack

from resolver.cache import Route, RouteCache
from resolver.client.address import site_at
from resolver.client.batch import BatchPeer, NoBatchesError
from resolver.client.errors import AliasLoop, error_for
from resolver.client.record import Record
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import (
    ConfigError,
    ResolverError,
    UpstreamError,
    UpstreamTimeout,
    WireError,
)
from resolver.model.handle import fold
from resolver.model.site import Protocol, Site
from resolver.resolution import Ask, Limits, Question, Resolution
from resolver.resolution.routing import referral_sites
from resolver.resolution.trace import hop_of, leading_to
from resolver.upstream.driving import drive, no_commit
from resolver.upstream.exchange import Upstream
from resolver.upstream.servers import PEERS, PeerKind
from resolver.upstream.udp import UdpPeer
from resolver.wire.answer import Answer, Hop
from resolver.wire.batch import MAX_HANDLES
from resolver.wire.bodies import (
    ErrorAnswer,
    HandleRequest,
    RecordAnswer,
    ReferralAnswer,
    ResolveRequest,
    SiteAnswer,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import LIFETIME_S, Message, decode_message, encode_message
from resolver.wire.typed import decode_site
from resolver.wire.values import ValueList

DEFAULT_SERVER: Final = "127.0.0.1:3641"
"""Where the recursive node of a default network listens."""

MAX_ALIASES: Final = 10
ANYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))

_ALIAS_TYPE: Final = "HS_ALIAS"
_ANY_HANDLE: Final = "/"
_ROUTES_BYTES: Final = 4 << 20
_ROUTES_TTL_S: Final = 3600.0
_ROUTES_NEGATIVE_TTL_S: Final = 10.0


class Options(TypedDict, total=False):
    """What can be said about a question.

    Attributes:
        types: of the values wanted; all without types and indexes.
        indexes: of the values wanted, besides those of ``types``.
        authoritative: ask primaries, and bypass caches (AUTH).
        recursive: let the server ask others (RECU); without it, it may refer.
        follow_alias: go on with the name that an HS_ALIAS value gives.
    """

    types: tuple[str, ...]
    indexes: tuple[int, ...]
    authoritative: bool
    recursive: bool
    follow_alias: bool


_AS_IN_BATCHES: Final[Options] = {"authoritative": False, "recursive": True, "follow_alias": False}


_PATIENT_PEERS: Final[Mapping[str, PeerKind]] = {
    **PEERS,
    "udp": (Protocol.UDP, partial(UdpPeer, retransmit_s=(0.5, 1.0, 1.5, 2.0))),
}
"""A client that asks over UDP has nothing else to turn to, and a node may take its deadline."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of many resolutions: either a record or an error."""

    handle: str
    record: Record | None = None
    error: ResolverError | None = None


class Client:
    """Resolves identifiers; an async context manager that closes its connections."""

    def __init__(
        self,
        server: str | None = None,
        *,
        transport: str = "tcp",
        hints: Mapping[str, str | Site] | None = None,
        timeout: float = 5.0,
        allowed: Sequence[IPv4Network | IPv6Network] = ANYWHERE,
    ) -> None:
        """
        Args:
            server: ``HOST:PORT`` to send every question to; DEFAULT_SERVER without ``hints``.
            transport: ``udp``, ``tcp`` or ``http``, for ``server`` and for hints given as text;
                sites found on the way are asked over what they offer.
            hints: prefix → where the records of the prefixes below it are, to start walking from;
                the empty prefix is the root of the tree.
            timeout: seconds for one resolution.
            allowed: networks whose servers may be asked; on a walk, the sites to ask next are
                named by others.
        """
        if server is not None and hints is not None:
            raise ConfigError("a client has either a server or hints, not both")
        self.transport: Final = transport
        self.timeout: Final = timeout
        self.server: Final = None if hints is not None else server or DEFAULT_SERVER
        self._hints: Final = dict(hints or {})
        self.allowed: Final = tuple(allowed)
        self._upstream: Final = Upstream(allowed=allowed, peers=_PATIENT_PEERS)
        self._batches: BatchPeer | None = None
        self._site: Site | None = None
        self._routes: RouteCache | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        if self._batches is not None:
            await self._batches.close()
        await self._upstream.close()

    async def resolve(
        self,
        handle: str,
        *,
        types: tuple[str, ...] = (),
        indexes: tuple[int, ...] = (),
        authoritative: bool = False,
        recursive: bool = True,
        follow_alias: bool = False,
    ) -> Record:
        """The record of ``handle``, or those of its values that ``types`` and ``indexes`` select.

        Raises:
            NotFound: there is no such handle, or none of the values.
            Referred, Refused: the server answers with another code.
            AliasLoop: more than 10 aliases, or a circle of them.
            UpstreamError: nobody answers.
        """
        question = Question(handle, indexes, types, authoritative=authoritative)
        if follow_alias and (types or indexes):
            question = replace(question, types=(*types, _ALIAS_TYPE))
        passed: list[str] = []
        hops: tuple[Hop, ...] = ()
        seconds = 0.0
        while True:
            answer = await self._answer(question, recursive=recursive)
            hops, seconds = (*hops, *answer.hops), seconds + answer.seconds
            record = _record(question.handle, replace(answer, hops=hops, seconds=seconds))
            alias = record.first(_ALIAS_TYPE) if follow_alias else None
            if alias is None:
                return replace(record, aliases=tuple(passed))
            passed.append(question.handle)
            question = replace(question, handle=alias.text)
            if fold(alias.text) in map(fold, passed) or len(passed) > MAX_ALIASES:
                trail = " → ".join((*passed, alias.text))
                raise AliasLoop(
                    handle, record.code, f"its aliases lead on and on: {trail}",
                    server=record.server, hops=hops,
                )  # fmt: skip

    async def resolve_many(
        self, handles: Iterable[str], *, concurrency: int = 32, **options: Unpack[Options]
    ) -> AsyncIterator[Outcome]:
        """The outcomes of ``handles`` in their order, at most ``concurrency`` under way at once.

        A handle that cannot be resolved is an outcome with an error, and does not end the rest.
        Over HTTP up to 10,000 go to the server in one request, if it takes such requests (ours do)
        and no options but ``types`` and ``indexes`` are given; their records tell of no hops.

        Raises:
            ValueError: ``concurrency`` is less than 1.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}, at least 1 is needed")
        rest = iter(handles)
        if self.transport == "http" and self.server is not None and _fit_a_batch(options):
            while batch := list(islice(rest, MAX_HANDLES)):
                try:
                    async with aclosing(self._batch(batch, options)) as outcomes:
                        async for outcome in outcomes:
                            yield outcome
                except NoBatchesError:
                    rest = chain(batch, rest)
                    break
        running: deque[asyncio.Task[Outcome]] = deque()
        try:
            for handle in rest:
                if len(running) >= concurrency:
                    yield await running.popleft()
                running.append(asyncio.create_task(self._outcome(handle, options)))
            while running:
                yield await running.popleft()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def get_site(self) -> Site:
        """The server's own site (operation 2).

        Raises:
            ConfigError: the client has hints and no server.
            Refused: the server does not tell it.
            UpstreamError: it does not answer, or with something else.
        """
        site = await self._server_site()
        server = site.servers[0]
        protocol, connect = PEERS[self.transport]
        peer = connect(str(server.address), server.port(protocol) or 0)
        request = Message(
            envelope=Envelope(),
            op_code=OpCode.GET_SITE,
            flags=OpFlag.PUBL | OpFlag.CACR,
            expiration=int(time.time()) + LIFETIME_S,
            body=HandleRequest(_ANY_HANDLE),
        )
        try:
            async with asyncio.timeout(self.timeout):
                reply = decode_message(await peer.ask(encode_message(request)))
            body = reply.body
            if isinstance(body, SiteAnswer):
                return decode_site(body.octets)
        except TimeoutError:
            raise UpstreamTimeout(
                f"{self.server} did not answer within {self.timeout:g} s"
            ) from None
        except WireError as error:
            raise UpstreamError(f"{self.server} sent nonsense: {error}") from None
        finally:
            await peer.close()
        text = body.message if isinstance(body, ErrorAnswer) else None
        raise error_for(_ANY_HANDLE, reply.response_code, text or "", server=self.server or "")

    async def _outcome(self, handle: str, options: Options) -> Outcome:
        try:
            return Outcome(handle, record=await self.resolve(handle, **options))
        except ResolverError as error:
            return Outcome(handle, error=error)

    async def _batch(
        self, handles: Sequence[str], options: Options
    ) -> AsyncGenerator[Outcome, None]:
        """The outcomes of handles that are resolved in one request.

        Raises:
            NoBatchesError: the server does not take such requests.
        """
        server = (await self._server_site()).servers[0]
        if not any(server.address in network for network in self.allowed):
            raise NoBatchesError(f"{server.address} may not be asked")
        if self._batches is None:
            port = server.port(Protocol.HTTP) or 0
            self._batches = BatchPeer(str(server.address), port, self.timeout)
        started, settled = time.perf_counter(), 0
        types, indexes = options.get("types", ()), options.get("indexes", ())
        try:
            async with aclosing(self._batches.ask(handles, types, indexes)) as answers:
                async for code, found in answers:
                    outcome = self._outcome_of(handles[settled], code, found, started)
                    settled += 1
                    yield outcome
        except NoBatchesError:
            raise
        except UpstreamError as error:
            for handle in handles[settled:]:
                yield Outcome(handle, error=error)

    def _outcome_of(
        self, handle: str, code: int, found: ValueList | str, started: float
    ) -> Outcome:
        """What one item of a batch comes to; ``started`` as ``time.perf_counter`` says."""
        server = self.server or ""
        if code == ResponseCode.SUCCESS and isinstance(found, ValueList):
            ttl, seconds = found.lifetime(int(time.time())), time.perf_counter() - started
            return Outcome(handle, Record(handle, found, ttl, code, server, seconds=seconds))
        text = found if isinstance(found, str) else ""
        return Outcome(handle, error=error_for(handle, code, text, server=server))

    async def _answer(self, question: Question, *, recursive: bool) -> Answer:
        if self.server is None:
            return await self._walk(question)
        return await self._ask(question, recursive=recursive)

    async def _ask(self, question: Question, *, recursive: bool) -> Answer:
        """What the server says to ``question``."""
        flags = OpFlag.PUBL | OpFlag.CACR
        flags |= OpFlag.RECU if recursive else 0
        flags |= OpFlag.AUTH if question.authoritative else 0
        request = ResolveRequest(question.handle, question.indexes, question.types)
        site = await self._server_site()
        reply = await self._upstream.exchange(Ask(site, request, flags, 0, self.timeout))
        message, unix_now = reply.message, int(time.time())
        body = message.body
        hop = hop_of(site, request, reply, unix_now)
        if isinstance(body, ReferralAnswer):
            sites = referral_sites(message.response_code, body)
            hop = leading_to(hop, sites) if sites else replace(hop, target=body.handle)
        return Answer(
            message.response_code,
            body,
            authoritative=bool(message.flags & OpFlag.AUTH),
            ttl=body.values.lifetime(unix_now) if isinstance(body, RecordAnswer) else None,
            hops=(hop,),
            seconds=reply.seconds,
        )

    async def _walk(self, question: Question) -> Answer:
        """What the tree says to ``question``, asked from here."""
        limits = Limits(deadline_s=self.timeout)
        routes = await self._known_routes()
        resolution = Resolution(question, routes, limits, self._upstream.expected_s)
        return await drive(
            resolution,
            self._upstream.exchange,
            no_commit,
            now=time.monotonic,
            unix_now=lambda: int(time.time()),
        )

    async def _server_site(self) -> Site:
        if self.server is None:
            raise ConfigError("this client walks the tree and has no server")
        if self._site is None:
            self._site = await site_at(self.server, self.transport)
        return self._site

    async def _known_routes(self) -> RouteCache:
        if self._routes is None:
            routes = []
            for prefix, where in self._hints.items():
                site = where if isinstance(where, Site) else await site_at(where, self.transport)
                routes.append(Route(fold(prefix), delegation=(site,)))
            self._routes = RouteCache(
                _ROUTES_BYTES,
                ttl_cap_s=_ROUTES_TTL_S,
                negative_ttl_s=_ROUTES_NEGATIVE_TTL_S,
                hints=tuple(routes),
            )
        return self._routes


def _fit_a_batch(options: Options) -> bool:
    """Whether many identifiers in one request are resolved with these options."""
    return {**_AS_IN_BATCHES, **options}.items() >= _AS_IN_BATCHES.items()


def _record(handle: str, answer: Answer) -> Record:
    """The record that ``answer`` holds; raises what else it comes to."""
    body, hops = answer.body, tuple(answer.hops)
    server = hops[-1].address if hops else ""
    if answer.code == ResponseCode.SUCCESS and isinstance(body, RecordAnswer):
        return Record(
            handle, body.values, answer.ttl or 0, answer.code, server,
            answer.authoritative, hops, answer.seconds,
        )  # fmt: skip
    text = body.message if isinstance(body, ErrorAnswer) else ""
    raise error_for(handle, answer.code, text or "", server=server, hops=hops)
