"""Traces for the cache lab: what a recursive node's caches are asked for, one access after another.

Rules: a trace is a pure function of a count and a seed, lazy, and the same under every seed of
Python's hashes. Its shape does not change with the count: what there is to ask for grows with it.
An access is a class (route or leaf), a key and the size of what would be cached. One question is a
look-up of the route of its prefix and one of its leaf; in the Zipf traces it is the leaf alone, so
that they compare with the literature.

The exponents and the sizes of hot sets are assumptions: nothing is published about them for
industrial identifiers. That items are asked about once while their enterprises are asked all day
is published: there are some 750,000 identifiers to an enterprise, and less than one resolution to
an identifier in its life.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

ROUTE: Final = "route"
LEAF: Final = "leaf"

Access = tuple[str, str, int]
"""Class, key, octets of the value."""

_ITEMS_OF_AN_ENTERPRISE: Final = 750_000
_ITEMS_SCANNED: Final = 50
"""Of each enterprise."""

_NEGATIVE_OCTETS: Final = 40
_DRAWN_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Trace:
    """A way of asking.

    Attributes:
        text: what it stands for, in a few words.
        accesses: count of questions, seed → the accesses of these questions.
        hostile: whether plain recency is expected to suffer: a scan or a flood.
        worst: the worst case known for SIEVE and S3-FIFO, run to be seen and held to no goal: a
            hot set as large as the cache, all of it replaced at once.
    """

    name: str
    text: str
    accesses: Callable[[int, int], Iterator[Access]]
    hostile: bool = False
    worst: bool = False


def zipf_ranks(draw: Random, alpha: float, size: int, count: int) -> Iterator[int]:
    """``count`` ranks from 0 on, below ``size``; rank r in proportion to ``(r + 1) ** -alpha``."""
    weights = list(accumulate((rank + 1) ** -alpha for rank in range(size)))
    ranks = range(size)
    while count > 0:
        yield from draw.choices(ranks, cum_weights=weights, k=min(count, _DRAWN_AT_ONCE))
        count -= _DRAWN_AT_ONCE


def zipf(alpha: float) -> Callable[[int, int], Iterator[Access]]:
    """Identifiers by a Zipf law, a fifth as many as questions."""

    def accesses(count: int, seed: int) -> Iterator[Access]:
        draw = Random(seed)
        for rank in zipf_ranks(draw, alpha, max(1, count // 5), count):
            yield _leaf(rank // 100, rank % 100)

    return accesses


def enterprises(count: int, seed: int) -> Iterator[Access]:
    """Enterprises by a Zipf law of exponent 1, their items alike: most are asked for once."""
    draw = Random(seed)
    for enterprise in zipf_ranks(draw, 1.0, max(1, count // 100), count):
        yield _route(enterprise)
        yield _leaf(enterprise, draw.randrange(_ITEMS_OF_AN_ENTERPRISE))


def scan(count: int, seed: int) -> Iterator[Access]:
    """Every other question is of someone who walks through all enterprises, items in order."""
    hot = _hot_set(Random(seed), count // 2, count)
    for number, access in enumerate(hot):
        yield from access
        enterprise, item = divmod(number, _ITEMS_SCANNED)
        yield _route(_OTHERS + enterprise)
        yield _leaf(_OTHERS + enterprise, item)


def flood(count: int, seed: int) -> Iterator[Access]:
    """Four of five questions are of random suffixes under one prefix, none of which exists."""
    draw = Random(seed)
    hot = _hot_set(draw, count // 5, count)
    for access in hot:
        yield from access
        for _ in range(4):
            yield _route(_OTHERS)
            yield LEAF, f"{_prefix(_OTHERS)}/{draw.getrandbits(64):016x}", _NEGATIVE_OCTETS


def shift(asked: int, times: int) -> Callable[[int, int], Iterator[Access]]:
    """A hot set that is replaced so many times, when its items were asked for so often on average:
    one of so many parts of all that is asked for."""

    def accesses(count: int, seed: int) -> Iterator[Access]:
        draw = Random(seed)
        phase = max(1, count // times)
        size = max(1, phase // asked)
        for start in range(0, times * size, size):
            for rank in zipf_ranks(draw, 0.9, size, phase):
                yield from _question(start + rank, count)

    return accesses


def drift(count: int, seed: int) -> Iterator[Access]:
    """The newest items are the most asked for, and fade as newer ones come."""
    draw = Random(seed)
    size = max(1, count // 50)
    for number, rank in enumerate(zipf_ranks(draw, 0.9, size, count)):
        yield from _question(size + number // 10 - rank, count)


TRACES: Final = {
    trace.name: trace
    for trace in (
        *(
            Trace(f"zipf-{alpha}", f"identifiers by a Zipf law of exponent {alpha}", zipf(alpha))
            for alpha in (0.6, 0.8, 1.0, 1.2)
        ),
        Trace("enterprise", "enterprises by a Zipf law, their items mostly once", enterprises),
        Trace("scan", "a hot set, and a pass over everything", scan, hostile=True),
        Trace("flood", "a hot set, and random suffixes under one prefix", flood, hostile=True),
        Trace("shift", "a small hot set, replaced again and again", shift(80, 50)),
        Trace("drift", "a hot set whose items come and fade", drift),
        Trace("worst-80", "as large as the cache, replaced after 80", shift(80, 10), worst=True),
        Trace("worst-5", "as large as the cache, replaced after 5", shift(5, 10), worst=True),
    )
}

_OTHERS: Final = 1_000_000
"""From this enterprise on they are none of the hot set's."""


def _hot_set(draw: Random, asked: int, count: int) -> Iterator[tuple[Access, Access]]:
    """So many questions about a set of items by a Zipf law of exponent 0.8."""
    for rank in zipf_ranks(draw, 0.8, max(1, count // 25), asked):
        yield _question(rank, count)


def _question(item: int, count: int) -> tuple[Access, Access]:
    """About ``item``, of one of the enterprises, of which a few have most of the items."""
    share = _spread(item, 1 << 20) / (1 << 20)
    enterprise = int(share**3 * max(1, count // 100))
    return _route(enterprise), _leaf(enterprise, item)


def _route(enterprise: int) -> Access:
    return ROUTE, _prefix(enterprise), 1_200 + _spread(enterprise, 800)


def _leaf(enterprise: int, item: int) -> Access:
    return LEAF, f"{_prefix(enterprise)}/{item:06d}", 120 + _spread(item, 400)


def _prefix(enterprise: int) -> str:
    return f"88.{901 + enterprise // 1_000}.{enterprise % 1_000 + 1}"


def _spread(number: int, width: int) -> int:
    """Below ``width``; always the same for a number, and unlike that of the next one."""
    return (number * 2_654_435_761 % (1 << 32) * width) >> 32
