"""Global resolution: from an identifier to its values through the tree of nodes.

All the decisions are here and none of the I/O: a ``Resolution`` says whom to ask next, is told
what came back, and ends with an answer (docs/protocol.md §12). The client library and the
recursive node use the same object.

How it walks. The record ``0.NA/88.901`` says who holds the identifiers of the prefix 88.901
(HS_SITE) and who holds the records of the prefixes below it (HS_SITE.PREFIX). For
``88.901.1/x`` the walk starts at the nearest ancestor whose delegation is known and asks one
level at a time: 88 → 88.901 → 88.901.1 → the identifier. Asking level by level, instead of asking
everybody for the full name as the reference client does, gives every delegation its own cache
entry (the idea of QNAME minimisation, RFC 9156). Where a level has no record (prefixes may skip
levels) the same servers are asked for the next one.

Rules: at most ``max_asks`` requests and ``deadline_s`` seconds for one resolution, nested look-ups
at most ``max_depth`` deep; a referral is followed only for the name it was given for and never
twice to the same place. Of several sites the one that answers soonest is asked; each is asked
once to know. Where nobody can say what became of a route whose life is over, it is used for a
moment longer. Upstreams are asked without RECU: a node that recursed on our behalf could
close a loop that nobody counts.
"""

from collections.abc import Sequence
from math import inf
from typing import Final

from resolver.cache.routes import Route
from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.errors import UpstreamError
from resolver.model.handle import (
    canonical,
    described_prefix,
    fold,
    is_prefix_handle,
    parent_prefix,
    prefix_handle,
    prefix_of,
)
from resolver.model.site import Site
from resolver.resolution.knowledge import Nearness, Routes
from resolver.resolution.levels import check_prefix, one_level_below, stop
from resolver.resolution.process import Plan, Process, Stop
from resolver.resolution.question import Limits, Question
from resolver.resolution.routing import (
    DELEGATION_SERVICE_TYPE,
    ROUTE_TYPES,
    SERVICE_TYPE,
    SITE_TYPES,
    referral_sites,
    route_from_values,
    sites_in,
    text_of,
)
from resolver.resolution.steps import Ask, Reply
from resolver.resolution.trace import NOT_FOUND, REFERRALS, Trail
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, ReferralAnswer, ResolveRequest
from resolver.wire.message import Message

_TRY_NEXT_SITE: Final = frozenset(
    {
        ResponseCode.ERROR,
        ResponseCode.SERVER_BUSY,
        ResponseCode.SERVER_BACKUP,
        ResponseCode.NOT_RESPONSIBLE,
    }
)


NAMES_THE_HANDLE: Final = NOT_FOUND | {ResponseCode.INVALID_HANDLE}
"""Codes that say something of the handle that was asked for."""


