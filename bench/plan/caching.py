"""What part of the questions a cache answers.

Questions are independent of each other, each thing with a rate of its own (the independent
reference model, with Poisson arrivals). Sources:

- *Lifetimes alone*, where all that is asked for finds room: an entry lives for ``ttl`` from the
  moment it was fetched, so of ``rate × ttl + 1`` questions one is a miss (Jung, Berger and
  Balakrishnan, "Modeling TTL-based Internet Caches", INFOCOM 2003). With prefetching whoever asks
  in the last part of a life starts the next one, so that a miss takes a pause as long as that part.
- *LRU*, and the policy ``ttl``, whose first leaves first: Che's approximation. A thing is evicted
  when it was not asked for (LRU), or was put in, a *characteristic time* ago, one for the whole
  cache (Che, Tung and Wang, "Hierarchical Web Caching Systems", JSAC 20(7) 2002; why it is so good:
  Fricker, Robert and Roberts, "A versatile and accurate approximation for LRU cache performance",
  ITC 24, 2012; first in, first out: Martina, Garetto and Leonardi, "A unified approach to the
  performance analysis of caching systems", INFOCOM 2014). Lifetimes are taken as independent of
  evictions.
- *SIEVE and S3-FIFO* have no such formula: the node's own policy is run on random questions, in
  a model of the cache that is smaller by a factor and of whose things as large a part is asked for
  (spatial sampling: Waldspurger et al., "Efficient MRC Construction with SHARDS", FAST 2015). What
  is too popular to be sampled is taken as always kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from math import exp, expm1, inf
from random import Random
from typing import Final

from bench.plan.popularity import Group, Groups, split, total_rate
from resolver.cache.policies import make_policy

DUE_FROM: Final = 0.875
"""Share of its life from which a prefetched entry is looked for anew, on average
(``resolver.cache.records``)."""

_MODEL_ENTRIES: Final = 3_000
_MODEL_TURNS: Final = 6
"""Evictions for each place, before what is counted begins, and again until it ends."""

_LEAST_QUESTIONS: Final = 40_000
_MODEL_QUESTIONS: Final = 200_000
"""At most, before and after."""

_BISECTIONS: Final = 100
_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache.

    Attributes:
        entries: that have room.
        ttl: life of an entry, seconds.
        prefetch: whether what is asked for is looked for anew before it expires.
    """

    entries: float
    policy: str = "sieve"
    ttl: float = inf
    prefetch: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of asking a cache.

    Attributes:
        hits: share of the questions that it answers.
        fetches: share after which somebody else is asked; with prefetching also after a hit.
        entries: that are in it.
    """

    hits: float
    fetches: float
    entries: float


@lru_cache(maxsize=4096)
def ask(groups: Groups, cache: Cache, once: float = 0.0) -> Outcome:
    """What comes of asking ``cache`` for ``groups``.

    Args:
        once: questions a second about things that are never asked for again.
    """
    rate = total_rate(groups) + once
    if rate <= 0 or cache.ttl <= 0 or cache.entries < 1:
        return Outcome(0.0, 1.0, 0.0)
    if _kept(groups, once) <= cache.entries:
        return _unbounded(groups, cache, once)
    if cache.policy in _LEAVING:
        return _che(groups, cache, once)
    # Only how many questions there are in a life matters, not how fast they come; to two digits,
    # so that plans that differ in little else need not be played again.
    rest = replace(cache, ttl=float(f"{cache.ttl * rate:.1e}"))
    alike = tuple(Group(group.count, _digits(group.rate / rate)) for group in groups)
    return _sampled(alike, rest, _digits(once / rate))


def _digits(rate: float) -> float:
    return float(f"{rate:.6e}")


def _kept(groups: Groups, once: float) -> float:
    """Entries that a cache without bounds would have in the end; what has expired counts too, as
    it stays until it is met again or another needs its place."""
    return inf if once else sum(group.count for group in groups)


def _unbounded(groups: Groups, cache: Cache, once: float) -> Outcome:
    misses = fetches = once
    entries = 0.0
    for group in groups:
        miss, fetch = _of_life(group.rate, cache)
        misses += group.count * group.rate * miss
        fetches += group.count * group.rate * fetch
        entries += group.count
    rate = total_rate(groups) + once
    return Outcome(1 - misses / rate, fetches / rate, entries)


def _of_life(rate: float, cache: Cache) -> tuple[float, float]:
    """Of questions about one thing that is never evicted, the share of misses and of fetches."""
    if cache.ttl == inf:
        return 0.0, 0.0
    if not cache.prefetch:
        share = 1 / (1 + rate * cache.ttl)
        return share, share
    # From a fetch to the next: the life up to its last part, then until somebody asks.
    share = 1 / (1 + rate * cache.ttl * DUE_FROM)
    return share * exp(-rate * cache.ttl * (1 - DUE_FROM)), share


# ---------------------------------------------------------------- Che's approximation


def _lru(rate: float, time: float) -> float:
    return -expm1(-rate * time)


def _first_out(rate: float, time: float) -> float:
    return rate * time / (1 + rate * time)


_LEAVING: Final[dict[str, Callable[[float, float], float]]] = {"lru": _lru, "ttl": _first_out}
"""Policy → how likely a thing of a rate is in the cache whose characteristic time is this."""


def characteristic_time(groups: Groups, entries: float, policy: str, once: float = 0.0) -> float:
    """Che's characteristic time in seconds; infinite if there is room for everything."""
    inside = _LEAVING[policy]

    def held(time: float) -> float:
        return once * time + sum(group.count * inside(group.rate, time) for group in groups)

    if not once and sum(group.count for group in groups) <= entries:
        return inf
    least, most = 0.0, 1.0
    while held(most) < entries:
        least, most = most, most * 2
    for _ in range(_BISECTIONS):
        middle = (least + most) / 2
        least, most = (middle, most) if held(middle) < entries else (least, middle)
    return (least + most) / 2


