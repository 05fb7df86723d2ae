"""The cache of leaves: what an identifier resolved to, found or not.

Rules: one entry per identifier holds its whole public record, and any selection of types and
indexes is made from it; so a second question about another value of the same identifier is a hit.
A positive answer lives as long as its shortest-lived value but never longer than the cap; a
negative one (response codes 100 and 200) for a fixed short time (the idea of RFC 2308).
"""

from dataclasses import dataclass
from typing import Final

from resolver.cache.budget import BudgetCache, CacheStatistics
from resolver.model.codes import ResponseCode
from resolver.model.handle import fold
from resolver.wire.values import ValueList

NEGATIVE_CODES: Final = frozenset({ResponseCode.HANDLE_NOT_FOUND, ResponseCode.VALUES_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """The public values of an identifier, or the code that says there are none.

    Attributes:
        code: SUCCESS, HANDLE_NOT_FOUND or VALUES_NOT_FOUND.
        values: the public values; None unless SUCCESS.
        message: the upstream's explanation of a negative code, for a person.
        expires_at: in seconds of the caller's clock.
    """

    code: int
    values: ValueList | None
    message: str
    expires_at: float


class RecordCache:
    """Identifier → ``CachedRecord``."""

    def __init__(
        self, budget: int, *, ttl_cap_s: float, negative_ttl_s: float, policy: str = "lru"
    ) -> None:
        """
        Args:
            budget: bytes for all entries.
            ttl_cap_s: longest life of a positive answer, whatever its values' TTL.
            negative_ttl_s: life of a negative answer; 0 switches negative caching off.
            policy: eviction policy, see ``resolver.cache.policies``.
        """
        self._ttl_cap: Final = ttl_cap_s
        self._negative_ttl: Final = negative_ttl_s
        self._cache: Final[BudgetCache[CachedRecord]] = BudgetCache(budget, policy)

    def get(self, handle: str, now: float) -> CachedRecord | None:
        """What is known about ``handle``, in any ASCII case, at ``now``."""
        return self._cache.get(fold(handle), now)

    def put_values(self, handle: str, values: ValueList, *, now: float, unix_now: int) -> None:
        """Keep the public record of ``handle``; values without a lifetime left are not kept."""
        # A record without public values may get some soon, as one that does not exist.
        longest = self._ttl_cap if len(values) else self._negative_ttl
        ttl = min(values.lifetime(unix_now), longest)
        if ttl > 0:
            self._put(handle, CachedRecord(ResponseCode.SUCCESS, values, "", now + ttl))

    def put_negative(self, handle: str, code: int, message: str, *, now: float) -> None:
        """Keep that ``handle`` has no record (100) or no public value (200)."""
        if self._negative_ttl > 0 and code in NEGATIVE_CODES:
            self._put(handle, CachedRecord(code, None, message, now + self._negative_ttl))

    def clear(self) -> None:
        """Forget everything."""
        self._cache.clear()

    def statistics(self) -> CacheStatistics:
        """What is in the cache now."""
        return self._cache.statistics()

    def _put(self, handle: str, record: CachedRecord) -> None:
        key = fold(handle)
        content = len(record.values.octets) if record.values is not None else len(record.message)
        self._cache.put(key, record, size=len(key) + content, expires_at=record.expires_at)
