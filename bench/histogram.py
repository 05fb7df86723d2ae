"""Latencies by their size: how many took how long, to within one percent.

A histogram is a mapping of microseconds to counts. A latency counts at the lower edge of its
bucket: exact below 128 µs, then 64 buckets for each doubling. So a million latencies are some
hundreds of numbers, which can be added, sent and kept.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

_EXACT_BITS: Final = 7

Histogram = Mapping[int, int]


def bucket(microseconds: int) -> int:
    """Where a latency counts."""
    spare = microseconds.bit_length() - _EXACT_BITS
    return microseconds >> spare << spare if spare > 0 else microseconds


def counted(seconds: Iterable[float]) -> Counter[int]:
    """The histogram of latencies in seconds."""
    return Counter([bucket(int(latency * 1e6)) for latency in seconds])


def middle(lower: int) -> float:
    """The latency in microseconds that stands for a bucket."""
    spare = lower.bit_length() - _EXACT_BITS
    return lower + (1 << spare) / 2 if spare > 0 else float(lower)


def percentile(histogram: Histogram, share: float) -> float:
    """The latency in milliseconds that ``share`` (0 to 1) of all do not exceed; 0 of none."""
    left = share * sum(histogram.values())
    for lower in sorted(histogram):
        left -= histogram[lower]
        if left <= 1e-9:
            return middle(lower) / 1e3
    return 0.0


def mean(histogram: Histogram) -> float:
    """In milliseconds; 0 of none."""
    total = sum(histogram.values())
    return sum(middle(lower) * n for lower, n in histogram.items()) / total / 1e3 if total else 0.0


def merged(histograms: Iterable[Histogram]) -> Counter[int]:
    """All of them together."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return total