def _che(groups: Groups, cache: Cache, once: float) -> Outcome:
    time = characteristic_time(groups, cache.entries, cache.policy, once)
    inside = _LEAVING[cache.policy]
    misses = fetches = once
    for group in groups:
        asked = group.count * group.rate
        held = inside(group.rate, time)
        miss, fetch = _of_life(group.rate, cache)
        misses += asked * (1 - held * (1 - miss))
        fetches += asked * (1 - held * (1 - fetch))
    rate = total_rate(groups) + once
    return Outcome(1 - misses / rate, fetches / rate, cache.entries)


# ---------------------------------------------------------------- the node's own policies


@lru_cache(maxsize=4096)
def _sampled(groups: Groups, cache: Cache, once: float) -> Outcome:
    """Run the policy in a smaller model."""
    factor = min(1.0, _MODEL_ENTRIES / cache.entries)
    hot, rest = split(groups, 1 / factor - 1) if factor < 1 else ((), groups)
    above = _unbounded(hot, cache, 0.0) if hot else Outcome(0.0, 0.0, 0.0)
    entries = max(1, round((cache.entries - above.entries) * factor))
    counts = _sampled_counts(rest, factor)
    rates = [count * group.rate for count, group in zip(counts, rest, strict=True)]
    rates.append(once * factor)
    found = _run(counts, rates, entries, cache)
    # What was sampled stands for all the rest, whose rate is known.
    hot_rate, rest_rate = total_rate(hot), total_rate(rest) + once
    rate = hot_rate + rest_rate
    return Outcome(
        (hot_rate * above.hits + rest_rate * found.hits) / rate,
        (hot_rate * above.fetches + rest_rate * found.fetches) / rate,
        cache.entries,
    )


def _sampled_counts(groups: Groups, factor: float) -> list[int]:
    """How many things of each group are in the model; what is lost by rounding is made good in the
    next group."""
    sums = [round(total) for total in accumulate(group.count * factor for group in groups)]
    return [after - before for before, after in zip([0, *sums], sums, strict=False)]


def _run(counts: list[int], rates: list[float], entries: int, cache: Cache) -> Outcome:
    """Ask the model; the last of ``rates`` is of things that come once."""
    draw, rate = Random(1), sum(rates)
    policy = make_policy(cache.policy)
    lives: dict[int, float] = {}
    due_after = cache.ttl * (DUE_FROM if cache.prefetch and cache.ttl < inf else 1.0)
    now, step = 0.0, 1 / rate
    asked = hits = fetches = evicted = 0
    is_warm = False
    for key in _drawn(draw, counts, rates):
        enough = evicted >= entries * _MODEL_TURNS and asked >= _LEAST_QUESTIONS
        if enough or asked >= _MODEL_QUESTIONS:
            if is_warm:
                break
            is_warm, asked, hits, fetches, evicted = True, 0, 0, 0, 0
        now += step
        asked += 1
        expires = lives.get(key)
        if expires is None:
            if len(lives) >= entries:
                victim = policy.victim()
                assert isinstance(victim, int)
                policy.removed(victim)
                del lives[victim]
                evicted += 1
        else:
            if cache.ttl == inf or now < expires - cache.ttl + due_after:
                policy.used(key)
                hits += 1
                continue
            hits += now < expires
            policy.removed(key)
        fetches += 1
        lives[key] = now + cache.ttl
        policy.added(key)
    return Outcome(hits / asked, fetches / asked, len(lives))


def _drawn(draw: Random, counts: list[int], rates: list[float]) -> Iterator[int]:
    """Things by their numbers, without end; each of the last kind is a new one."""
    firsts = [0, *accumulate(counts)]
    kinds, bounds = range(len(rates)), list(accumulate(rates))
    last, new = len(rates) - 1, firsts[-1]
    while True:
        for kind in draw.choices(kinds, cum_weights=bounds, k=_AT_ONCE):
            if kind == last:
                new += 1
                yield new
            else:
                yield firsts[kind] + int(draw.random() * counts[kind])
