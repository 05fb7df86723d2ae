"""How often each of very many things is asked for: groups of things that are alike.

Thirty billion identifiers by a Zipf law are some hundreds of groups of neighbouring ranks, each
with the mean rate of its things; the first ranks are groups of one. So models cost the same for a
hundred identifiers and for a hundred billion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Final

_SINGLE: Final = 64
"""The first ranks, each a group of its own."""

_WIDTH: Final = 1.09
"""How much further each group after them reaches: eight to a doubling."""


@dataclass(frozen=True, slots=True)
class Group:
    """Things that are asked for alike.

    Attributes:
        count: of things; need not be whole.
        rate: questions a second about each.
    """

    count: float
    rate: float


Groups = tuple[Group, ...]


def zipf_groups(exponent: float, size: float, rate: float) -> Groups:
    """``size`` things, asked for ``rate`` times a second in all; rank r in proportion to ``r **
    -exponent``, as the workloads draw them."""
    bounds = [0.5 + rank for rank in range(min(_SINGLE, int(size)) + 1)]
    while bounds[-1] < size + 0.5:
        bounds.append(min(size + 0.5, bounds[-1] * _WIDTH))
    weights = [_weight(exponent, least, most) for least, most in pairwise(bounds)]
    scale = rate / sum(weights)
    return tuple(
        Group(most - least, scale * weight / (most - least))
        for (least, most), weight in zip(pairwise(bounds), weights, strict=True)
    )


def uniform_groups(size: float, rate: float) -> Groups:
    """``size`` things that are all asked for alike."""
    return (Group(size, rate / size),)


def total_rate(groups: Sequence[Group]) -> float:
    """Questions a second about all of them."""
    return sum(group.count * group.rate for group in groups)


def scaled(groups: Groups, factor: float) -> Groups:
    """The same things, each asked for so many times as often."""
    return tuple(Group(group.count, group.rate * factor) for group in groups)


def split(groups: Groups, count: float) -> tuple[Groups, Groups]:
    """The groups of the ``count`` most popular things, about, and the others."""
    seen = 0.0
    for place, group in enumerate(groups):
        if seen + group.count > count:
            return groups[:place], groups[place:]
        seen += group.count
    return groups, ()


def _weight(exponent: float, least: float, most: float) -> float:
    """The sum of ``r ** -exponent`` over the ranks between two halves; a single rank exactly,
    many by the integral (midpoint rule, whose error is below 0.1 % from rank 64 on)."""
    if most - least <= 1.0:
        return float(((least + most) / 2) ** -exponent) * (most - least)
    if abs(exponent - 1.0) < 1e-9:
        return log(most / least)
    power = 1.0 - exponent
    return float(most**power - least**power) / power
