"""The cache of leaves: what an identifier resolved to, found or not, or why that could not be told.

Rules: one entry per identifier holds its whole public record, and any selection of types and
indexes is made from it; so a second question about another value of the same identifier is a hit.

- A positive answer lives as long as its shortest-lived value but never longer than the cap. With
  prefetching it is *due* in the last tenth of that life: whoever asks then gets it, and should see
  to it that it is looked for anew. The moment differs from entry to entry, so that what came
  together is not due together.
- After its life it is *stale*: kept for those who ask while its authority cannot be reached (RFC
  8767), if that is switched on.
- A negative answer (response codes 100 and 200) lives for a fixed short time (the idea of RFC
  2308), and so does a failure (RFC 9520); both have a small budget of their own, so that a flood
  of names that do not exist takes no room from those that do.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final
from zlib import crc32

from resolver.cache.budget import BudgetCache, CacheStatistics
from resolver.cache.entries import (
    TICK_S,
    EntryTable,
    fits,
    moments_of,
    pack_entry,
    record_key,
    tick_of,
    values_of,
    with_fresh,
)
from resolver.cache.prefixes import PrefixNumbers
from resolver.model.codes import ResponseCode
from resolver.model.handle import fold
from resolver.wire.cursor import decode_text, encode_text
from resolver.wire.values import ValueList

NEGATIVE_CODES: Final = frozenset({ResponseCode.HANDLE_NOT_FOUND, ResponseCode.VALUES_NOT_FOUND})

STALE_RETRY_S: Final = 2.0
"""How long what is stale is used without another attempt to get it fresh. RFC 8767 §5 recommends
30 s, to spare those that do not answer; here the circuit breakers do that, and all is fresh again
within 5 s of their return."""

_DUE_FROM: Final = 0.90
_DUE_SPREAD: Final = 0.05
"""An entry is due after this share of its life, less a part that depends on its key."""


class State(Enum):
    """How good what is cached still is."""

    FRESH = "fresh"
    DUE = "due"
    """Fresh, and to be looked for anew."""
    STALE = "stale"
    """To be given only if a fresh one is not to be had in time."""
    HELD = "held"
    """Stale, and the authority was silent a moment ago."""


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """The public values of an identifier, or the code that says there are none.

    Attributes:
        code: SUCCESS, a negative code, or that of a failure.
        values: the public values; None unless SUCCESS.
        message: the explanation of any other code, for a person.
        expires_at: in seconds of the caller's clock.
        state: FRESH, unless there are values.
        fresh_until: how long anybody may be given the same without asking here.
    """

    code: int
    values: ValueList | None
    message: str
    expires_at: float
    state: State = State.FRESH
    fresh_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what is kept (seconds; 0 switches the kind off).

    Attributes:
        ttl_cap_s: longest life of a positive answer, whatever its values' TTL.
        negative_ttl_s: life of a negative answer.
        failure_ttl_s: life of a failure.
        stale_s: how long after its life an answer may serve while the authority is silent.
        prefetch: whether answers are looked for anew before they expire.
    """

    ttl_cap_s: float
    negative_ttl_s: float
    failure_ttl_s: float = 0.0
    stale_s: float = 0.0
    prefetch: bool = False


