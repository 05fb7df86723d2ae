"""What one worker of a recursive node does with a demand: hits, costs by role, latency.

A worker has a cache of its own, its share of the node's budget. A question is answered from its
cache, or after asking the enterprise (its route is known), the secondary node and the enterprise,
or the top-level node, the secondary node and the enterprise: 1, 2 or 3 nodes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from bench.plan import caching
from bench.plan.calibration import HALF_LOAD, MIXTURE, ROLES, Calibration, Latencies
from bench.plan.demand import UNKNOWN_ENTERPRISES, Demand
from bench.plan.popularity import uniform_groups
from bench.plan.queueing import BATCH, Kind, Latency, Spread, simulate

MALFORMED_LOOKS: Final = 0.25
"""Share of malformed messages (``bench.answers``) that name something which then is looked for."""

_FIT_QUESTIONS: Final = 12_000
_FIT_STEPS: Final = 10
_LEAST_IDLE: Final = 0.02
_SHARES: Final = (0.0, 0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Caches:
    """The caches of one worker.

    Attributes:
        leaves, routes, negatives: entries that have room.
        ttl, negative_ttl: seconds.
    """

    leaves: float
    routes: float
    negatives: float
    ttl: float = 3600.0
    negative_ttl: float = 60.0
    policy: str = "sieve"
    prefetch: bool = True


@dataclass(frozen=True, slots=True)
class Answers:
    """What becomes of the questions of a worker; shares are of all questions.

    Attributes:
        rate: questions a second.
        hits: leaf → share of looks for a leaf that the cache answers (a known "not found" answers
            one too), route → share of looks for an enterprise's route.
        parts: kind of answer (a calibrated path) → share.
        cpu_us: role → CPU for a question, on average.
        mixing: so many times as dear as its parts is the mixture to the recursive node.
        entries: leaves in the cache.
    """

    rate: float
    hits: Mapping[str, float]
    parts: Mapping[str, float]
    cpu_us: Mapping[str, float]
    mixing: float
    entries: float


def answers(demand: Demand, rate: float, caches: Caches, calibration: Calibration) -> Answers:
    """What a worker does that gets ``rate`` questions a second of a demand."""
    leaves, once = demand.leaves(rate, caches.leaves, caches.ttl)
    leaf = caching.ask(
        leaves, caching.Cache(caches.leaves, caches.policy, caches.ttl, caches.prefetch), once
    )
    absent, flood = demand.absent(rate)
    negative = caching.ask(
        absent, caching.Cache(caches.negatives, caches.policy, caches.negative_ttl), flood
    )
    part = 1 / demand.rate
    of_leaves = part * sum(map(demand.rate_of, ("zipf", "uniform", "prefixes", "once")))
    of_absent = part * sum(map(demand.rate_of, ("missing", "flood")))
    malformed = part * demand.rate_of("malformed")

    # Whom the misses must be asked of: those of an enterprise that is not there, nobody.
    asked = of_leaves * leaf.fetches
    unknown = UNKNOWN_ENTERPRISES * of_absent * negative.fetches
    absent_asked = of_absent * negative.fetches - unknown
    skewed = min(asked, part * demand.rate_of("once"))
    routes = demand.routes(rate * (asked - skewed + absent_asked), rate * skewed)
    enterprise = caching.ask(
        routes,
        caching.Cache(max(1.0, caches.routes - demand.secondaries), caches.policy, caches.ttl),
    )
    far = (asked + absent_asked) * enterprise.fetches if routes else 0.0
    secondary = caching.ask(
        uniform_groups(demand.secondaries, rate * far) if far else (),
        caching.Cache(demand.secondaries + 1, caches.policy, caches.ttl),
    )
    farthest = far * secondary.fetches if far else 0.0

    parts = {path: of_leaves * leaf.hits * share for path, share in demand.paths.items()}
    parts |= {
        "not-found": of_absent * negative.hits + unknown,
        "malformed": malformed,
        "cold-3": farthest,
        "cold-2": far - farthest,
        "cold-1": max(0.0, asked - far),
        "missing-1": absent_asked - max(0.0, far - asked),
    }
    cpu_us = dict.fromkeys(ROLES, 0.0)
    mixing = mixed(parts, calibration)
    cpu_us["recursive"] = mixing * sum(share * calibration.us(p) for p, share in parts.items())
    cpu_us["enterprise"] = asked * calibration.us("cold-1", "enterprise")
    cpu_us["enterprise"] += absent_asked * calibration.us("missing-1", "enterprise")
    cpu_us["secondary"] = far * calibration.us("cold-3", "secondary")
    cpu_us["top-level"] = farthest * calibration.us("cold-3", "top-level")
    looked = of_leaves + of_absent + malformed * MALFORMED_LOOKS
    hit = of_leaves * leaf.hits + of_absent * negative.hits + malformed * MALFORMED_LOOKS
    return Answers(
        rate,
        {
            "leaf": hit / looked if looked else 1.0,
            "route": 1 - enterprise.fetches if routes else 1.0,
        },
        {path: share for path, share in parts.items() if share > 0},
        cpu_us,
        mixing,
        leaf.entries,
    )


_WORKS: Final = ("udp", "tcp", "http", "batch", "not-found", "malformed")
"""Paths, and beginnings of their names, that are a work each; all others ask other nodes."""


def mixed(parts: Mapping[str, float], calibration: Calibration) -> float:
    """How many times as dear as the sum of its parts a mixture is.

    Works of several kinds displace each other in the processor's caches. To first order that goes
    with how likely the work before was of another kind, by the time that they take (the
    Gini-Simpson index of their shares of the CPU); how much it is, the calibrated mixture says.
    """
    together = sum(share * calibration.us(path) for path, share in MIXTURE.items())
    variety = _variety(MIXTURE, calibration)
    if not variety:  # a calibration in which not even two kinds of answers cost anything
        return 1.0
    dearer = max(0.0, calibration.us("mixed") / together - 1)
    return 1 + dearer * _variety(parts, calibration) / variety


def _variety(parts: Mapping[str, float], calibration: Calibration) -> float:
    """Probability that two moments of a node's work are spent on works of different kinds."""
    spent: dict[str, float] = defaultdict(float)
    for path, share in parts.items():
        work = next((work for work in _WORKS if path.startswith(work)), "asking")
        spent[work] += share * calibration.us(path)
    whole = sum(spent.values())
    return 1 - sum((us / whole) ** 2 for us in spent.values()) if whole else 0.0


