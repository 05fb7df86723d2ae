"""Measuring what ``wuhan plan`` has to know of a machine, with the benchmarks that are there.

Three things are started in turn: a network whose recursive node has everything in its cache in the
end, one that remembers nothing, and the measurements of ``bench.paths`` for the other transports.
The records are the sample records of the enterprises, which the workloads ask for too.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.answers import MALFORMED, Population, Question
from bench.machine import beside_the_clients, machine_line, resident
from bench.native import Load, Requests, write_numbered
from bench.network import DIGITS, PREFIX, BenchNetwork, metric
from bench.paths import authoritative, batch, http, tcp
from bench.paths.common import Measure, Options
from bench.plan.answering import HALF_LOAD
from bench.plan.asking import (
    ROLES,
    Network,
    Round,
    Told,
    closed,
    cost_of,
    latencies_of,
    records_above,
    sample_network,
    write_questions,
)
from bench.plan.calibration import Calibration, Cost, Latencies, Memory, Role, now
from bench.speech import handle_request
from resolver.__about__ import __version__
from resolver.cluster.state import data_paths
from resolver.model.codes import ResponseCode

MANY: Final = 64
"""Clients of ``udp-many``."""

IN_FLIGHT: Final = 16_384
"""Of an open loop at most; what cannot be sent is late, and shows."""

_FORGETFUL: Final = {"ttl_cap_s": 0.0, "negative_ttl_s": 0.0, "failure_ttl_s": 0.0}
_HOT: Final = 10_000
_PAGES: Final = 1_000
_KNOWN_ABSENT: Final = 500
_NO_SUCH_NAME: Final = int(ResponseCode.HANDLE_NOT_FOUND)
_NAMES: Final = 10_000_000
_OVERLOADS: Final = (3.0, 10.0)
"""Times as many questions as can be answered."""

_OVERLOAD_WINDOW: Final = 30_000
_ENTERPRISES: Final = 100
"""Of the network ``wuhan``."""

_BLOCK: Final = 512
"""What ``st_blocks`` counts in."""

_PATHS: Final[Mapping[str, tuple[Measure, Role]]] = {
    "tcp": (tcp.measure, "recursive"),
    "http": (http.measure, "recursive"),
    "batch": (batch.measure, "recursive"),
    "authoritative": (authoritative.measure, "enterprise"),
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        records: that are asked for cold, in all rounds together.
        alone: questions one at a time, of each round.
        source: the network that is started.
    """

    rounds: int = 3
    seconds: float = 1.0
    records: int = 24_000
    alone: int = 1_000
    source: str = "wuhan"

    @property
    def share(self) -> int:
        """Records of one round."""
        return self.records // self.rounds


QUICK: Final = Effort(rounds=1, seconds=0.15, records=600, alone=60, source="minimal")


def calibrate(folder: Path, effort: Effort, tell: Told, *, quick: bool = False) -> Calibration:
    """Measure; ``folder`` is empty, and holds networks meanwhile.

    Raises:
        ResolverError: a network does not start, or an answer is not right.
    """
    costs: dict[str, Cost] = {}
    with beside_the_clients():
        latency, memory, paces = _warm(folder, effort, costs, tell)
        paces += _cold(folder, effort, costs, tell)
    pace_us = statistics.median(paces)
    costs = {path: cost.times(pace_us) for path, cost in costs.items()}
    latency = {name: found.times(pace_us) for name, found in latency.items()}
    # In the first round over HTTP the application makes all answers; it is not the median.
    rounds = max(3, effort.rounds)
    for name, (measure, role) in _PATHS.items():
        tell(name)
        place = folder / name
        place.mkdir()
        names = min(_PAGES if name == "http" else _HOT, effort.records)
        records = max(300, 5 * effort.records)
        row = measure(place, Options(names, rounds, effort.seconds, records=records)).rows[0]
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
        pace_us=pace_us,
        costs=costs,
        latency=latency,
        memory=memory,
    )


