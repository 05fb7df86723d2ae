"""Measuring what ``wuhan plan`` has to know of a machine, with the benchmarks that are there.

Three things are started in turn: a network whose recursive node has everything in its cache in the
end, one that remembers nothing, and the measurements of ``bench.paths`` for the other transports.
The records are the sample records of the enterprises, which the workloads ask for too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.answers import MALFORMED, Population, Question
from bench.machine import beside_the_clients, machine_line, resident
from bench.native import Load, Requests
from bench.network import BenchNetwork, metric
from bench.paths import authoritative, batch, http, tcp
from bench.paths.common import Measure, Options
from bench.plan.asking import (
    ROLES,
    TRIES,
    Network,
    Round,
    Told,
    closed,
    cost_of,
    latencies_of,
    median_pace,
    quietest,
)
from bench.plan.calibration import (
    HALF_LOAD,
    MIXTURE,
    Calibration,
    Cost,
    Latencies,
    Memory,
    Pace,
    Role,
    now,
)
from bench.plan.pace import Reference, reference
from bench.plan.refusals import cost_of_refusals
from bench.plan.sampling import MANY, records_above, sample_network, write_questions
from resolver.__about__ import __version__
from resolver.cluster.state import data_paths
from resolver.model.codes import ResponseCode

IN_FLIGHT: Final = 16_384
"""Of an open loop at most; what cannot be sent is late, and shows."""

_FORGETFUL: Final = {"ttl_cap_s": 0.0, "negative_ttl_s": 0.0, "failure_ttl_s": 0.0}
_HOT: Final = 10_000
_PAGES: Final = 1_000
_KNOWN_ABSENT: Final = 500
_NO_SUCH_NAME: Final = int(ResponseCode.HANDLE_NOT_FOUND)
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
        latency_rounds: of those in which latency is measured; p99 varies more than CPU does.
        alone: questions one at a time, of each of these rounds.
        hits, misses: questions that tell the pace, beside each round.
        source: the network that is started.
    """

    rounds: int = 5
    seconds: float = 0.8
    records: int = 30_000
    latency_rounds: int = 7
    alone: int = 500
    hits: int = 8_000
    misses: int = 1_500
    source: str = "wuhan"

    @property
    def share(self) -> int:
        """Records of one round."""
        return self.records // self.rounds

    @property
    def latency_share(self) -> int:
        """Records of a round in which latency is measured."""
        return self.share // 2


QUICK: Final = Effort(
    rounds=1,
    seconds=0.15,
    records=600,
    latency_rounds=1,
    alone=60,
    hits=2_000,
    misses=200,
    source="minimal",
)


def calibrate(folder: Path, effort: Effort, tell: Told, *, quick: bool = False) -> Calibration:
    """Measure; ``folder`` is empty, and holds networks meanwhile.

    Raises:
        ResolverError: a network does not start, or an answer is not right.
    """
    costs: dict[str, Cost] = {}
    with (
        beside_the_clients(),
        reference(folder / "reference", effort.hits, effort.misses) as paced,
    ):
        latency, memory, paces = _warm(folder, effort, costs, tell, paced)
        paces += _cold(folder, effort, costs, tell, paced)
    pace = median_pace(paces)
    costs = {path: cost.times(pace.of(path)) for path, cost in costs.items()}
    latency = {name: found.times(pace.of(name), pace.tail(name)) for name, found in latency.items()}
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
        pace=pace,
        costs=costs,
        latency=latency,
        memory=memory,
    )


class _Meter:
    """Asks the recursive node of a network, round by round."""

    def __init__(self, running: BenchNetwork, effort: Effort, paced: Reference) -> None:
        self.network: Final = Network(running.state, paced)
        self.node: Final = running.recursive
        self._effort: Final = effort

    def again(self, requests: Requests, load: Load, rounds: int = 0) -> list[Round]:
        """The same in every round, after one that does not count.

        Args:
            rounds: 0 for the usual number.
        """
        self.network.ask(self.node, requests, load)
        rounds = rounds or self._effort.rounds
        return quietest(rounds, lambda _: self.network.ask(self.node, requests, load))

    def anew(
        self,
        requests: Requests,
        count: int,
        start: int = 0,
        window: int = 128,
        rate: float = 0.0,
        rounds: int = 0,
    ) -> list[Round]:
        """So many in every round that were never asked for, from number ``start`` on.

        Args:
            rate: a second, by chance; 0 for a closed loop.
            rounds: 0 for the usual number.
        """
        load = _open(count / rate, rate) if rate else closed(window=window, flows=min(window, MANY))
        load = replace(load, count=count)

        def ask(number: int) -> Round:
            at = replace(load, skip=start + number * count)
            return self.network.ask(self.node, requests, at, strict=not rate)

        return quietest(rounds or self._effort.rounds, ask)

    def half(self, path: str, cost: Cost) -> float:
        """Questions a second that are half of what the node can do now."""
        return HALF_LOAD * 1e6 / (cost.cpu_us["recursive"] * self.network.paces[-1].of(path))


