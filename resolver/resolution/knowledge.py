"""What a resolution knows when it begins: routes to prefixes, and how soon sites answer."""

from collections.abc import Callable
from typing import Protocol

from resolver.cache.routes import Route
from resolver.model.site import Site

Nearness = Callable[[Site, str], float]
"""Seconds until a site answers about a handle: 0 if nobody knows, infinite if it does not."""


class Routes(Protocol):
    """Where a resolution finds and leaves what it learns about prefixes."""

    def get(self, prefix: str, now: float) -> Route | None:
        """The known route of exactly ``prefix``."""

    def delegation_above(self, prefix: str, now: float) -> Route | None:
        """The nearest strict ancestor whose route leads down."""

    def put(self, route: Route, now: float) -> Route:
        """Keep ``route``, and return it as kept."""

    def stale(self, prefix: str, now: float) -> Route | None:
        """The route that ``prefix`` had, if nobody knows whether it still has it."""

    def hold(self, stale: Route, now: float) -> Route:
        """Take a stale route for a fresh one for a moment."""

    def forget(self, prefix: str) -> None:
        """Keep what is known of ``prefix`` no longer."""