def latency(found: Answers, calibration: Calibration, others_busy: float) -> Latency:
    """How long the questions take at a worker.

    Args:
        others_busy: utilisation of the nodes that are asked; what they take is stretched by it, as
            where processes share a core.
    """
    worker = worker_of(calibration)
    return simulate(
        found.rate,
        kinds(found, calibration, worker, others_busy),
        turn=worker.turn,
        wake=worker.wake,
    )


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker's queue is like, in seconds.

    Attributes:
        turn, wake: see ``queueing.simulate``.
        around: what a hit takes besides: the network, the client, and what disturbs them.
    """

    turn: float
    wake: float
    around: Spread


@lru_cache(maxsize=64)
def _fitted(udp_us: float, hit: Latencies, half: Latencies) -> Worker:
    """The turn with which a worker spends, at half of what it can do, what was measured there."""
    full, rate = udp_us / 1e6, HALF_LOAD / udp_us * 1e6

    def played(turn: float) -> Latency:
        service = [Kind(1.0, full - turn / BATCH)]
        wake = max(0.0, hit.cpu_us / 1e6 - full - turn)
        return simulate(rate, service, turn=turn, wake=wake, questions=_FIT_QUESTIONS)

    least, most = 0.0, min(max(0.0, hit.cpu_us / 1e6 - full), full * BATCH * 0.9)
    for _ in range(_FIT_STEPS):
        turn = (least + most) / 2
        least, most = (turn, most) if played(turn).cpu < half.cpu_us / 1e6 else (least, turn)
    found = played(least)
    model = (found.p50, found.p50, found.p90, found.p99, found.p999)
    rest = [max(0.0, us / 1e6 - ours) for us, ours in zip(_tail(half), model, strict=True)]
    wake = max(0.0, hit.cpu_us / 1e6 - full - least)
    return Worker(least, wake, Spread(_SHARES, tuple(accumulate(rest, max))))


def worker_of(calibration: Calibration) -> Worker:
    """What the calibration says of a worker."""
    measured = calibration.latency
    return _fitted(calibration.us("udp-many"), measured["hit"], measured["half"])


def kinds(
    found: Answers, calibration: Calibration, worker: Worker, others_busy: float
) -> list[Kind]:
    """The questions of a worker by kind, for the queue."""
    far = _far(calibration, worker)
    stretched = far.away / max(_LEAST_IDLE, 1 - others_busy)
    made = []
    for path, share in found.parts.items():
        family, _, number = path.partition("-")
        asks = int(number) if family in ("cold", "missing") else 0
        cost = found.mixing * calibration.us(path) / 1e6
        if asks:
            service = cost - (1 + asks) * (worker.turn + far.turn) / BATCH
            made.append(Kind(share, max(0.0, service), asks, stretched, far.around, far.turn))
        else:
            service = cost - worker.turn / BATCH
            made.append(Kind(share, max(0.0, service), base=worker.around))
    return made


@dataclass(frozen=True, slots=True)
class _Far:
    """What is so of questions that others are asked for, in seconds.

    Attributes:
        away: what one of the others takes.
        turn: see ``queueing.Kind``.
        around: what they take besides.
    """

    away: float
    turn: float
    around: Spread


def _far(calibration: Calibration, worker: Worker) -> _Far:
    """From misses alone, and at half of what a worker can do."""
    return _fitted_far(
        calibration.us("cold-1") / 1e6,
        calibration.us("cold-1", "enterprise") / 1e6,
        worker,
        calibration.latency["miss"],
        calibration.latency["half-miss"],
    )


@lru_cache(maxsize=64)
def _fitted_far(
    cold: float, enterprise: float, worker: Worker, alone: Latencies, half: Latencies
) -> _Far:
    """The turn with which a worker spends, at half of what it can do, what was measured there."""
    around = worker.around.values[0]
    idle = max(_LEAST_IDLE, 1 - HALF_LOAD * enterprise / cold)

    def away(turn: float) -> float:
        # Alone, a miss is two visits of a worker that has to be woken, and what it is away.
        visits = cold + 2 * ((worker.turn + turn) * (1 - 1 / BATCH) + worker.wake)
        return max(enterprise, alone.p50_us / 1e6 - visits - around)

    def played(turn: float) -> Latency:
        service = max(0.0, cold - 2 * (worker.turn + turn) / BATCH)
        kinds = [Kind(1.0, service, 1, away(turn) / idle, None, turn)]
        rate = HALF_LOAD / cold
        return simulate(rate, kinds, turn=worker.turn, wake=worker.wake, questions=_FIT_QUESTIONS)

    least, most = 0.0, cold
    for _ in range(_FIT_STEPS):
        turn = (least + most) / 2
        least, most = (turn, most) if played(turn).cpu < half.cpu_us / 1e6 else (least, turn)
    found = played(least)
    model = (found.p50, found.p50, found.p90, found.p99, found.p999)
    rest = [max(around, us / 1e6 - ours) for us, ours in zip(_tail(half), model, strict=True)]
    return _Far(away(least), least, Spread(_SHARES, tuple(accumulate(rest, max))))


def _tail(measured: Latencies) -> tuple[float, ...]:
    return (
        measured.p50_us, measured.p50_us, measured.p90_us, measured.p99_us, measured.p999_us,
    )  # fmt: skip
