"""How long an answer takes under load.

A worker is one process on one core. Workers share the datagrams out by clients' addresses, so each
has a queue of its own: an M/G/1 queue with Poisson arrivals, where the mean wait is Pollaczek and
Khinchine's. But it serves in bulk: whatever waits when it is done, up to 64 requests, is taken with
one system call, which costs the same for one as for all (Bailey, "On queueing processes with bulk
service", J. Royal Stat. Soc. B 16, 1954; Neuts, "A general class of bulk queues with Poisson
input", Ann. Math. Stat. 38, 1967). And a question that others must be asked about comes through the
queue again for each reply. No formula has the percentiles of that, so ``simulate`` plays it; the
closed forms here are what it is checked against, and what it must agree with where they hold.

Not in the model: that processes on one core interrupt each other, and bursts of arrivals beyond
those of chance.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf, log
from random import Random
from typing import Final

BATCH: Final = 64
"""Datagrams that a node takes at a time (``resolver.transport.batches``)."""

QUESTIONS: Final = 60_000
_WARM_UP: Final = 0.1


# ---------------------------------------------------------------- closed forms


def pollaczek_khinchine(rate: float, mean: float, square: float) -> float:
    """Mean wait in an M/G/1 queue, seconds; infinite if it is overloaded.

    Args:
        mean, square: of the service times, E[S] and E[S²].
    """
    load = rate * mean
    return rate * square / (2 * (1 - load)) if load < 1 else inf


def mm1_quantile(rate: float, mean: float, share: float) -> float:
    """What so much of the times in an M/M/1 system (wait and service) do not exceed, seconds."""
    return -log(1 - share) / (1 / mean - rate) if rate * mean < 1 else inf


def erlang_c(load: float, servers: int) -> float:
    """The probability of having to wait in an M/M/k queue; ``load`` is rate × mean service."""
    if load >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    share = load / servers
    return blocked / (1 - share + share * blocked)


# ---------------------------------------------------------------- the queue, played


@dataclass(frozen=True, slots=True)
class Kind:
    """Questions of one kind, times in seconds.

    Attributes:
        share: of all questions.
        service: CPU of the worker, for all visits together.
        asks: how many others are asked, one after another; each reply is another visit.
        away: how long each of them takes where nobody waits.
        base: latency besides, such as of the network and the client; what it is above its least
            comes once for each node that is asked.
        turn: CPU besides for each batch in which there are some, however many; of several kinds
            the most.
    """

    share: float
    service: float
    asks: int = 0
    away: float = 0.0
    base: "Spread | None" = None
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution by some of its quantiles.

    Attributes:
        shares, values: so much of all does not exceed this, in ascending order.
    """

    shares: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, share: float) -> float:
        """The quantile; between the known ones as that of an exponential distribution is, so that a
        tail is not taken for a plateau. By a straight line up to the greatest of all (share 1)."""
        place = bisect_left(self.shares, share)
        if place == 0:
            return self.values[0]
        if place == len(self.shares):
            return self.values[-1]
        low, high = self.shares[place - 1], self.shares[place]
        part = (share - low) / (high - low)
        if high < 1:
            part = log((1 - low) / (1 - share)) / log((1 - low) / (1 - high))
        return self.values[place - 1] + part * (self.values[place] - self.values[place - 1])


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds; ``cpu`` of the worker for a question."""

    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    cpu: float


OVERLOADED: Final = Latency(inf, inf, inf, inf, inf, inf)
_SHARES: Final = (0.5, 0.9, 0.99, 0.999)


def simulate(
    rate: float,
    kinds: Sequence[Kind],
    *,
    turn: float = 0.0,
    wake: float = 0.0,
    batch: int = BATCH,
    questions: int = QUESTIONS,
    seed: int = 1,
) -> Latency:
    """Latencies at one worker that gets ``rate`` questions a second, by chance.

    Args:
        turn: seconds of CPU for each batch, whatever is in it.
        wake: the same for each batch for which the worker had to be woken.
        batch: requests that are taken at a time, at most.
    """
    full = (k.share * (k.service + (1 + k.asks) * (turn + k.turn) / batch) for k in kinds)
    if rate * sum(full) >= 1:
        return OVERLOADED
    draw = Random(seed)
    arrivals = _arrivals(draw, rate, kinds, questions)
    times, spent = _played(arrivals, kinds, turn, wake, batch)
    counted = sorted(times[int(len(times) * _WARM_UP) :])
    p50, p90, p99, p999 = (
        counted[min(len(counted) - 1, int(share * len(counted)))] for share in _SHARES
    )
    mean = sum(counted) / len(counted)
    return Latency(mean, p50, p90, p99, p999, spent / len(times))


_Visit = tuple[float, int, int, int]
"""When, the number of the question, its kind, visits that are left after this one."""


def _arrivals(draw: Random, rate: float, kinds: Sequence[Kind], count: int) -> list[_Visit]:
    chosen = draw.choices(range(len(kinds)), weights=[kind.share for kind in kinds], k=count)
    at, visits = 0.0, []
    for number, kind in enumerate(chosen):
        at += draw.expovariate(rate)
        visits.append((at, number, kind, kinds[kind].asks))
    return visits


def _played(
    arrivals: Sequence[_Visit], kinds: Sequence[Kind], turn: float, wake: float, batch: int
) -> tuple[list[float], float]:
    """How long each question took, in the order of their arrivals, and the CPU of all."""
    service = [kind.service / (1 + kind.asks) for kind in kinds]
    turns = [kind.turn for kind in kinds]
    took = [0.0] * len(arrivals)
    back: list[_Visit] = []
    queue: deque[_Visit] = deque()
    draw, free, place, spent = Random(2), 0.0, 0, 0.0
    while place < len(arrivals) or back or queue:
        woken = 0.0
        if not queue:
            soonest = arrivals[place][0] if place < len(arrivals) else inf
            soonest = min(soonest, back[0][0] if back else inf)
            if soonest > free:
                free, woken = soonest, wake
        while place < len(arrivals) and arrivals[place][0] <= free:
            while back and back[0][0] <= arrivals[place][0]:
                queue.append(heappop(back))
            queue.append(arrivals[place])
            place += 1
        while back and back[0][0] <= free:
            queue.append(heappop(back))
        taken = [queue.popleft() for _ in range(min(batch, len(queue)))]
        cost = turn + woken + sum(service[kind] for _, _, kind, _ in taken)
        cost += max(turns[kind] for _, _, kind, _ in taken)
        spent += cost
        free += cost
        for _, number, kind, asks in taken:
            if asks:
                heappush(back, (free + kinds[kind].away, number, kind, asks - 1))
            else:
                took[number] = free - arrivals[number][0] + _besides(kinds[kind], draw)
    return took, spent


def _besides(kind: Kind, draw: Random) -> float:
    base = kind.base
    if base is None:
        return 0.0
    least, times = base.values[0], max(1, kind.asks)
    return least + sum(base.at(draw.random()) - least for _ in range(times))
