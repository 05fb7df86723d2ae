"""Measuring what ``wuhan plan`` has to know of a machine, with the benchmarks that are there.

Three things are started in turn: a network that has all in its cache in the end, one that remembers
nothing, and the measurements of ``bench.paths`` for the transports. The records are the sample
records of the enterprise, as the workloads ask for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.answers import MALFORMED, Population, Question
from bench.machine import beside_the_clients, machine_line, resident
from bench.native import Protocol
from bench.native import Requests, write_numbered
from bench.network import DIGITS, PREFIX, BenchNetwork, metric, minimal_network
from bench.paths import authoritative, batch, http, tcp
from bench.paths.common import Measure, Options
from bench.plan.asking import ROLES, Network, Round, Told, closed, cost_of, latencies_of, write_questions
from bench.plan.calibration import Calibration, Cost, Latencies, Memory, now
from bench.speech import handle_request
from resolver.__about__ import __version__
from resolver.cluster.state import data_paths
from resolver.model.codes import ResponseCode
from secondary_nodes.population import sample_records

MANY: Final = 64
"""Clients of ``udp-many``."""

FORGETFUL: Final = {"cache.ttl_cap": "0s", "cache.negative_ttl": "0s", "cache.failure_ttl": "0s"}
ABOVE: Final = "88.901"
"""Prefix of the secondary node."""

HALF: Final = 0.5
"""Utilisation at which latency under load is measured."""

_HOT: Final = 10_000
_IN_FLIGHT: Final = 16_384
_KNOWN_ABSENT: Final = 500
_NO_SUCH_NAME: Final = int(ResponseCode.HANDLE_NOT_FOUND)
_NAMES: Final = 10_000_000
_OVERLOAD: Final = 4.0
_OVERLOAD_WINDOW: Final = 30_000

_PATHS: Final[Mapping[str, tuple[Measure, str]]] = {
    "tcp": (tcp.measure, "recursive"),
    "http": (http.measure, "recursive"),
    "batch": (batch.measure, "recursive"),
    "authoritative": (authoritative.measure, "enterprise"),
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        records: of the enterprise that are asked for cold, in all rounds together.
        alone: questions one at a time, of each round.
    """

    rounds: int = 3
    seconds: float = 1.0
    records: int = 24_000
    alone: int = 1_000

    @property
    def share(self) -> int:
        """Records of one round."""
        return self.records // self.rounds


QUICK: Final = Effort(rounds=1, seconds=0.15, records=600, alone=60)


def calibrate(folder: Path, effort: Effort, tell: Told, *, quick: bool = False) -> Calibration:
    """Measure; ``folder`` is empty, and holds networks meanwhile.

    Raises:
        ResolverError: a network does not start, or an answer is not right.
    """
    costs: dict[str, Cost] = {}
    with beside_the_clients():
        hit, half, miss, memory = _warm(folder, effort, costs, tell)
        _cold(folder, effort, costs, tell)
    for name, (measure, role) in _PATHS.items():
        tell(name)
        place = folder / name
        place.mkdir()
        names = min(_HOT, effort.records)
        # In the first round over HTTP the application makes all answers; it is not the median.
        rounds = max(3, effort.rounds)
        report = measure(
            place,
            Options(names, rounds, effort.seconds, records=max(300, 5 * effort.records)),
        )
        row = report.rows[0]
        costs[name] = Cost(
            cpu_us={role: row.cpu_us}, least_us=row.least, most_us=row.most, client_us=0.0
        )
    return Calibration(
        made=now(),
        machine=machine_line(),
        version=__version__,
        rounds=effort.rounds,
        seconds=effort.seconds,
        quick=quick,
        costs=costs,
        latency={"hit": hit, "half": half, "miss": miss},
        memory=memory,
    )


