"""Eviction policies, one a file.

Rules: a policy decides which key leaves when the budget is full, and nothing else; it holds keys,
never values. A key that left and comes back is a new one. ``used`` runs for every answer from the
cache, so it does next to nothing; the work is done when a key is added or must leave. Decisions do
not depend on the order of sets, nor on Python's random seed of hashes. To add one: a file here with
a class that fits ``CachePolicy``, and its line in ``POLICIES``; the tests in ``tests/cache`` run
over it, and ``python -m bench.cachelab`` compares it.
"""

from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeVar

from resolver.cache.policies.lru import LeastRecentlyUsed
from resolver.cache.policies.s3fifo import S3Fifo
from resolver.cache.policies.sieve import Sieve
from resolver.cache.policies.sieve10 import Sieve10
from resolver.cache.policies.ttl import AddedFirst
from resolver.model.errors import ConfigError

K = TypeVar("K", bound=Hashable)

Identity = Callable[[Any], Hashable]
"""What a key has in common with the one that comes back in its place, after it left."""


def itself(key: Hashable) -> Hashable:
    """The identity of a key that comes back as it was."""
    return key


class CachePolicy(Protocol[K]):
    """The order in which keys leave a full cache.

    What ``victim`` names is ``removed`` when it leaves, as every key that leaves. For one entry the
    caller passes the same object to all methods, not one that is only equal: a policy may keep what
    it is given in more than one place, and two equal keys take the memory of two.
    """

    def added(self, key: K) -> None:
        """``key``, which is not None, is new in the cache."""

    def used(self, key: K) -> None:
        """``key``, which is in the cache, was asked for."""

    def removed(self, key: K) -> None:
        """``key`` left the cache, evicted or not."""

    def victim(self) -> K:
        """The key that should leave next; the cache is not empty."""

    def clear(self) -> None:
        """All keys left the cache."""


POLICIES: Final[dict[str, Callable[[Identity], CachePolicy[Hashable]]]] = {
    "lru": lambda identity: LeastRecentlyUsed(),
    "s3fifo": S3Fifo,
    "sieve": lambda identity: Sieve(),
    "sieve10": lambda identity: Sieve10(),
    "ttl": lambda identity: AddedFirst(),
}


def make_policy(name: str, identity: Identity = itself) -> CachePolicy[Hashable]:
    """A new policy called ``name``.

    Args:
        identity: for a cache whose keys do not come back as they were; a policy may remember keys
            that left.

    Raises:
        ConfigError: there is no such policy.
    """
    try:
        return POLICIES[name](identity)
    except KeyError:
        raise ConfigError(
            f"unknown cache policy {name!r}; known: {', '.join(sorted(POLICIES))}"
        ) from None
