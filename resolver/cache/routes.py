"""The cache of routes: who answers for a prefix, and who for the prefixes below it.

Few, hot and decisive: an identifier is asked once in its life, its prefix all day. A route comes
from the record ``0.NA/<prefix>`` (RFC 3651 §3.2.2): HS_SITE says who holds the identifiers,
HS_SITE.PREFIX who holds the records of the sub-prefixes, HS_SERV and HS_SERV.PREFIX name a handle
that says so. After its life a route is *stale*: kept for those who cannot ask for a fresh one (RFC
8767), since who held the identifiers of a prefix yesterday nearly always holds them today.
"""

from dataclasses import dataclass, replace
from typing import Final

from resolver.cache.budget import BudgetCache, CacheStatistics
from resolver.cache.records import STALE_RETRY_S
from resolver.model.handle import ancestors, fold
from resolver.model.site import Site

_SITE_BYTES: Final = 500
_SERVER_BYTES: Final = 400
_INTERFACE_BYTES: Final = 200
"""What a decoded site and its parts take in memory, besides their texts and keys."""


@dataclass(frozen=True, slots=True)
class Route:
    """What the record of a prefix says about who to ask.

    Attributes:
        prefix: folded; empty for the root of the tree.
        sites: who holds the identifiers under the prefix.
        delegation: who holds the records of the prefixes below it.
        service: handle of a service that holds the identifiers (HS_SERV), or empty.
        delegation_service: the same for the prefixes below it (HS_SERV.PREFIX).
        exists: False when it is known that the prefix has no record.
        ttl: seconds the route lives.
        expires_at: in seconds of the caller's clock.
        stale_until: until when it is better than none, likewise.
    """

    prefix: str
    sites: tuple[Site, ...] = ()
    delegation: tuple[Site, ...] = ()
    service: str = ""
    delegation_service: str = ""
    exists: bool = True
    ttl: float = float("inf")
    expires_at: float = float("inf")
    stale_until: float = float("inf")

    @property
    def leads_down(self) -> bool:
        """Whether the route says who holds the records of the prefixes below."""
        return bool(self.delegation or self.delegation_service)

    @property
    def leads_anywhere(self) -> bool:
        """Whether the route says anything but that there is nothing."""
        return bool(self.sites or self.service or self.leads_down)


class RouteCache:
    """Prefix → ``Route``, and the hints a resolution starts from when nothing is cached."""

    def __init__(
        self,
        budget: int,
        *,
        ttl_cap_s: float,
        negative_ttl_s: float,
        hints: tuple[Route, ...] = (),
        policy: str = "lru",
        stale_s: float = 0.0,
    ) -> None:
        """
        Args:
            budget: bytes for all cached routes.
            ttl_cap_s: longest life of a route, whatever its values' TTL.
            negative_ttl_s: life of "there is no such prefix" and of a record that leads
                nowhere; 0 switches both off.
            hints: routes that never expire; the one with the empty prefix is the root.
            policy: eviction policy, see ``resolver.cache.policies``.
            stale_s: how long after its life a route may serve while nobody can be asked.
        """
        self._stale: Final = stale_s
        self._ttl_cap: Final = ttl_cap_s
        self._negative_ttl: Final = negative_ttl_s
        self._hints: Final = {fold(hint.prefix): hint for hint in hints}
        self._cache: Final[BudgetCache[Route]] = BudgetCache(budget, policy)

    def get(self, prefix: str, now: float) -> Route | None:
        """The cached route of exactly ``prefix``; hints do not count."""
        return self._fresh(fold(prefix), now)

    def stale(self, prefix: str, now: float) -> Route | None:
        """The cached route of exactly ``prefix`` if its life is over."""
        route = self._cache.get(fold(prefix), now)
        return route if route is not None and route.expires_at <= now else None

    def hold(self, stale: Route, now: float) -> Route:
        """Use a stale route for ``STALE_RETRY_S`` as if it were not, and return it so."""
        held = replace(stale, expires_at=min(now + STALE_RETRY_S, stale.stale_until))
        self._keep(held)
        return held

    def delegation_above(self, prefix: str, now: float) -> Route | None:
        """The nearest strict ancestor of ``prefix``, the root last, whose route leads down."""
        for ancestor in (*ancestors(fold(prefix)), ""):
            route = self._fresh(ancestor, now)
            if route is None or not route.leads_down:
                route = self._hints.get(ancestor)
            if route is not None and route.leads_down:
                return route
        return None

    def put(self, route: Route, now: float) -> Route:
        """Keep ``route`` for its own ttl within the cap, and return it as kept."""
        ttl = min(route.ttl, self._ttl_cap) if route.leads_anywhere else self._negative_ttl
        kept = Route(
            fold(route.prefix), route.sites, route.delegation, route.service,
            route.delegation_service, route.exists, ttl, now + ttl,
            now + ttl + (self._stale if route.leads_anywhere else 0.0),
        )  # fmt: skip
        if ttl > 0:
            self._keep(kept)
        return kept

    def known(self, now: float) -> list[Route]:
        """The routes that are cached, but for stale ones."""
        return [route for route in self._cache.values(now) if route.expires_at > now]

    def forget(self, prefix: str) -> None:
        """Forget what is cached of ``prefix``."""
        self._cache.discard(fold(prefix))

    def clear(self) -> None:
        """Forget everything but the hints."""
        self._cache.clear()

    def statistics(self) -> CacheStatistics:
        """What is in the cache now."""
        return self._cache.statistics()

    def _fresh(self, prefix: str, now: float) -> Route | None:
        route = self._cache.get(prefix, now)
        return route if route is not None and route.expires_at > now else None

    def _keep(self, route: Route) -> None:
        size = len(route.prefix) + sum(map(_size_of, {*route.sites, *route.delegation}))
        self._cache.put(route.prefix, route, size=size, expires_at=route.stale_until)


def _size_of(site: Site) -> int:
    """What ``site`` takes in memory, about."""
    texts = sum(len(name) + len(text) + 200 for name, text in site.attributes)
    return (
        _SITE_BYTES
        + texts
        + sum(
            _SERVER_BYTES + len(server.public_key) + _INTERFACE_BYTES * len(server.interfaces)
            for server in site.servers
        )
    )