def _warm(
    folder: Path, effort: Effort, costs: dict[str, Cost], tell: Told
) -> tuple[Latencies, Latencies, Latencies, Memory]:
    """What a node does that remembers, and what remembering takes."""
    asked = effort.records + effort.rounds * effort.alone
    population = Population(asked, {})
    records = (pair for pair, _ in zip(sample_records(PREFIX, asked), range(asked), strict=False))
    tell("start")
    with minimal_network(folder / "warm", records) as running:
        node, network = running.recursive, Network(running.state)
        running.measure(node)
        process = {role: float(resident(network.pids(role))) for role in ROLES}
        products = [population.product(PREFIX, number) for number in range(1, asked + 1)]
        requests = write_questions(folder / "products", products)
        network.ask(node, requests, closed(count=1, skip=asked - 1, window=1))  # the routes
        before = resident(network.pids("recursive"))
        tell("cold-1")
        rounds = [
            network.ask(node, requests, closed(count=effort.share, skip=number * effort.share))
            for number in range(effort.rounds)
        ]
        costs["cold-1"] = cost_of(rounds, ("recursive", "enterprise"))
        grown = resident(network.pids("recursive")) - before
        tell("idle miss")
        places = range(effort.records, asked - effort.alone + 1, effort.alone)
        alone = [
            network.ask(node, requests, closed(count=effort.alone - 1, skip=place, window=1))
            for place in places
        ]
        miss = latencies_of(alone)
        hot = write_questions(folder / "hot", products[: min(_HOT, effort.records)])
        for name, flows in (("udp", 1), ("udp-many", MANY)):
            tell(name)
            load = closed(effort.seconds, flows=flows)
            network.ask(node, hot, load)  # the first time every look is learnt
            rounds = [network.ask(node, hot, load) for _ in range(effort.rounds)]
            costs[name] = cost_of(rounds, ("recursive",))
        tell("idle hit")
        load = closed(effort.seconds, window=1)
        hit = latencies_of([network.ask(node, hot, load) for _ in range(effort.rounds)])
        tell("busy hit")
        load = replace(
            closed(effort.seconds, window=_IN_FLIGHT),
            rate=HALF * 1e6 / costs["udp"].cpu_us["recursive"],
            poisson=1,
        )
        half = latencies_of([network.ask(node, hot, load) for _ in range(effort.rounds)])
        tell("missing-1")
        absent = [
            population.unique(f"{PREFIX}/n-{number:07d}")
            for number in range(effort.rounds * effort.share)
        ]
        requests = write_questions(folder / "absent", absent)
        rounds = [
            network.ask(node, requests, closed(count=effort.share, skip=number * effort.share))
            for number in range(effort.rounds)
        ]
        costs["missing-1"] = cost_of(rounds, ("recursive", "enterprise"))
        known = absent[-min(_KNOWN_ABSENT, effort.share) :]
        for name, questions in (("not-found", known), ("malformed", MALFORMED)):
            tell(name)
            costs[name] = _again(network, running, folder / name, questions, effort)
        counted = {
            kind: metric(node, "wuhan_cache_bytes", **{"class": kind})
            / max(1.0, metric(node, "wuhan_cache_entries", **{"class": kind}))
            for kind in ("leaf", "route", "negative")
        }
        store = data_paths(folder / "warm").node_store(PREFIX)
        memory = Memory(
            leaf=max(0.0, grown / effort.records),
            leaf_counted=counted["leaf"],
            route_counted=counted["route"],
            negative_counted=counted["negative"],
            stored=sum(file.stat().st_blocks for file in _files(store)) * 512 / asked,
            process=process,
        )
    return hit, half, miss, memory


def _again(
    network: Network,
    running: BenchNetwork,
    path: Path,
    questions: list[Question],
    effort: Effort,
) -> Cost:
    """What questions cost of the recursive node that were asked before."""
    requests, load = write_questions(path, questions), closed(effort.seconds)
    network.ask(running.recursive, requests, load)
    rounds = [network.ask(running.recursive, requests, load) for _ in range(effort.rounds)]
    return cost_of(rounds, ("recursive",))


def _files(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()] if store.is_dir() else [store]


def _cold(folder: Path, effort: Effort, costs: dict[str, Cost], tell: Told) -> None:
    """What a node does that remembers nothing, and what refusals cost when it is too much."""
    count = effort.records
    below = [pair for pair, _ in zip(sample_records(PREFIX, count), range(count), strict=False)]
    above = [(name.replace(PREFIX, ABOVE, 1), values) for name, values in below]
    tell("start")
    with minimal_network(folder / "cold", below, overrides=FORGETFUL, above=above) as running:
        node, network = running.recursive, Network(running.state)
        running.measure(node)
        everything = (("cold-2", above, ROLES[:3]), ("cold-3", below, ROLES))
        for name, records, roles in everything:
            tell(name)
            asked = [Question(handle, values=values) for handle, values in records]
            requests = write_questions(folder / name, asked)
            rounds = [
                network.ask(
                    node, requests, closed(count=effort.share, skip=number * effort.share)
                )
                for number in range(effort.rounds)
            ]
            costs[name] = cost_of(rounds, roles)
        tell("shed")
        # The answer that there is no such name does not repeat it.
        question = replace(handle_request(f"{PREFIX}/n-{DIGITS}"), name=b"", right=_NO_SUCH_NAME)
        names = write_numbered(folder / "names", question, DIGITS.encode(), _NAMES)
        costs["shed"] = cost_of(
            [_shed(network, running, names, effort) for _ in range(effort.rounds)], ("recursive",)
        )


def _shed(network: Network, running: BenchNetwork, names: Requests, effort: Effort) -> Round:
    """What a refusal costs: of an overload, what the answers in it do not account for."""
    peak = network.ask(running.recursive, names, closed(effort.seconds))
    load = replace(
        closed(effort.seconds, window=_OVERLOAD_WINDOW),
        rate=_OVERLOAD * peak.figures.rate,
        timeout=3.0,
    )
    flood = network.ask(running.recursive, names, load, strict=False)
    refused = flood.figures.codes.get(str(int(ResponseCode.SERVER_BUSY)), 0)
    spent = flood.cpu_us["recursive"] * flood.answers
    answered = flood.figures.right * peak.cpu_us["recursive"]
    cost = max(0.0, spent - answered) / max(1, refused)
    return replace(flood, cpu_us={**flood.cpu_us, "recursive": cost})
