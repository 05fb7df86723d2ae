"""Rates out of counts: what a node, or a tier of nodes, did between two looks at it."""

from collections.abc import Mapping
from typing import Any, Final

from resolver.model.codes import ResponseCode
from resolver.telemetry.counters import BUCKETS

GOOD: Final = frozenset(
    {
        ResponseCode.SUCCESS,
        ResponseCode.HANDLE_NOT_FOUND,
        ResponseCode.VALUES_NOT_FOUND,
        ResponseCode.SERVICE_REFERRAL,
        ResponseCode.PREFIX_REFERRAL,
        ResponseCode.AUTHENTICATION_NEEDED,
    }
)
"""Codes of answers with which nothing is wrong."""

SERVED: Final = frozenset({"hit", "prefetch", "stale"})
"""Results of looks into a cache that spared a question to others."""


LEAST_S: Final = 0.3
"""Two looks nearer to each other than that tell no rate."""


class Rates:
    """What happened in the last interval.

    Attributes:
        answers, failures: a second.
        durations: answers by bucket of ``BUCKETS``.
        lookups: class → looks into that cache, and how many of them it served.
    """

    def __init__(self) -> None:
        self.answers = 0.0
        self.failures = 0.0
        self.durations: list[int] = []
        self.lookups: dict[str, list[int]] = {}
        self._before: Mapping[str, Any] | None = None
        self._at = 0.0

    def take(self, told: Mapping[str, Any], now: float) -> None:
        """Take in what a node has counted (``figures``) until ``now``, in seconds."""
        before, seconds = self._before, now - self._at
        if before is not None and seconds < LEAST_S:
            return
        self._before, self._at = told, now
        if before is None:
            return
        old = dict(before["answers"])
        more = {code: number - old.get(code, 0) for code, number in told["answers"]}
        if any(number < 0 for number in more.values()):
            self.stop()  # it was started anew, and counts from the beginning
            return
        self.answers = sum(more.values()) / seconds
        self.failures = sum(n for code, n in more.items() if code not in GOOD) / seconds
        pairs = zip(told["durations"], before["durations"], strict=True)
        self.durations = [new - old for new, old in pairs]
        seen = {(class_, result): number for class_, result, number in before["lookups"]}
        self.lookups = {}
        for class_, result, number in told["lookups"]:
            looks = self.lookups.setdefault(class_, [0, 0])
            looks[0] += number - seen.get((class_, result), 0)
            if result in SERVED:
                looks[1] += number - seen.get((class_, result), 0)

    def stop(self) -> None:
        """Nothing is known of it any more."""
        self.answers = self.failures = 0.0
        self.durations, self.lookups, self._before = [], {}, None

    def add(self, other: "Rates") -> None:
        """Add those of another node."""
        self.answers += other.answers
        self.failures += other.failures
        if other.durations:
            own = self.durations or [0] * len(other.durations)
            self.durations = [a + b for a, b in zip(own, other.durations, strict=True)]
        for class_, (looks, served) in other.lookups.items():
            own_looks = self.lookups.setdefault(class_, [0, 0])
            own_looks[0] += looks
            own_looks[1] += served

    def told(self) -> list[float | None]:
        """Answers and failures a second, milliseconds within which 99 of 100 answers came."""
        p99 = quantile(self.durations, 0.99)
        return [
            round(self.answers, 1),
            round(self.failures, 1),
            None if p99 is None else round(p99 * 1000, 3),
        ]

    def hit_ratios(self) -> dict[str, float]:
        """By class of cache, the part of the looks that it served."""
        return {
            class_: round(served / looks, 4)
            for class_, (looks, served) in self.lookups.items()
            if looks
        }


def quantile(durations: list[int], part: float) -> float | None:
    """The duration, in seconds, that ``part`` of all did not exceed, as far as buckets can tell
    (within one, it is taken to be even); None if there was none."""
    total = sum(durations)
    if not total:
        return None
    wanted, below = part * total, 0
    for number, count in enumerate(durations):
        if below + count >= wanted and count:
            if number >= len(BUCKETS):
                return BUCKETS[-1]
            lower = BUCKETS[number - 1] if number else 0.0
            return lower + (BUCKETS[number] - lower) * (wanted - below) / count
        below += count
    return BUCKETS[-1]