class Resolution(Process):
    """One question on its way through the tree."""

    def __init__(
        self,
        question: Question,
        routes: Routes,
        limits: Limits | None = None,
        nearness: Nearness | None = None,
    ) -> None:
        super().__init__()
        self.question: Final = question
        self._routes: Final = routes
        self._limits: Final = limits or Limits()
        self._nearness: Final = nearness
        self._trail: Final = Trail()
        self._learnt: Final[set[str]] = set()
        self._asks = 0
        self._depth = 0

    def concluded(self, answer: Answer) -> Answer:
        """The answer with the way it took."""
        self._trail.unix_now = self.unix_now
        answer.hops = self._trail
        answer.seconds = self.now - self.started_at
        answer.recursion_count = self.question.recursion_count + 1
        return answer

    # The plan

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        question = self.question
        handle = canonical(question.handle)
        if is_prefix_handle(handle):
            prefix = described_prefix(handle)
            check_prefix(prefix)
            message = yield from self._ask_prefix(prefix, question.types, question.indexes)
        else:
            check_prefix(prefix_of(handle))
            message = yield from self._ask_holders(handle, question.types, question.indexes)
        return self._conclude(message)

    def _ask_holders(
        self, handle: str, types: tuple[str, ...], indexes: tuple[int, ...]
    ) -> Plan[Message]:
        """Ask whoever holds the identifiers of the handle's prefix."""
        prefix = fold(prefix_of(handle))
        cached = self._routes.get(prefix, self.now)
        if self.question.authoritative and self._routes.delegation_above(prefix, self.now):
            cached = None
        if cached is not None:
            sites = yield from self._sites_of(cached)
            try:
                return (yield from self._ask(sites, handle, types, indexes))
            except Stop:
                # The cached route may be out of date: look once more, and give up
                # only if it still says the same.
                fresh = yield from self._fetch_route(prefix)
                if fresh.sites == cached.sites and fresh.service == cached.service:
                    raise
        else:
            fresh = yield from self._fetch_route(prefix)
        sites = yield from self._sites_of(fresh)
        return (yield from self._ask(sites, handle, types, indexes))

    def _sites_of(self, route: Route) -> Plan[tuple[Site, ...]]:
        if not route.exists:
            raise stop(
                ResponseCode.HANDLE_NOT_FOUND, f"the prefix {route.prefix} is not registered"
            )
        if route.sites:
            return route.sites
        if route.service:
            return (yield from self._sites_of_service(route.service))
        raise stop(
            ResponseCode.HANDLE_NOT_FOUND,
            f"the prefix {route.prefix} has a record, but no site serves its handles",
        )

    def _holders_of_prefix_record(self, prefix: str) -> Plan[tuple[Site, ...]]:
        """The sites that hold ``0.NA/<prefix>``: walk down from the nearest known delegation."""
        prefix = fold(prefix)
        parent = parent_prefix(prefix)
        above = self._routes.delegation_above(prefix, self.now)
        if above is None:
            raise stop(ResponseCode.ERROR, f"nobody is known to ask about the prefix {prefix}")
        at = above.prefix
        sites = yield from self._delegation_of(above)
        while at != parent:
            at = one_level_below(at, prefix)
            route = self._routes.get(at, self.now)
            if route is None:
                message = yield from self._ask(sites, prefix_handle(at), ROUTE_TYPES, ())
                route = self._learn(at, message)
                self._trail.point_at(route.delegation)
            if route.leads_down:
                sites = yield from self._delegation_of(route)
        return sites

    def _delegation_of(self, route: Route) -> Plan[tuple[Site, ...]]:
        if route.delegation:
            return route.delegation
        return (yield from self._sites_of_service(route.delegation_service))

    def _fetch_route(self, prefix: str) -> Plan[Route]:
        stale = None if self.question.authoritative else self._routes.stale(prefix, self.now)
        try:
            message = yield from self._ask_prefix(prefix, ROUTE_TYPES, (), patient=stale is None)
        except Stop as end:
            if stale is None or end.answer.code in NAMES_THE_HANDLE:
                raise
            return self._routes.hold(stale, self.now)
        route = self._learn(prefix, message)
        self._trail.point_at(route.sites)
        return route

    def _ask_prefix(
        self,
        prefix: str,
        types: tuple[str, ...],
        indexes: tuple[int, ...],
        *,
        patient: bool = True,
    ) -> Plan[Message]:
        """Ask whoever holds the record of ``prefix``.

        The delegations that lead there may be out of date: if nobody answers, the nearest that was
        not learnt just now is forgotten, and the way looked for again from above it, if the one
        who asks is ``patient``.
        """
        while True:
            try:
                holders = yield from self._holders_of_prefix_record(prefix)
                return (yield from self._ask(holders, prefix_handle(prefix), types, indexes))
            except Stop:
                stale = self._routes.delegation_above(prefix, self.now)
                if (
                    stale is None
                    or not patient
                    or stale.expires_at == inf
                    or stale.prefix in self._learnt
                    or self._asks >= self._limits.max_asks
                    or self.now >= self.started_at + self._limits.deadline_s
                ):
                    raise
                self._routes.forget(stale.prefix)

    def _learn(self, prefix: str, message: Message) -> Route:
        """The route that the reply about ``0.NA/<prefix>`` tells, put into the route cache."""
        body = message.body
        if isinstance(body, RecordAnswer) and message.response_code == ResponseCode.SUCCESS:
            route = route_from_values(prefix, body.values, self.unix_now)
        elif message.response_code in NOT_FOUND:
            route = Route(prefix, exists=message.response_code == ResponseCode.VALUES_NOT_FOUND)
        else:
            raise Stop(self._conclude(message))
        self._learnt.add(fold(prefix))
        return self._routes.put(route, self.now)

    def _sites_of_service(self, service: str) -> Plan[tuple[Site, ...]]:
        """The sites that a service handle names (HS_SERV, response code 302)."""
        self._depth += 1
        if self._depth > self._limits.max_depth:
            raise stop(
                ResponseCode.RECURSION_TOO_HIGH,
                f"service handles lead from one to the next more than {self._limits.max_depth} "
                f"times, last to {service}",
            )
        try:
            if is_prefix_handle(service):
                check_prefix(described_prefix(service))
                holders = yield from self._holders_of_prefix_record(described_prefix(service))
                message = yield from self._ask(holders, service, SITE_TYPES, ())
            else:
                check_prefix(prefix_of(service))
                message = yield from self._ask_holders(service, SITE_TYPES, ())
        except Stop as end:
            if end.answer.code not in NAMES_THE_HANDLE:
                raise
            # It is the service that is not there, which says nothing about what was asked for.
            reason = getattr(end.answer.body, "message", "")
            raise stop(
                ResponseCode.ERROR, f"the service handle {service} is not found: {reason}"
            ) from None
        self._depth -= 1
        body = message.body
        sites = sites_in(body.values, SITE_TYPES) if isinstance(body, RecordAnswer) else ()
        if not sites:
            raise stop(ResponseCode.ERROR, f"the service handle {service} names no site")
        self._trail.point_at(sites)
        return sites

    # One request, to as many sites and along as many referrals as it takes

    def _ask(
        self,
        sites: tuple[Site, ...],
        handle: str,
        types: tuple[str, ...],
        indexes: tuple[int, ...],
    ) -> Plan[Message]:
        """The first usable reply of ``sites`` about ``handle``, referrals followed."""
        request = ResolveRequest(handle, indexes, types)
        asked: list[tuple[Site, ...]] = []
        while True:
            if sites in asked:
                raise stop(
                    ResponseCode.RECURSION_TOO_HIGH, f"the referrals for {handle} go in a circle"
                )
            message = yield from self._ask_sites(sites, request)
            if message.response_code not in REFERRALS:
                return message
            asked.append(sites)
            sites = yield from self._referred_sites(handle, message)
            self._trail.point_at(sites)

    def _ask_sites(self, sites: tuple[Site, ...], request: ResolveRequest) -> Plan[Message]:
        refused: Message | None = None
        troubles: list[str] = []
        for site in self._in_order(sites, request.handle):
            outcome = yield self._next_ask(site, request)
            assert isinstance(outcome, Reply | UpstreamError)
            self._trail.note(site, request, outcome)
            if isinstance(outcome, UpstreamError):
                troubles.append(str(outcome))
                continue
            if outcome.message.response_code not in _TRY_NEXT_SITE:
                return outcome.message
            refused = outcome.message
        if refused is not None:
            raise Stop(self._conclude(refused))
        raise stop(
            ResponseCode.ERROR,
            f"nobody answered for {request.handle}: {'; '.join(troubles) or 'it has no sites'}",
        )

    def _in_order(self, sites: tuple[Site, ...], handle: str) -> Sequence[Site]:
        """The sites in the order in which they are asked: who answers soonest, and for an
        authoritative answer, or if nobody is known to, the primary ones first."""
        if len(sites) == 1:
            return sites
        nearness = self._nearness
        if nearness is None or self.question.authoritative:
            return sorted(sites, key=lambda site: not site.is_primary)
        return sorted(sites, key=lambda site: (nearness(site, handle), not site.is_primary))

    def _next_ask(self, site: Site, request: ResolveRequest) -> Ask:
        limits, question = self._limits, self.question
        left = self.started_at + limits.deadline_s - self.now
        if left <= 0:
            raise stop(
                ResponseCode.ERROR,
                f"{question.handle} was not resolved within {limits.deadline_s:g} s",
            )
        self._asks += 1
        if self._asks > limits.max_asks:
            raise stop(
                ResponseCode.ERROR,
                f"{question.handle} was not resolved with {limits.max_asks} requests",
            )
        flags = OpFlag.PUBL if question.public_only else 0
        if question.authoritative:
            flags |= OpFlag.AUTH
        count = min(question.recursion_count + 1 + self._depth, 255)
        return Ask(site, request, flags, count, min(left, limits.ask_timeout_s))

    def _referred_sites(self, handle: str, message: Message) -> Plan[tuple[Site, ...]]:
        """Where a 302 or 303 points: to the sites it carries, or to those of its service handle."""
        body = message.body
        prefixes = message.response_code == ResponseCode.PREFIX_REFERRAL
        if prefixes and not is_prefix_handle(handle):
            raise stop(
                ResponseCode.ERROR, f"a prefix referral for {handle}, which is not a prefix handle"
            )
        if isinstance(body, ReferralAnswer):
            sites = referral_sites(message.response_code, body)
            if sites:
                return sites
            service = body.handle
            if not service and body.values is not None:
                service = text_of(
                    body.values, DELEGATION_SERVICE_TYPE if prefixes else SERVICE_TYPE
                )
            if service:
                return (yield from self._sites_of_service(service))
        raise stop(ResponseCode.ERROR, f"a referral for {handle} that leads nowhere")

    def _conclude(self, message: Message) -> Answer:
        """The answer that an upstream's last word comes to."""
        body = message.body
        authoritative = bool(message.flags & OpFlag.AUTH)
        code = message.response_code
        if isinstance(body, RecordAnswer) and code == ResponseCode.SUCCESS:
            return Answer(
                code,
                RecordAnswer(self.question.handle, body.values),
                authoritative=authoritative,
                ttl=body.values.lifetime(self.unix_now),
            )
        if code == ResponseCode.AUTHENTICATION_NEEDED:
            # The challenge belongs to the upstream; whoever asked us cannot answer it.
            return Answer(
                ResponseCode.UNABLE_TO_AUTHENTICATE,
                ErrorAnswer("the values need authentication at the node that holds them"),
                authoritative=authoritative,
            )
        text = body.message if isinstance(body, ErrorAnswer) else None
        return Answer(code, ErrorAnswer(text or ""), authoritative=authoritative)
