"""When the questions of one client are due.

Rules: times are seconds since the start of the run. An arrival is due when it is due, whether or
not the answers before it have come (an open loop), so latency counts from then. The factor of the
clients' rates is constant in slices, so that arrivals can be counted exactly across them.

The shape of the day is an assumption: nothing is published about the hours at which identifiers are
resolved. It follows a working day of factories and shops in Wuhan (Asia/Shanghai): a low at four in
the morning, a rise from seven, a dip at noon, most around ten and fifteen, scanning until night.
"""

from collections.abc import Iterator
from itertools import count, cycle
from random import Random
from typing import Final

from bench.workloads.model import Arrival

HOURS: Final = (
    0.25, 0.18, 0.14, 0.12, 0.11, 0.15, 0.30, 0.62, 1.15, 1.62, 1.80, 1.60,
    1.12, 1.25, 1.66, 1.78, 1.66, 1.40, 1.15, 1.20, 1.24, 1.08, 0.80, 0.52,
)  # fmt: skip
"""Factor of each hour in Wuhan, from midnight on; about 1 on average."""

_RAMP_SLICES: Final = 100

Slice = tuple[float, float]
"""Until when, in seconds since the start; the factor until then."""


def factors(arrival: Arrival) -> Iterator[Slice]:
    """The factor over time, without end."""
    match arrival.kind:
        case "constant":
            yield float("inf"), 1.0
        case "diurnal":
            for number, factor in enumerate(cycle(HOURS), 1):
                yield number * arrival.day / 24, factor
        case "step":
            *before, last = arrival.steps
            for number, factor in enumerate(before, 1):
                yield number * arrival.each, factor
            yield float("inf"), last
        case "ramp":
            for number in range(1, _RAMP_SLICES + 1):
                share = (number - 0.5) / _RAMP_SLICES
                factor = arrival.start + share * (arrival.end - arrival.start)
                yield number * arrival.over / _RAMP_SLICES, factor
            yield float("inf"), arrival.end


def factor_at(arrival: Arrival, seconds: float) -> float:
    """The factor at a time."""
    return next(factor for until, factor in factors(arrival) if seconds < until)


def due_times(arrival: Arrival, rate: float, seed: str, phase: float = 0.0) -> Iterator[float]:
    """When each arrival of one client is due, without end.

    Args:
        rate: a second, on average where the factor is 1; more than 0.
        phase: 0 to 1; moves equal gaps, so that many clients do not ask at once.
    """
    draw = Random(seed)
    slices = factors(arrival)
    at, (until, factor) = 0.0, next(slices)
    for number in count():
        # How much of "rate × factor × time" passes until the next arrival.
        gap = 1.0 if number else phase
        left = draw.expovariate(1.0) if arrival.poisson else gap
        while left > (until - at) * rate * factor:
            left -= (until - at) * rate * factor
            at, (until, factor) = until, next(slices)
        at += left / (rate * factor)
        yield at
