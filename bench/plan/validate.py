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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench.answers import Population
from bench.machine import beside_the_clients, client_core, machine_line
from bench.native import Load, Requests
from bench.plan.answering import HALF_LOAD, Answers, Caches, answers, latency
from bench.plan.asking import ROLES, Network, Round, closed, sample_network, write_questions
from bench.plan.calibrate import IN_FLIGHT, MANY
from bench.plan.calibration import Calibration
from bench.plan.demand import Demand, of_workload
from bench.run.nodes import Nodes
from bench.workloads.model import Workload, load_workload
from bench.workloads.names import Asked, questions

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


@dataclass(slots=True)
class Run:
    """What was measured."""

    rate: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    p50_us: list[float] = field(default_factory=list)
    pace_us: list[float] = field(default_factory=list)
    hits: Mapping[str, float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


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
    with beside_the_clients():
        for case in cases:
            tell(f"{case.workload}: {case.title}")
            row = _row(case, folder / case.workload, calibration, rounds, seconds)
            rows.append(row)
    return {
        "machine": machine_line(),
        "calibration": {
            "made": calibration.made.isoformat(),
            "machine": calibration.machine,
        },
        "rounds": rounds,
        "seconds": seconds,
        "goals": {"throughput": RATE_WITHIN, "hits": HITS_WITHIN, "p99": P99_WITHIN},
        "cases": rows,
        "met": all(figure["met"] for row in rows for figure in row["figures"]),
    }


def native_part(workload: Workload) -> Workload:
    """What a workload's clients over UDP ask recursive nodes for: all that the efficient client can
    ask. Several such clients are one, with the mixture of the first."""
    chosen = [c for c in workload.client if c.transport == "udp" and c.server == "recursive"][:1]
    return workload.model_copy(update={"client": tuple(chosen)})


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of a case: what a worker does at its most and at half of that."""

    rate: float
    full: Answers
    half: Answers
    p99_s: float
    p50_s: float


def predict(demand: Demand, caches: Caches, calibration: Calibration) -> Prediction:
    """What the two cores do with a demand, whatever its own rate."""
    rate = demand.rate
    full = answers(demand, rate, caches, calibration)
    for _ in range(_STEPS):
        full = answers(replace(demand, rate=rate), rate, caches, calibration)
        rate = 1e6 / max(full.cpu_us["recursive"], _beside(full, calibration))
    rate_of_half = HALF_LOAD * rate
    half = answers(replace(demand, rate=rate_of_half), rate_of_half, caches, calibration)
    busy = _beside(half, calibration) * rate_of_half / 1e6
    took = latency(half, calibration, busy)
    return Prediction(rate, full, half, took.p99, took.p50)


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
    case: Case, folder: Path, calibration: Calibration, rounds: int, seconds: float
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
        network, node = Network(running.state), running.recursive
        place = case.warm
        network.ask(node, requests, closed(count=case.warm, flows=MANY))
        nodes.read()
        run = Run()
        for one in _rounds(
            network,
            running.recursive,
            requests,
            place,
            closed(seconds, flows=MANY, window=_WINDOW),
            rounds,
        ):
            run.rate.append(one.answers / one.figures.elapsed)
            run.cpu_us.append(one.cpu_us["recursive"])
            run.pace_us.append(one.pace_us)
            place += one.figures.sent
        _, looked = nodes.read()
        run.hits = {name: hit / max(1.0, hit + miss) for name, (hit, miss) in looked.items()}
        # What others leave of the machine changes from minute to minute; that is not predicted.
        now = calibration.at_pace(statistics.median(run.pace_us))
        predicted = predict(demand, caches, now)
        plain = predict(demand, caches, calibration)
        load = Load(
            seconds=seconds,
            window=IN_FLIGHT,
            flows=MANY,
            rate=HALF_LOAD * predicted.rate,
            poisson=workload.seed,
            timeout=5.0,
            core=client_core(),
        )
        for one in _rounds(network, node, requests, place, load, rounds):
            run.p99_us.append(one.figures.latency_us["p99"])
            run.p50_us.append(one.figures.latency_us["p50"])
            if one.figures.trouble():
                run.troubles.append(one.figures.trouble())
    return _compared(case, predicted, run) | {
        "pace": now.pace_us / calibration.pace_us,
        "throughput_error_at_the_calibrations_pace": plain.rate / statistics.median(run.rate) - 1,
    }


def _rounds(
    network: Network, node: Any, requests: Requests, place: int, load: Load, rounds: int
) -> Iterator[Round]:
    """Rounds that go on in the questions where the one before has ended."""
    for _ in range(rounds):
        at = replace(load, skip=place % requests.count)
        # A node that others keep from its core may refuse what it could else answer.
        one = network.ask(node, requests, at, strict=not load.rate)
        place += one.figures.sent
        yield one


def _compared(case: Case, predicted: Prediction, run: Run) -> dict[str, Any]:
    rate, p99 = statistics.median(run.rate), statistics.median(run.p99_us) / 1e3
    figures = [
        _figure("throughput, 1/s", predicted.rate, rate, predicted.rate / rate - 1, RATE_WITHIN),
        *(
            _figure(
                f"{name} hits",
                predicted.full.hits[name],
                run.hits[name],
                predicted.full.hits[name] - run.hits[name],
                HITS_WITHIN,
            )
            for name in ("leaf", "route")
            if name in run.hits and (name == "leaf" or case.routes)
        ),
        _figure("p99, ms", predicted.p99_s * 1e3, p99, predicted.p99_s * 1e3 / p99 - 1, P99_WITHIN),
    ]
    return {
        "workload": case.workload,
        "title": case.title,
        "figures": figures,
        "asked_at_half": HALF_LOAD * predicted.rate,
        "cpu_us": {
            "predicted": predicted.full.cpu_us["recursive"],
            "measured": statistics.median(run.cpu_us),
        },
        "p50_ms": {
            "predicted": predicted.p50_s * 1e3,
            "measured": statistics.median(run.p50_us) / 1e3,
        },
        "troubles": run.troubles,
        "rounds": {"rate": run.rate, "p99_us": run.p99_us},
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
