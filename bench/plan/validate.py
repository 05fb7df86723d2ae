"""Predictions beside runs: three workloads of ``bench.workloads``, on this machine, placed as the
calibration placed things (the recursive node on one core, all others and the client on another).

For each, the planner predicts the rate at which the busier core is full, the hit ratios, and p99 at
half of that rate with Poisson arrivals. Then the workload is run: some rounds of a closed loop, and
some of the open loop. What is compared are medians of the rounds. Every answer must have the right
code and, if its identifier exists, repeat it.

In the closed loop 256 questions are under way; with fewer, those that others are asked about leave
the node's batches half empty.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench.answers import Population
from bench.machine import beside_the_clients, machine_line
from bench.native import Load, Requests
from bench.plan.answering import Answers, Caches, answers, latency
from bench.plan.asking import QUIET, ROLES, Network, Round, closed, median_pace, quietest
from bench.plan.calibrate import IN_FLIGHT
from bench.plan.calibration import HALF_LOAD, Calibration
from bench.plan.demand import Demand, of_workload
from bench.plan.pace import Reference, reference
from bench.plan.queueing import Latency
from bench.plan.sampling import MANY, sample_network, write_questions
from bench.run.nodes import Nodes
from bench.workloads.model import Workload, load_workload
from bench.workloads.names import Asked, questions
from resolver.cluster.state import NodeState

RATE_WITHIN: Final = 0.15
HITS_WITHIN: Final = 0.02
P99_WITHIN: Final = 0.5

_WINDOW: Final = 256
_ROUNDS: Final = 7
_SECONDS: Final = 1.5
_STEPS: Final = 12
_FIRST_RATE: Final = 10_000.0
_TTL_S: Final = 3600.0
_NEGATIVE_TTL_S: Final = 60.0
_LARGE: Final = 1 << 29

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """A workload to be predicted and run.

    Attributes:
        items: products of each of the hundred enterprises.
        asked: questions that are prepared; they go round.
        warm: of these asked before anything counts.
        leaves, routes: entries that have room in the caches; 0: the default budget.
    """

    workload: str
    title: str
    items: int
    asked: int
    warm: int
    leaves: int = 0
    routes: int = 0


CASES: Final = (
    Case("zipf", "Zipf 0.9, cache a fifth of all", 200, 150_000, 40_000, leaves=4_000),
    Case("enterprise", "items once, routes do not all fit", 1_000, 100_000, 8_000, 1_000, 60),
    Case("errors", "misspelt and malformed among known", 100, 150_000, 60_000),
)


def validate(
    folder: Path,
    calibration: Calibration,
    tell: Tell,
    cases: Sequence[Case] = CASES,
    rounds: int = _ROUNDS,
    seconds: float = _SECONDS,
) -> dict[str, Any]:
    """Predict and run all cases; what came of it.

    Raises:
        ResolverError: a network does not start, or an answer is not right.
    """
    rows = []
    with beside_the_clients(), reference(folder / "reference") as paced:
        for case in cases:
            tell(f"{case.workload}: {case.title}")
            row = _row(case, folder / case.workload, calibration, paced, rounds, seconds)
            rows.append(row)
    return {
        "machine": machine_line(),
        "calibration": {
            "made": calibration.made.isoformat(),
            "machine": calibration.machine,
        },
        "rounds": rounds,
        "seconds": seconds,
        "quiet": QUIET,
        "goals": {"throughput": RATE_WITHIN, "hits": HITS_WITHIN, "p99": P99_WITHIN},
        "cases": rows,
        "met": all(figure["met"] for row in rows for figure in row["figures"]),
    }


def native_part(workload: Workload) -> Workload:
    """What a workload's clients over UDP ask recursive nodes for: all that the efficient client can
    ask. Several such clients are one, with the mixture of the first."""
    chosen = [c for c in workload.client if c.transport == "udp" and c.server == "recursive"][:1]
    return workload.model_copy(update={"client": tuple(chosen)})


def most(demand: Demand, caches: Caches, calibration: Calibration) -> Answers:
    """What the two cores do at most with a demand, whatever its own rate."""
    rate = demand.rate
    for _ in range(_STEPS):
        found = answers(replace(demand, rate=rate), rate, caches, calibration)
        rate = 1e6 / max(found.cpu_us["recursive"], _beside(found, calibration))
    return replace(found, rate=rate)


def under(demand: Demand, rate: float, caches: Caches, calibration: Calibration) -> Latency:
    """How long answers take if so many questions come a second."""
    found = answers(replace(demand, rate=rate), rate, caches, calibration)
    return latency(found, calibration, _beside(found, calibration) * rate / 1e6)


def _beside(found: Answers, calibration: Calibration) -> float:
    """CPU µs for a question on the core of the client and all other nodes."""
    client = sum(share * calibration.costs[path].client_us for path, share in found.parts.items())
    return client + sum(found.cpu_us[role] for role in ROLES if role != "recursive")


def caches_of(case: Case, calibration: Calibration) -> tuple[Caches, dict[str, Any]]:
    """The caches of a case, as the model and as the node have them."""
    memory = calibration.memory
    leaves = int(case.leaves * memory.leaf_counted) or _LARGE
    routes = int(case.routes * memory.route_counted) or _LARGE
    negatives = 1 << 21
    model = Caches(
        leaves=leaves / memory.leaf_counted,
        routes=routes / memory.route_counted,
        negatives=negatives / memory.negative_counted,
        ttl=_TTL_S,
        negative_ttl=_NEGATIVE_TTL_S,
    )
    return model, {
        "leaves_bytes": leaves,
        "routes_bytes": routes,
        "negatives_bytes": negatives,
    }


def _row(
    case: Case,
    folder: Path,
    calibration: Calibration,
    paced: Reference,
    rounds: int,
    seconds: float,
) -> dict[str, Any]:
    workload = native_part(load_workload(case.workload))
    caches, settings = caches_of(case, calibration)
    with sample_network(folder / "network", case.items, **settings) as running:
        enterprises = [node for node in running.state.nodes if node.role == "enterprise"]
        parents = sum(node.role == "secondary" for node in running.state.nodes)
        population = Population(case.items, {node.prefix: node.port for node in enterprises})
        client = workload.client[0]
        asked = Asked(
            population,
            tuple(node.prefix for node in enterprises),
            client.exponent,
            f"{workload.seed}/{client.name}",
        )
        requests = write_questions(
            folder / "requests", islice(questions(asked, client), case.asked)
        )
        identifiers = float(case.items * len(enterprises))
        sizes = Demand(_FIRST_RATE, identifiers, float(len(enterprises)), float(parents))
        demand = of_workload(workload, sizes)
        nodes = Nodes(running.state, folder / "network")
        asking = _Asking(Network(running.state, paced), running.recursive, requests)
        asking.go_on(closed(count=case.warm, flows=MANY))
        nodes.read()
        load = closed(seconds, flows=MANY, window=_WINDOW)
        full = quietest(rounds, lambda _: asking.go_on(load))
        _, looked = nodes.read()
        hits = {name: hit / max(1.0, hit + miss) for name, (hit, miss) in looked.items()}
        # What others leave of the machine changes from minute to minute; that is not predicted.
        then = calibration.at_pace(median_pace([one.pace for one in full]))
        rate = HALF_LOAD * most(demand, caches, then).rate
        load = replace(load, window=IN_FLIGHT, rate=rate, poisson=workload.seed)
        half = quietest(rounds, lambda _: asking.go_on(load))
    later = calibration.at_pace(median_pace([one.pace for one in half]))
    return _compared(
        case,
        most(demand, caches, then),
        full,
        hits,
        under(demand, rate, caches, later),
        half,
    ) | {
        "asked_at_half": rate,
        "throughput_at_the_calibrations_pace": most(demand, caches, calibration).rate,
        "pace": {
            "hit": then.pace.hit_us / calibration.pace.hit_us,
            "miss": then.pace.miss_us / calibration.pace.miss_us,
        },
    }


class _Asking:
    """Questions that go on where those before have ended."""

    def __init__(self, network: Network, node: NodeState, requests: Requests) -> None:
        self._network, self._node, self._requests = network, node, requests
        self._place = 0

    def go_on(self, load: Load) -> Round:
        """A round."""
        at = replace(load, skip=self._place % self._requests.count)
        # A node that others keep from its core may refuse what it could else answer.
        one = self._network.ask(self._node, self._requests, at, strict=not load.rate)
        self._place += one.figures.sent
        return one


def _compared(
    case: Case,
    predicted: Answers,
    full: Sequence[Round],
    hits: Mapping[str, float],
    took: Latency,
    half: Sequence[Round],
) -> dict[str, Any]:
    rates = [one.answers / one.figures.elapsed for one in full]
    rate = statistics.median(rates)
    p50, p99 = (
        statistics.median(one.figures.latency_us[name] for one in half) / 1e3
        for name in ("p50", "p99")
    )
    figures = [
        _figure("throughput, 1/s", predicted.rate, rate, predicted.rate / rate - 1, RATE_WITHIN),
        *(
            _figure(
                f"{name} hits",
                predicted.hits[name],
                hits[name],
                predicted.hits[name] - hits[name],
                HITS_WITHIN,
            )
            for name in ("leaf", "route")
            if name in hits and (name == "leaf" or case.routes)
        ),
        _figure("p99, ms", took.p99 * 1e3, p99, took.p99 * 1e3 / p99 - 1, P99_WITHIN),
    ]
    return {
        "workload": case.workload,
        "title": case.title,
        "figures": figures,
        "cpu_us": {
            "predicted": predicted.cpu_us["recursive"],
            "measured": statistics.median(one.cpu_us["recursive"] for one in full),
        },
        "p50_ms": {"predicted": took.p50 * 1e3, "measured": p50},
        "troubles": [one.figures.trouble() for one in half if one.figures.trouble()],
        "rounds": {
            "rate": rates,
            "p99_us": [one.figures.latency_us["p99"] for one in half],
            "stolen": [one.stolen for one in (*full, *half)],
        },
    }


def _figure(
    what: str, predicted: float, measured: float, error: float, within: float
) -> dict[str, Any]:
    return {
        "what": what,
        "predicted": predicted,
        "measured": measured,
        "error": error,
        "within": within,
        "met": abs(error) <= within,
    }