def _warm(
    folder: Path, effort: Effort, costs: dict[str, Cost], tell: Told, paced: Reference
) -> tuple[dict[str, Latencies], Memory, list[Pace]]:
    """What a node does that remembers, and what remembering takes."""
    tell("start")
    spread, rounds_of_latency = TRIES * effort.records, effort.latency_rounds
    lonely = spread + TRIES * rounds_of_latency * effort.alone
    wanted = lonely + TRIES * rounds_of_latency * effort.latency_share
    with _sampled(folder / "warm", effort, wanted) as (running, products):
        meter = _Meter(running, effort, paced)
        process = _processes(meter.network)
        requests = write_questions(folder / "products", products)
        routes = len(products) - wanted
        meter.network.ask(meter.node, requests, closed(count=routes, skip=wanted))
        before = _known(meter)
        tell("cold-1")
        rounds = meter.anew(requests, effort.share)
        costs["cold-1"] = cost_of("cold-1", rounds, ("recursive", "enterprise"))
        grown = [now - then for now, then in zip(_known(meter), before, strict=True)]
        tell("a miss alone")
        alone = meter.anew(requests, effort.alone, spread, window=1, rounds=rounds_of_latency)
        tell("misses at half the load")
        rate = meter.half("cold-1", costs["cold-1"])
        busy = meter.anew(
            requests, effort.latency_share, lonely, rate=rate, rounds=rounds_of_latency
        )
        hot = write_questions(folder / "hot", products[: min(_HOT, effort.records)])
        for name, flows in (("udp", 1), ("udp-many", MANY)):
            tell(name)
            rounds = meter.again(hot, closed(effort.seconds, flows=flows))
            costs[name] = cost_of(name, rounds, ("recursive",))
        latency = {
            "miss": latencies_of("miss", alone),
            "half-miss": latencies_of("half-miss", busy),
        }
        tell("a hit alone")
        rounds = meter.again(hot, closed(effort.seconds / 2, window=1), rounds_of_latency)
        latency["hit"] = latencies_of("hit", rounds)
        tell("hits at half the load")
        load = _open(effort.seconds, meter.half("udp-many", costs["udp-many"]))
        latency["half"] = latencies_of("half", meter.again(hot, load, rounds_of_latency))
        tell("missing-1")
        absent = _absent(products, spread)
        requests = write_questions(folder / "absent", absent)
        rounds = meter.anew(requests, effort.share)
        costs["missing-1"] = cost_of("missing-1", rounds, ("recursive", "enterprise"))
        known = absent[: effort.rounds * effort.share][-min(_KNOWN_ABSENT, effort.share) :]
        for name, questions in (("not-found", known), ("malformed", MALFORMED)):
            tell(name)
            requests = write_questions(folder / name, questions)
            rounds = meter.again(requests, closed(effort.seconds, flows=MANY))
            costs[name] = cost_of(name, rounds, ("recursive",))
        tell("mixed")
        mixture = _mixture(products[:_HOT], known, TRIES * effort.rounds * effort.share)
        rounds = meter.anew(write_questions(folder / "mixed", mixture), effort.share)
        costs["mixed"] = cost_of("mixed", rounds, ("recursive", "enterprise"))
        counted = {
            kind: metric(meter.node, "wuhan_cache_bytes", **{"class": kind})
            / max(1.0, metric(meter.node, "wuhan_cache_entries", **{"class": kind}))
            for kind in ("leaf", "route", "negative")
        }
        memory = Memory(
            leaf=max(0.0, grown[0] / max(1.0, grown[1])),
            leaf_counted=counted["leaf"],
            route_counted=counted["route"],
            negative_counted=counted["negative"],
            stored=_stored(folder / "warm", running),
            process=process,
        )
    return latency, memory, meter.network.paces


def _known(meter: _Meter) -> tuple[float, float]:
    """Resident memory of the node, in octets, and the records that it has cached."""
    resident_octets = resident(meter.network.pids("recursive"))
    return resident_octets, metric(meter.node, "wuhan_cache_entries", **{"class": "leaf"})


def _cold(
    folder: Path, effort: Effort, costs: dict[str, Cost], tell: Told, paced: Reference
) -> list[Pace]:
    """What a node does that remembers nothing, and what refusals cost; paces."""
    tell("start")
    wanted = TRIES * effort.records
    with _sampled(folder / "cold", effort, wanted, **_FORGETFUL) as (running, products):
        meter = _Meter(running, effort, paced)
        parents = [node.prefix for node in running.state.nodes if node.role == "secondary"]
        each = -(-wanted // len(parents))
        above = [
            Question(handle, values=values)
            for pairs in zip(*(records_above(prefix, each) for prefix in parents), strict=True)
            for handle, values in pairs
        ]
        for name, questions, roles in (("cold-2", above, ROLES[:3]), ("cold-3", products, ROLES)):
            tell(name)
            requests = write_questions(folder / name, questions)
            costs[name] = cost_of(name, meter.anew(requests, effort.share), roles)
        tell("shed")
        costs["shed"] = cost_of_refusals(
            meter.network, meter.node, folder / "names", effort.rounds, effort.seconds
        )
    return meter.network.paces


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


def _mixture(
    cached: Sequence[Question], known_absent: Sequence[Question], count: int
) -> list[Question]:
    """``MIXTURE``, in an order by chance."""
    sources: dict[str, Callable[[int], Question]] = {
        "udp-many": lambda n: cached[n % len(cached)],
        "missing-1": lambda n: Question(f"{cached[n % len(cached)].handle}-new-{n}", _NO_SUCH_NAME),
        "not-found": lambda n: known_absent[n % len(known_absent)],
        "malformed": lambda n: MALFORMED[n % len(MALFORMED)],
    }
    draw = Random(1)
    kinds = draw.choices(list(MIXTURE), weights=list(MIXTURE.values()), k=count)
    return [sources[kind](number) for number, kind in enumerate(kinds)]


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
