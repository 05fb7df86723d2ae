"""What the stages of one node share: who it is, what it holds, what it has cached."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from resolver.cache.budget import BudgetCache
from resolver.cache.entries import EntryTable
from resolver.cache.prefixes import PrefixNumbers
from resolver.cache.records import Lifetimes, RecordCache
from resolver.cache.routes import Route, RouteCache
from resolver.model.errors import StoreError
from resolver.model.handle import (
    ancestors,
    described_prefix,
    fold,
    is_prefix_handle,
    is_under,
    prefix_handle,
    prefix_of,
)
from resolver.model.site import Site
from resolver.model.value import Reference
from resolver.registry.homing import HERE, HOMES
from resolver.registry.permits import LIFETIME_S, Permits
from resolver.registry.quotas import Quotas
from resolver.resolution import Limits, Nearness, route_from_values
from resolver.security import ChallengeTable, SessionTable
from resolver.storage import NodeStore
from resolver.telemetry.counters import Counters
from resolver.wire.cursor import decode_text, encode_text
from resolver.wire.values import EMPTY, all_public

HEARTBEAT: Final = "0"
"""The handle that idle clients of the id-pointer SDK resolve to keep a connection alive."""

_HEARTBEAT: Final = HEARTBEAT.encode()
_FOREIGN_OCTETS: Final = 1 << 20
_OWN_OCTETS: Final = 1 << 20
_BODIES_OCTETS: Final = 1 << 20
_NA_OCTETS: Final = b"0.NA"


@dataclass(frozen=True, slots=True)
class Login:
    """A key that a client has proved to have, and until when that counts (unix seconds)."""

    user: Reference
    expires_at: int


@dataclass(slots=True)
class NodeState:
    """One node's identity, records and caches.

    Attributes:
        name: unique in the network.
        role: a name in ``resolver.roles``.
        site: the node's own HS_SITE.
        store: its records.
        homes: prefixes (folded) whose identifiers live here: those it was made with, and what
            its store remembers of those that came and went since.
        delegates: prefixes (folded) below which the prefix records live here: a node that
            delegates 88 holds 0.NA/88.901; the empty prefix stands for the root.
        recursion: whether it resolves foreign identifiers for clients that set RECU.
        always_recurse: whether it does so for those that do not set it too.
        max_daily_requests: resolutions of one client address in a day; 0 is no limit, here and
            in the next two.
        max_registrations: identifiers under one prefix.
        max_prefixes: records of prefixes.
        administrators: keys that may do everything here, whatever a record says.
        is_shared: whether other processes answer for this node too.
        nearness: how soon the sites of other nodes answer.
        random: gives so many octets that nobody can guess; for nonces, challenges, new names.
        challenges: those that wait for their answers.
        sessions: those that are open.
        permits: what was found out about the rights of users.
        foreign: records of other nodes that say who may do what here.
        own: records of the node's own as octets, those that were asked for lately.
        bodies: answers that are ready to go out over HTTP (``resolver.transport.http_ready``).
        logins: connection or session → what its client has proved.
        login_lifetime_s: seconds after which a client has to log in again.
    """

    name: str
    role: str
    site: Site
    store: NodeStore
    records: RecordCache
    routes: RouteCache
    homes: frozenset[str] = frozenset()
    delegates: frozenset[str] = frozenset()
    recursion: bool = False
    always_recurse: bool = False
    limits: Limits = field(default_factory=Limits)
    nearness: Nearness | None = None
    counters: Counters = field(default_factory=Counters)
    administrators: tuple[Reference, ...] = ()
    login_lifetime_s: int = 86_400
    max_daily_requests: int = 0
    max_registrations: int = 0
    max_prefixes: int = 0
    is_shared: bool = False
    quotas: Quotas = field(init=False)
    _seen_generation: int = field(init=False)
    _home_octets: frozenset[bytes] = field(init=False)
    random: Callable[[int], bytes] = secrets.token_bytes
    challenges: ChallengeTable = field(init=False)
    sessions: SessionTable = field(init=False)
    permits: Permits = field(default_factory=Permits)
    foreign: RecordCache = field(
        default_factory=lambda: RecordCache(
            _FOREIGN_OCTETS, Lifetimes(ttl_cap_s=LIFETIME_S, negative_ttl_s=0)
        )
    )
    own: EntryTable = field(default_factory=lambda: EntryTable(_OWN_OCTETS, "lru"))
    bodies: BudgetCache[Any] = field(default_factory=lambda: BudgetCache(_BODIES_OCTETS))
    logins: WeakKeyDictionary[object, Login] = field(default_factory=WeakKeyDictionary)

    def __post_init__(self) -> None:
        self.challenges = ChallengeTable(self.random)
        self.sessions = SessionTable(self.random)
        self.quotas = Quotas(
            self.store, registrations=self.max_registrations, prefixes=self.max_prefixes
        )
        self._seen_generation = self.store.generation()
        self._settle(self._homes_now(self.homes))

    @property
    def prefixes(self) -> PrefixNumbers:
        """Small numbers for prefixes, by which resolutions are counted."""
        return self.records.prefixes

    def refresh(self) -> None:
        """Forget what is remembered of the node's own records if any has changed since, whichever
        process did it; to be called before a request is looked at."""
        generation = self.store.generation()
        if generation == self._seen_generation:
            return
        self._seen_generation = generation
        self.own.clear()
        homes = self._homes_now(self.homes) if self.is_shared else self.homes
        if homes != self.homes:
            self._moved(homes)

    def adopt(self, prefix: str, lives_here: bool) -> None:
        """From now on identifiers under ``prefix`` live here, or do not; the store knows."""
        prefix = fold(prefix)
        self._moved(self.homes | {prefix} if lives_here else self.homes - {prefix})

    def _homes_now(self, homes: frozenset[str]) -> frozenset[str]:
        """``homes``, and what the store remembers of those that came and went."""
        moved = self.store.documents(HOMES)
        here = {prefix for prefix, document in moved.items() if document == HERE}
        return (homes | here) - (moved.keys() - here)

    def _settle(self, homes: frozenset[str]) -> None:
        self.homes = homes
        self._home_octets = frozenset(map(encode_text, homes))
        for prefix in homes:  # what is not found there counts there from the first time on
            self.prefixes.number(f"{prefix}/")

    def _moved(self, homes: frozenset[str]) -> None:
        self._settle(homes)
        # What is known under the prefix is known of the wrong node from now on.
        self.own.clear()
        self.records.clear()

    def log_in(self, connection: object, unix_now: int, user: Reference) -> None:
        """The client of ``connection`` has proved to be ``user``."""
        self.logins[connection] = Login(user, unix_now + self.login_lifetime_s)

    def user_of(self, connection: object | None, unix_now: int) -> Reference | None:
        """The key that the client of ``connection`` has logged in with, not too long ago."""
        login = None if connection is None else self.logins.get(connection)
        return None if login is None or unix_now > login.expires_at else login.user

    def holds(self, handle: str) -> bool:
        """Whether this node is the one to say what ``handle`` is, or that it does not exist."""
        if is_prefix_handle(handle):
            return self.holds_prefix_record(fold(described_prefix(handle)))
        return fold(prefix_of(handle)) in self.homes

    def public_record(self, folded: bytes) -> bytes | None:
        """The encoded values of a record held here, by the octets of its folded handle, if there
        are some and everybody may read all of them; None also where requests are answered without
        a look at records, and if the store cannot say."""
        prefix, slash, _ = folded.partition(b"/")
        if not slash or prefix == _NA_OCTETS:
            if folded == _HEARTBEAT:
                return None
            folded = folded if slash else _NA_OCTETS + b"/" + folded
            if not self.holds_prefix_record(decode_text(folded[len(_NA_OCTETS) + 1 :])):
                return None
        elif prefix not in self._home_octets:
            return None
        try:
            octets = self.store.find(folded)
        except StoreError:
            return None
        if octets is None or octets == EMPTY.octets or not all_public(octets):
            return None
        return octets

    def delegated(self, handle: str) -> bool:
        """Whether the record of this prefix lives further down: below a prefix whose record, held
        here, delegates what is below it."""
        if not is_prefix_handle(handle):
            return False
        for ancestor in ancestors(fold(described_prefix(handle))):
            if not self.holds_prefix_record(ancestor):
                return False
            values = self.store.get(prefix_handle(ancestor))
            if values is not None and route_from_values(ancestor, values.public(), 0).leads_down:
                return True
        return False

    def holds_prefix_record(self, prefix: str) -> bool:
        """Whether the record of ``prefix`` (folded) would live here."""
        if not self.delegates:
            return False
        return any(is_under(prefix, zone) for zone in self.delegates)


class NodeRoutes:
    """The routes a node's resolutions use: first what its own records say, then the cache.

    A node must not ask the network about a delegation it holds itself.
    """

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def get(self, prefix: str, now: float) -> Route | None:
        """The route of exactly ``prefix``, from the node's own record of it or from the cache."""
        prefix = fold(prefix)
        if self._state.holds_prefix_record(prefix):
            own = self._own(prefix)
            if own is not None:
                return own
            if self._own_delegation(prefix) is None:
                return Route(prefix, exists=False)
        route = self._state.routes.get(prefix, now)
        self._state.counters.cache_lookup("route", "miss" if route is None else "hit")
        return route

    def delegation_above(self, prefix: str, now: float) -> Route | None:
        """The nearest strict ancestor whose route leads down."""
        own = self._own_delegation(fold(prefix))
        known = self._state.routes.delegation_above(prefix, now)
        if own is None or known is None:
            return own or known
        return max(own, known, key=lambda route: len(route.prefix))

    def put(self, route: Route, now: float) -> Route:
        """Keep ``route`` in the cache."""
        return self._state.routes.put(route, now)

    def stale(self, prefix: str, now: float) -> Route | None:
        """The route that ``prefix`` had."""
        return self._state.routes.stale(prefix, now)

    def hold(self, stale: Route, now: float) -> Route:
        """Use a stale route for a moment."""
        self._state.counters.cache_lookup("route", "stale")
        return self._state.routes.hold(stale, now)

    def forget(self, prefix: str) -> None:
        """Forget what is cached of ``prefix``; the node's own records stay."""
        self._state.routes.forget(prefix)

    def _own_delegation(self, prefix: str) -> Route | None:
        for ancestor in ancestors(prefix):
            if self._state.holds_prefix_record(ancestor):
                route = self._own(ancestor)
                if route is not None and route.leads_down:
                    return route
        return None

    def _own(self, prefix: str) -> Route | None:
        values = self._state.store.get(prefix_handle(prefix))
        # A route made from our own record is made anew each time, so its TTL plays no part.
        return None if values is None else route_from_values(prefix, values.public(), 0)
