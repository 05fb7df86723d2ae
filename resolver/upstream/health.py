"""How a server has answered lately, and what follows from that for asking it.

Rules: time is an argument. A server that failed several times in a row is left alone for a moment
(a circuit breaker): then one request may try, and only its answer lets others in again; each
failure of such a trial doubles the pause, up to ``LONGEST_PAUSE_S``, so that a server that is back
is noticed within seconds. How long an answer usually takes is estimated as TCP does (RFC 6298);
an estimate that is old counts as none, so that who was slow once gets another chance.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from resolver.telemetry.counters import UNNAMED

OPENS_AFTER: Final = 5
"""Failures in a row."""

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 2.0

SLOW_AT_LEAST_S: Final = 0.05
"""No answer counts as slow before."""

KNOWN_FOR_S: Final = 600.0
"""How long an estimate counts after the last answer."""

_GAIN: Final = 0.125
_SPREAD_GAIN: Final = 0.25


class Breaker(Enum):
    """Whether a server is asked."""

    CLOSED = 0
    """It is."""
    HALF_OPEN = 1
    """One request tries."""
    OPEN = 2
    """It is left alone."""


@dataclass(slots=True)
class Health:
    """The state of one server.

    Attributes:
        name: ``host:port``, for people.
        label: what it is called in metrics, one of few names.
        rtt_s: seconds an answer takes on average; 0 if there was none yet.
        spread_s: how much that varies.
        failures: in a row.
        in_flight: requests without an answer.
        heard_at: when the last answer came, in seconds of the caller's clock.
    """

    name: str
    label: str = UNNAMED
    rtt_s: float = 0.0
    spread_s: float = 0.0
    failures: int = 0
    in_flight: int = 0
    heard_at: float = 0.0
    breaker: Breaker = Breaker.CLOSED
    _until: float = 0.0
    _pause_s: float = FIRST_PAUSE_S

    def admits(self, now: float) -> bool:
        """Whether a request may go out now; if it is the one that tries, the next may not."""
        if self.breaker is Breaker.CLOSED:
            return True
        if self.breaker is Breaker.OPEN and now >= self._until:
            self.breaker = Breaker.HALF_OPEN
            return True
        return False

    def answered(self, seconds: float, now: float) -> None:
        """It answered after so many seconds."""
        self.failures = 0
        self.heard_at = now
        self.breaker = Breaker.CLOSED
        self._pause_s = FIRST_PAUSE_S
        if not self.rtt_s:
            self.rtt_s, self.spread_s = seconds, seconds / 2
            return
        off = seconds - self.rtt_s
        self.spread_s += _SPREAD_GAIN * (abs(off) - self.spread_s)
        self.rtt_s += _GAIN * off

    def failed(self, now: float) -> None:
        """It did not answer, or not with anything that makes sense."""
        self.failures += 1
        if self.breaker is Breaker.HALF_OPEN:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        elif self.failures < OPENS_AFTER:
            return
        self.breaker = Breaker.OPEN
        self._until = now + self._pause_s

    def abandoned(self) -> None:
        """Nobody waits for the answer of the request that tries any more."""
        if self.breaker is Breaker.HALF_OPEN:
            self.breaker = Breaker.OPEN

    def breaker_at(self, now: float) -> Breaker:
        """The state in which the next request would find the breaker."""
        if self.breaker is Breaker.OPEN and now >= self._until:
            return Breaker.HALF_OPEN
        return self.breaker

    def expected_s(self, now: float) -> float:
        """How long an answer will take: 0 if nobody knows, infinite if it is left alone."""
        if self.breaker is Breaker.HALF_OPEN or (
            self.breaker is Breaker.OPEN and now < self._until
        ):
            return inf
        return self.rtt_s if now < self.heard_at + KNOWN_FOR_S else 0.0

    @property
    def slow_after_s(self) -> float:
        """After how many seconds an answer is later than nearly all are."""
        return max(SLOW_AT_LEAST_S, self.rtt_s + 4 * self.spread_s)


class Budget:
    """How many requests may be sent in vain: a share of all, saved up to some.

    Without a bound, a server that is slow because it has too much to do would get twice as much.
    """

    def __init__(self, share: float = 0.1, most: float = 100.0) -> None:
        self._share: Final = share
        self._most: Final = most
        self._left = most

    def earn(self) -> None:
        """A first request goes out."""
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Whether another one may."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
