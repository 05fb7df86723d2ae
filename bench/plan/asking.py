"""Loads on a network whose nodes are told apart: the CPU that each role spent on an answer.

The node that is measured has a core of its own; the client and all other nodes share another.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from bench.machine import Stolen, client_core, cpu_seconds
from bench.native import Figures, Load, NativeError, Requests, run_load
from bench.plan.calibration import Cost, Latencies, Pace, Role
from bench.plan.pace import Reference
from resolver.cluster.state import NetworkState, NodeState

ROLES: Final[tuple[Role, ...]] = get_args(Role)

QUIET: Final = 0.03
"""Of a core's time may be taken by other machines on the same host, that a round counts."""

TRIES: Final = 3
"""Times as many rounds are made at most, to have quiet ones."""

Told = Callable[[str], None]
"""Is told what is measured next."""


@dataclass(frozen=True, slots=True)
class Round:
    """One load.

    Attributes:
        cpu_us: of each role, for an answer of any code.
        pace: of the machine around it.
        stolen: share of a core's time that the machine's host took meanwhile.
    """

    cpu_us: Mapping[Role, float]
    figures: Figures
    answers: int
    pace: Pace
    stolen: float


class Network:
    """A running network, by roles.

    Args:
        reference: tells the machine's pace.
    """

    def __init__(self, state: NetworkState, reference: Reference) -> None:
        self._pids: Final[dict[Role, tuple[int, ...]]] = {
            role: tuple({pid for node in state.nodes if node.role == role for pid in node.pids})
            for role in ROLES
        }
        self._reference: Final = reference
        self.paces: Final[list[Pace]] = []

    def pids(self, role: Role) -> tuple[int, ...]:
        """The processes of a role."""
        return self._pids[role]

    def ask(self, node: NodeState, requests: Requests, load: Load, *, strict: bool = True) -> Round:
        """Ask ``node`` over UDP.

        Args:
            strict: every answer must be right.

        Raises:
            NativeError: one is not.
        """
        tail = bool(load.poisson)
        pace = self._reference.pace(tail=tail)
        stolen, before = Stolen(), self._spent()
        figures = run_load("udp", (node.address, node.port), requests, load)
        after, taken = self._spent(), stolen.share()
        if strict and figures.trouble():
            raise NativeError(f"{figures.trouble()} while {node.name} was asked")
        answers = max(1, sum(figures.codes.values()))
        cost = {role: (after[role] - before[role]) / answers * 1e6 for role in ROLES}
        pace = pace.between(self._reference.pace(tail=tail))
        self.paces.append(pace)
        return Round(cost, figures, answers, pace, taken)

    def _spent(self) -> dict[Role, float]:
        return {role: cpu_seconds(pids) for role, pids in self._pids.items()}


def quietest(count: int, ask: Callable[[int], Round]) -> list[Round]:
    """So many rounds in which the machine was left alone; if there are too few, the quietest.

    Args:
        ask: makes a round; it is told how many there were before.
    """
    made: list[Round] = []
    while len(made) < TRIES * count and sum(one.stolen <= QUIET for one in made) < count:
        made.append(ask(len(made)))
    return sorted(made, key=lambda one: one.stolen)[:count]


def median_pace(paces: Sequence[Pace]) -> Pace:
    """The usual one."""
    tails = [pace.tail_us for pace in paces if pace.tail_us]
    return Pace(
        hit_us=statistics.median(pace.hit_us for pace in paces),
        miss_us=statistics.median(pace.miss_us for pace in paces),
        tail_us=statistics.median(tails) if tails else 0.0,
    )


def cost_of(path: str, rounds: Sequence[Round], roles: Sequence[Role] = ROLES) -> Cost:
    """The medians of some rounds, for the roles that took part, as multiples of the pace."""
    unit = median_pace([one.pace for one in rounds]).of(path)
    totals = [sum(one.cpu_us[role] for role in roles) / unit for one in rounds]
    client = statistics.median(one.figures.client_cpu / one.answers * 1e6 for one in rounds)
    return Cost(
        cpu_us={
            role: statistics.median(one.cpu_us[role] for one in rounds) / unit for role in roles
        },
        least_us=min(totals),
        most_us=max(totals),
        client_us=client / unit,
    )


def latencies_of(name: str, rounds: Sequence[Round]) -> Latencies:
    """The medians of some rounds, as multiples of the pace."""
    pace = median_pace([one.pace for one in rounds])

    def latency(share: str) -> float:
        return statistics.median(one.figures.latency_us[share] for one in rounds)

    return Latencies(
        cpu_us=statistics.median(one.cpu_us["recursive"] for one in rounds) / pace.of(name),
        p50_us=latency("p50") / pace.of(name),
        p90_us=latency("p90") / pace.tail(name),
        p99_us=latency("p99") / pace.tail(name),
        p999_us=latency("p999") / pace.tail(name),
    )


def closed(
    seconds: float = 3600.0, *, window: int = 128, flows: int = 1, count: int = 0, skip: int = 0
) -> Load:
    """A closed loop on the clients' core."""
    return Load(
        seconds=seconds,
        window=window,
        flows=flows,
        count=count,
        skip=skip,
        timeout=5.0,
        core=client_core(),
    )