class _Meter:
    """Asks the recursive node of a network, round by round."""

    def __init__(self, running: BenchNetwork, effort: Effort) -> None:
        self.network: Final = Network(running.state)
        self.node: Final = running.recursive
        self._effort: Final = effort

    def again(self, requests: Requests, load: Load) -> list[Round]:
        """The same in every round, after one that does not count."""
        self.network.ask(self.node, requests, load)
        return [self.network.ask(self.node, requests, load) for _ in range(self._effort.rounds)]

    def anew(
        self, requests: Requests, count: int, start: int = 0, window: int = 128
    ) -> list[Round]:
        """So many in every round that were never asked for, from number ``start`` on."""
        return [
            self.network.ask(
                self.node,
                requests,
                closed(
                    count=count,
                    skip=start + number * count,
                    window=window,
                    flows=min(window, MANY),
                ),
            )
            for number in range(self._effort.rounds)
        ]


def _warm(
    folder: Path, effort: Effort, costs: dict[str, Cost], tell: Told
) -> tuple[dict[str, Latencies], Memory, list[float]]:
    """What a node does that remembers, and what remembering takes."""
    tell("start")
    wanted = 2 * effort.records + effort.rounds * effort.alone
    with _sampled(folder / "warm", effort, wanted) as (running, products):
        meter = _Meter(running, effort)
        process = _processes(meter.network)
        requests = write_questions(folder / "products", products)
        routes = len(products) - wanted
        meter.network.ask(meter.node, requests, closed(count=routes, skip=wanted))
        before = resident(meter.network.pids("recursive"))
        tell("cold-1")
        costs["cold-1"] = cost_of(meter.anew(requests, effort.share), ("recursive", "enterprise"))
        grown = resident(meter.network.pids("recursive")) - before
        tell("a miss alone")
        alone = meter.anew(requests, effort.alone, 2 * effort.records, window=1)
        tell("misses at half the load")
        rate = HALF_LOAD * 1e6 / (costs["cold-1"].cpu_us["recursive"] * meter.network.paces[-1])
        seconds = effort.share / rate
        load = replace(_open(seconds, rate), count=effort.share)
        busy = [
            meter.network.ask(
                meter.node,
                requests,
                replace(load, skip=effort.records + number * effort.share),
                strict=False,
            )
            for number in range(effort.rounds)
        ]
        hot = write_questions(folder / "hot", products[: min(_HOT, effort.records)])
        for name, flows in (("udp", 1), ("udp-many", MANY)):
            tell(name)
            rounds = meter.again(hot, closed(effort.seconds, flows=flows))
            costs[name] = cost_of(rounds, ("recursive",))
        latency = {"miss": latencies_of(alone), "half-miss": latencies_of(busy)}
        tell("a hit alone")
        latency["hit"] = latencies_of(meter.again(hot, closed(effort.seconds, window=1)))
        tell("hits at half the load")
        rate = HALF_LOAD * 1e6 / (costs["udp-many"].cpu_us["recursive"] * meter.network.paces[-1])
        load = _open(effort.seconds, rate)
        latency["half"] = latencies_of(meter.again(hot, load))
        tell("missing-1")
        absent = _absent(products, effort.records)
        requests = write_questions(folder / "absent", absent)
        costs["missing-1"] = cost_of(
            meter.anew(requests, effort.share), ("recursive", "enterprise")
        )
        known = absent[: effort.rounds * effort.share][-min(_KNOWN_ABSENT, effort.share) :]
        for name, questions in (("not-found", known), ("malformed", MALFORMED)):
            tell(name)
            requests = write_questions(folder / name, questions)
            costs[name] = cost_of(
                meter.again(requests, closed(effort.seconds, flows=MANY)), ("recursive",)
            )
        counted = {
            kind: metric(meter.node, "wuhan_cache_bytes", **{"class": kind})
            / max(1.0, metric(meter.node, "wuhan_cache_entries", **{"class": kind}))
            for kind in ("leaf", "route", "negative")
        }
        memory = Memory(
            leaf=max(0.0, grown / (effort.rounds * effort.share)),
            leaf_counted=counted["leaf"],
            route_counted=counted["route"],
            negative_counted=counted["negative"],
            stored=_stored(folder / "warm", running),
            process=process,
        )
    return latency, memory, meter.network.paces