class RecordCache:
    """Identifier → ``CachedRecord``.

    Attributes:
        entries: the positive answers, for those who read them as octets.
        prefixes: numbers of the prefixes in them.
        ttl_cap_s: longest life of one.
    """

    def __init__(
        self,
        budget: int,
        lifetimes: Lifetimes,
        *,
        negative_budget: int | None = None,
        policy: str = "lru",
    ) -> None:
        """
        Args:
            budget: octets for all positive answers.
            negative_budget: octets for negative ones and as many for failures; else an eighth.
            policy: eviction policy, see ``resolver.cache.policies``.
        """
        self._lifetimes: Final = lifetimes
        self.ttl_cap_s: Final = lifetimes.ttl_cap_s
        self.prefixes: Final = PrefixNumbers()
        self.entries: Final = EntryTable(budget, policy)
        small = budget // 8 if negative_budget is None else negative_budget
        self._negatives: Final[BudgetCache[tuple[int, str, float]]] = BudgetCache(small, policy)
        self._failures: Final[BudgetCache[tuple[int, str, float]]] = BudgetCache(small, policy)

    def get(self, handle: str, now: float, *, quietly: bool = False) -> CachedRecord | None:
        """What is known about ``handle``, in any ASCII case, at ``now``.

        An entry that is due says so once; and what is asked for stays longer than what is not,
        unless somebody only looks, ``quietly``.
        """
        folded = fold(handle)
        key = record_key(encode_text(folded))
        entry = self.entries.table.get(key)
        if entry is not None:
            found = self._positive(key, entry, folded, now, quietly=quietly)
            if found is not None:
                return found
        for cache in (self._negatives, self._failures):
            known = cache.get(folded, now)
            if known is not None:
                code, message, expires_at = known
                return CachedRecord(code, None, message, expires_at)
        return None

    def put_values(self, handle: str, values: ValueList, *, now: float, unix_now: int) -> None:
        """Keep the public record of ``handle``; values without a lifetime left are not kept."""
        lifetimes = self._lifetimes
        # A record without public values may get some soon, as one that does not exist.
        longest = lifetimes.ttl_cap_s if len(values) else lifetimes.negative_ttl_s
        ttl = min(values.lifetime(unix_now), longest)
        folded = fold(handle)
        octets = encode_text(folded)
        key = record_key(octets)
        if ttl <= 0 or not fits(key):
            self.entries.discard(key)
            return
        fresh_s = ttl
        if lifetimes.prefetch:
            fresh_s = ttl * (_DUE_FROM - _DUE_SPREAD * (crc32(octets) / 2**32))
        # To a record without values the answer is another; it is never given without a look.
        fresh = tick_of(now + fresh_s) if len(values) else 0
        number = self.prefixes.number(handle)
        entry = pack_entry(fresh, tick_of(now + ttl), number, key, values.octets)
        self.entries.put(key, entry)
        self._negatives.discard(folded)
        self._failures.discard(folded)

    def put_entry(self, folded: bytes, values: bytes, fresh: float, expires: float) -> None:
        """Keep what was kept before: encoded values under the octets of a folded handle, fresh
        until one moment and holding until another; what is there already stays.

        Raises:
            ValueError: nothing can have that name, or the moments are beyond all bounds.
        """
        key = record_key(folded)
        moments = tick_of(fresh), tick_of(expires)
        if not fits(key) or not folded or not all(0 <= moment < 1 << 32 for moment in moments):
            raise ValueError("no entry")
        if key not in self.entries.table:
            number = self.prefixes.number(decode_text(folded))
            self.entries.put(key, pack_entry(*moments, number, key, values))

    def forget(self, handle: str) -> int:
        """Forget all that is known about ``handle``; how many entries that were."""
        folded = fold(handle)
        octets = encode_text(folded)
        # Selections stand under the handle and what followed it in the request.
        keys = [key for key in self.entries.table if key.startswith(octets + b"\0")]
        for key in keys:
            self.entries.discard(key)
        negative = self._negatives.get(folded, -inf) is not None
        for cache in (self._negatives, self._failures):
            cache.discard(folded)
        return len(keys) + negative

    def forget_prefix(self, prefix: str) -> int:
        """Forget all that is known about the identifiers of ``prefix``."""
        octets = encode_text(fold(prefix)) + b"/"
        keys = [key for key in self.entries.table if key.startswith(octets)]
        for key in keys:
            self.entries.discard(key)
        # These live for moments, and are few.
        self._negatives.clear()
        self._failures.clear()
        return len(keys)

    def put_negative(self, handle: str, code: int, message: str, *, now: float) -> None:
        """``handle`` has no record (100) or no public value (200): keep that."""
        if code in NEGATIVE_CODES:
            folded = fold(handle)
            self.entries.discard(record_key(encode_text(folded)))
            _keep(self._negatives, folded, code, message, now, self._lifetimes.negative_ttl_s)

    def put_failure(self, handle: str, code: int, message: str, *, now: float) -> None:
        """It could not be found out what ``handle`` is: keep that for a moment, longer if there is
        a stale answer to give meanwhile."""
        folded = fold(handle)
        ttl = self._lifetimes.failure_ttl_s
        if ttl > 0 and record_key(encode_text(folded)) in self.entries.table:
            ttl = STALE_RETRY_S
        _keep(self._failures, folded, code, message, now, ttl)

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self._negatives.clear()
        self._failures.clear()

    def statistics(self) -> CacheStatistics:
        """What there is of positive answers now."""
        return self.entries.statistics()

    def negative_statistics(self) -> CacheStatistics:
        """What there is of negative answers now."""
        return self._negatives.statistics()

    def _positive(
        self, key: bytes, entry: bytes, folded: str, now: float, *, quietly: bool
    ) -> CachedRecord | None:
        tick = tick_of(now)
        fresh, expires = moments_of(entry)
        state = State.FRESH
        if expires <= tick:
            if expires + tick_of(self._lifetimes.stale_s) <= tick:
                self.entries.discard(key)
                return None
            state = State.STALE
            # A failure known of is why the stale answer is good enough.
            if self._failures.get(folded, now) is not None:
                state = State.HELD
        elif 0 < fresh <= tick:
            state, fresh = State.DUE, expires
            if not quietly:
                entry = with_fresh(entry, fresh)
                self.entries.put(key, entry)
        if not quietly:
            self.entries.used(entry)
        values = ValueList.parse(values_of(entry))
        return CachedRecord(
            ResponseCode.SUCCESS, values, "", expires * TICK_S, state, fresh * TICK_S
        )


def _keep(
    cache: BudgetCache[tuple[int, str, float]],
    folded: str,
    code: int,
    message: str,
    now: float,
    ttl: float,
) -> None:
    if ttl > 0:
        size = len(folded) + len(message)
        cache.put(folded, (code, message, now + ttl), size=size, expires_at=now + ttl)
