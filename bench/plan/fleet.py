"""The nodes that a demand takes, tier by tier, and what becomes of them when one is lost.

A recursive node is a machine with a worker on each core; the kernel shares questions out among
workers, and whoever is in front among machines. Every worker sees the same mixture, so the more
workers there are, the less often each is asked for the same thing, and the fewer hits it has: their
number is found by trying. Secondary nodes are as many as there are. Enterprise nodes are their
enterprises' own; what all of them do together is told, and what the busiest does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, isinf
from typing import Any, Final

from bench.plan.answering import Answers, Caches, answers, latency
from bench.plan.calibration import Calibration
from bench.plan.demand import Demand
from bench.plan.queueing import Latency
from resolver.model.errors import ConfigError

MIB: Final = 1 << 20
_STEPS: Final = 8
_CLOSE: Final = 0.01
_GROWTH: Final = 1.1
_LEAST_LOAD: Final = 0.05
"""Utilisation below which more workers would not make answers come sooner."""


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to run it on, and what is wanted.

    Attributes:
        cores, memory: of a machine; bytes.
        leaves, routes, negatives: budgets of a recursive node's caches, in bytes.
        record: what a record takes, as a multiple of those of the calibration.
        load: utilisation of cores at most, of what they can do.
        p99_s: goal; infinite for none.
        spare: recursive nodes that may be lost.
    """

    cores: int = 16
    memory: float = 64.0 * 1024 * MIB
    leaves: float = 512.0 * MIB
    routes: float = 64.0 * MIB
    negatives: float = 2.0 * MIB
    record: float = 1.0
    ttl: float = 3600.0
    negative_ttl: float = 60.0
    policy: str = "sieve"
    prefetch: bool = True
    load: float = 0.5
    p99_s: float = inf
    spare: int = 1

    def caches(self, calibration: Calibration) -> Caches:
        """Those of one worker."""
        memory, share = calibration.memory, 1 / self.cores
        return Caches(
            leaves=self.leaves * share / (memory.leaf_counted * self.record),
            routes=self.routes * share / memory.route_counted,
            negatives=self.negatives * share / memory.negative_counted,
            ttl=self.ttl,
            negative_ttl=self.negative_ttl,
            policy=self.policy,
            prefetch=self.prefetch,
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """A plan.

    Attributes:
        nodes: recursive ones, without spare ones.
        worker: what each of their workers does.
        cores: role → cores' worth of CPU, at the utilisation that is wanted.
        latency: None if it was not asked for.
        others_busy: utilisation of the nodes that are asked.
    """

    nodes: int
    worker: Answers
    cores: Mapping[str, float]
    latency: Latency | None
    others_busy: float

    @property
    def load(self) -> float:
        """Utilisation of the recursive nodes' cores."""
        return self.worker.rate * self.worker.cpu_us["recursive"] / 1e6


def fleet(
    demand: Demand, room: Room, calibration: Calibration, *, with_latency: bool = True
) -> Fleet:
    """The fewest recursive nodes that keep within the utilisation, and the goal for p99.

    Raises:
        ConfigError: no number of nodes keeps the goal.
    """
    caches = room.caches(calibration)

    def tried(nodes: float) -> Answers:
        return answers(demand, demand.rate / (nodes * room.cores), caches, calibration)

    workers, found = _enough(demand, room, calibration)
    nodes = ceil(workers / room.cores - 1e-9)
    if not with_latency:
        return Fleet(nodes, found, _cores(demand, found, room), None, room.load)
    found = tried(nodes)
    took = latency(found, calibration, room.load)
    if took.p99 > room.p99_s:
        load = found.rate * found.cpu_us["recursive"] / 1e6
        least = latency(tried(nodes * max(1.0, load / _LEAST_LOAD)), calibration, room.load)
        if least.p99 > room.p99_s:
            raise ConfigError(
                f"no number of nodes keeps p99 at {room.p99_s * 1e3:g} ms: on cores that are hardly"
                f" used it is {least.p99 * 1e3:.2f} ms already; allow more (--p99), or have more"
                " hits (--cache, --ttl)"
            )
    while took.p99 > room.p99_s:
        nodes = max(nodes + 1, ceil(nodes * _GROWTH))
        found = tried(nodes)
        took = latency(found, calibration, room.load)
    return Fleet(nodes, found, _cores(demand, found, room), took, room.load)


def _enough(demand: Demand, room: Room, calibration: Calibration) -> tuple[float, Answers]:
    """Workers, not rounded, whose utilisation is what is wanted; and what each of them does."""
    caches = room.caches(calibration)
    needed = demand.rate * calibration.us("cold-1") / 1e6 / room.load
    for _ in range(_STEPS):
        workers = max(1.0, needed)
        found = answers(demand, demand.rate / workers, caches, calibration)
        needed = max(1.0, demand.rate * found.cpu_us["recursive"] / 1e6 / room.load)
        if abs(needed - workers) <= _CLOSE * workers:
            break
    return needed, found


def _cores(demand: Demand, found: Answers, room: Room) -> dict[str, float]:
    return {role: demand.rate * us / 1e6 / room.load for role, us in found.cpu_us.items()}


# ---------------------------------------------------------------- memory, and the loss of a node


def memory_of(plan: Fleet, room: Room, calibration: Calibration) -> float:
    """Bytes that a recursive node takes: its processes, and what their caches hold."""
    memory = calibration.memory
    process = memory.process.get("recursive", 0.0)
    leaf = min(plan.worker.entries, room.caches(calibration).leaves) * memory.leaf * room.record
    return room.cores * (process + leaf) + room.routes + 2 * room.negatives


def losses(
    demand: Demand, room: Room, plan: Fleet, calibration: Calibration
) -> dict[str, dict[str, Any]]:
    """What it costs to lose a node of each tier."""
    return {
        "recursive": _lost_recursive(demand, room, plan, calibration),
        "secondary": _lost_secondary(demand, plan),
        "top-level": _lost_top(plan),
    }


def _lost_recursive(
    demand: Demand, room: Room, plan: Fleet, calibration: Calibration
) -> dict[str, Any]:
    nodes = plan.nodes + room.spare
    worker = demand.rate / (nodes * room.cores)
    normal = answers(demand, worker, room.caches(calibration), calibration)
    # One that comes back has nothing cached: whatever it is asked for is a miss at first.
    cold = calibration.us("cold-1") * sum(
        share for path, share in normal.parts.items() if path not in ("malformed", "not-found")
    )
    served = min(worker, 1e6 / cold) if cold else worker
    entries = min(normal.entries, room.caches(calibration).leaves)
    upstream = sum(share for path, share in normal.parts.items() if path.startswith("cold"))
    told: dict[str, Any] = {
        "nodes": nodes,
        "load_before": worker * normal.cpu_us["recursive"] / 1e6,
        "cold_node_answers_a_second": served * room.cores,
        "cold_node_is_asked_a_second": worker * room.cores,
        "refill_seconds": entries / served if served else 0.0,
        "asked_of_others_a_second": demand.rate * upstream,
        "asked_of_others_while_cold": demand.rate * upstream * (nodes - 1) / nodes
        + served * room.cores,
    }
    if nodes == 1:
        return told | {"load_after": None, "p99_ms_after": None}
    rest = answers(
        demand, demand.rate / ((nodes - 1) * room.cores), room.caches(calibration), calibration
    )
    load = rest.rate * rest.cpu_us["recursive"] / 1e6
    p99 = latency(rest, calibration, plan.others_busy).p99
    return told | {"load_after": load, "p99_ms_after": None if isinf(p99) else p99 * 1e3}


def _lost_secondary(demand: Demand, plan: Fleet) -> dict[str, Any]:
    """Enterprises below it whose routes are cached are found on, and for a day after the routes'
    lives (serve_stale); others are not."""
    far = sum(plan.worker.parts.get(path, 0.0) for path in ("cold-2", "cold-3"))
    return {
        "questions_a_second_that_fail": demand.rate * far / demand.secondaries,
        "share_that_fails": far / demand.secondaries,
    }


def _lost_top(plan: Fleet) -> dict[str, Any]:
    return {"share_that_fails": plan.worker.parts.get("cold-3", 0.0)}
