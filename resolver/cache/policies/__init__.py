"""Eviction policies, one a file.

Rules: a policy decides which key leaves when the budget is full, and nothing else; it holds keys,
never values. To add one: a file here with a class that fits ``CachePolicy``, and its line in
``POLICIES``.
"""

from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeVar

from resolver.cache.policies.lru import LeastRecentlyUsed
from resolver.model.errors import ConfigError

K = TypeVar("K", bound=Hashable)


class CachePolicy(Protocol[K]):
    """The order in which keys leave a full cache."""

    def added(self, key: K) -> None:
        """``key`` is new in the cache."""

    def used(self, key: K) -> None:
        """``key``, which is in the cache, was asked for."""

    def removed(self, key: K) -> None:
        """``key`` left the cache, evicted or not."""

    def victim(self) -> K:
        """The key that should leave next; the cache is not empty."""

    def clear(self) -> None:
        """All keys left the cache."""


POLICIES: Final[dict[str, Callable[[], CachePolicy[Hashable]]]] = {
    "lru": LeastRecentlyUsed,
}


def make_policy(name: str) -> CachePolicy[Hashable]:
    """A new policy called ``name``.

    Raises:
        ConfigError: there is no such policy.
    """
    try:
        return POLICIES[name]()
    except KeyError:
        raise ConfigError(
            f"unknown cache policy {name!r}; known: {', '.join(sorted(POLICIES))}"
        ) from None