def _cold(folder: Path, effort: Effort, costs: dict[str, Cost], tell: Told) -> list[float]:
    """What a node does that remembers nothing, and what refusals cost; paces."""
    tell("start")
    with _sampled(folder / "cold", effort, effort.records, **_FORGETFUL) as (running, products):
        meter = _Meter(running, effort)
        parents = [node.prefix for node in running.state.nodes if node.role == "secondary"]
        each = -(-effort.records // len(parents))
        above = [
            Question(handle, values=values)
            for pairs in zip(*(records_above(prefix, each) for prefix in parents), strict=True)
            for handle, values in pairs
        ]
        for name, questions, roles in (("cold-2", above, ROLES[:3]), ("cold-3", products, ROLES)):
            tell(name)
            requests = write_questions(folder / name, questions)
            costs[name] = cost_of(meter.anew(requests, effort.share), roles)
        tell("shed")
        # The answer that there is no such name does not repeat it.
        question = replace(handle_request(f"{PREFIX}/n-{DIGITS}"), name=b"", right=_NO_SUCH_NAME)
        names = write_numbered(folder / "names", question, DIGITS.encode(), _NAMES)
        costs["shed"] = cost_of(
            [_shed(meter, names, effort) for _ in range(effort.rounds)], ("recursive",)
        )
    return meter.network.paces


def _shed(meter: _Meter, names: Requests, effort: Effort) -> Round:
    """What a refusal costs: two overloads, one of far more questions, in which answers and refusals
    cost the same each; so what they took together tells both."""
    peak = meter.network.ask(meter.node, names, closed(effort.seconds))
    found = []
    for times in _OVERLOADS:
        load = replace(
            closed(effort.seconds, window=_OVERLOAD_WINDOW),
            rate=times * peak.figures.rate,
            timeout=3.0,
        )
        flood = meter.network.ask(meter.node, names, load, strict=False)
        refused = flood.figures.codes.get(str(int(ResponseCode.SERVER_BUSY)), 0)
        spent = flood.cpu_us["recursive"] * flood.answers
        found.append((flood.figures.right, refused, spent))
    (right, refused, spent), (right_2, refused_2, spent_2) = found
    together = right * refused_2 - right_2 * refused
    cost = (right * spent_2 - right_2 * spent) / together if together else 0.0
    return replace(flood, cpu_us={**flood.cpu_us, "recursive": max(0.0, cost)})


@contextmanager
def _sampled(
    folder: Path, effort: Effort, wanted: int, **cache: Any
) -> Iterator[tuple[BenchNetwork, list[Question]]]:
    """A network, and at least so many products of its enterprises in turn, and one of each more."""
    enterprises = 1 if effort.source == "minimal" else _ENTERPRISES
    items = -(-wanted // enterprises) + 1
    with sample_network(
        folder, items, above=wanted if cache else 0, source=effort.source, **cache
    ) as running:
        prefixes = [node.prefix for node in running.state.nodes if node.role == "enterprise"]
        population = Population(items, {})
        products = [
            population.product(prefix, item + 1) for item in range(items) for prefix in prefixes
        ]
        yield running, products


def _open(seconds: float, rate: float) -> Load:
    """So many questions a second by chance, of many clients."""
    return replace(closed(seconds, window=IN_FLIGHT, flows=MANY), rate=rate, poisson=1)


def _absent(products: Sequence[Question], count: int) -> list[Question]:
    """Names that do not exist, of the enterprises of the products, in turn."""
    return [
        Question(f"{products[number].handle}-{number}", _NO_SUCH_NAME) for number in range(count)
    ]


def _processes(network: Network) -> dict[Role, float]:
    """Bytes of a process of each role."""
    return {role: resident(network.pids(role)) / len(network.pids(role)) for role in ROLES}


def _stored(folder: Path, running: BenchNetwork) -> float:
    """Octets on disk for a record of an enterprise."""
    node = running.enterprise
    store = data_paths(folder).node_store(node.name)
    files = [path for path in store.rglob("*") if path.is_file()] if store.is_dir() else [store]
    taken = sum(file.stat().st_blocks for file in files) * _BLOCK
    return taken / max(1.0, metric(node, "wuhan_store_records"))
