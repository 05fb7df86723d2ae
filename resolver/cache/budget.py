"""A mapping with a lifetime per entry and a budget in bytes.

Rules: time is an argument; the eviction order is the policy's; an entry that alone is larger than
the budget is not kept. Expired entries are dropped when they are met, or when they are evicted.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from resolver.cache.policies import CachePolicy, make_policy

V = TypeVar("V")

ENTRY_OVERHEAD: Final = 320
"""Bytes an entry costs besides its content: dict slots, key, tuple and policy node (CPython 3.11,
measured over a million short keys)."""


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """A snapshot of one cache: entries, bytes counted against the budget, evictions since start."""

    entries: int
    bytes: int
    budget: int
    evictions: int


class BudgetCache(Generic[V]):
    """Values by key, each with the moment it expires and the bytes it counts for."""

    def __init__(self, budget: int, policy: str = "lru") -> None:
        """
        Args:
            budget: bytes; content and ENTRY_OVERHEAD of all entries together stay below it.
            policy: a name in ``resolver.cache.policies``.
        """
        self._budget: Final = budget
        self._policy: Final[CachePolicy[Hashable]] = make_policy(policy)
        self._entries: Final[dict[Hashable, tuple[V, float, int]]] = {}
        self._bytes = 0
        self._evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, now: float) -> V | None:
        """The value of ``key`` if there is one that has not expired at ``now`` (seconds)."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now:
            self.discard(key)
            return None
        self._policy.used(key)
        return entry[0]

    def put(self, key: Hashable, value: V, *, size: int, expires_at: float) -> None:
        """Keep ``value`` of ``size`` bytes until ``expires_at``, evicting others where needed."""
        self.discard(key)
        cost = size + ENTRY_OVERHEAD
        if cost > self._budget:
            return
        while self._bytes + cost > self._budget:
            self.discard(self._policy.victim())
            self._evictions += 1
        self._entries[key] = (value, expires_at, cost)
        self._policy.added(key)
        self._bytes += cost

    def values(self, now: float) -> list[V]:
        """The values that have not expired at ``now``."""
        return [value for value, expires_at, _ in self._entries.values() if expires_at > now]

    def discard(self, key: Hashable) -> None:
        """Drop ``key`` if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[2]
            self._policy.removed(key)

    def clear(self) -> None:
        """Drop everything."""
        for key in list(self._entries):
            self.discard(key)

    def statistics(self) -> CacheStatistics:
        """What is in the cache now."""
        return CacheStatistics(len(self._entries), self._bytes, self._budget, self._evictions)
