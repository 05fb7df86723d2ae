"""Which assumption matters most: each is taken a fifth lower and a fifth higher, one at a time, and
ranked by what that changes of all cores together."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.plan.calibration import ROLES, Calibration
from bench.plan.demand import Demand
from bench.plan.fleet import Room, fleet

BY: Final = 0.2

_Case = tuple[Demand, Room, Calibration]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an assumption changes.

    Attributes:
        value: what is assumed.
        lower, higher: change of all cores, as a share of them, if it is a fifth lower or higher.
    """

    what: str
    value: float
    lower: float
    higher: float

    @property
    def swing(self) -> float:
        """The greater of the two changes."""
        return max(abs(self.lower), abs(self.higher))


def effects(demand: Demand, room: Room, calibration: Calibration) -> list[Effect]:
    """The effect of every assumption, the greatest first."""
    before = _cores((demand, room, calibration))
    found = []
    for what, value, change in _assumptions(demand, room):
        low, high = (
            _cores(change((demand, room, calibration), factor)) / before - 1
            for factor in (1 - BY, 1 + BY)
        )
        found.append(Effect(what, value, low, high))
    return sorted(found, key=lambda effect: -effect.swing)


def _cores(case: _Case) -> float:
    demand, room, calibration = case
    return sum(fleet(demand, room, calibration, with_latency=False).cores.values())


_Change = Callable[[_Case, float], _Case]


def _assumptions(demand: Demand, room: Room) -> Iterator[tuple[str, float, _Change]]:
    for name, title in _OF_DEMAND.items():
        yield title, getattr(demand, name), _of_demand(name)
    if demand.kinds.get("zipf"):
        yield "exponent of identifiers", demand.exponent, _of_demand("exponent")
    if demand.kinds.get("once"):
        yield "exponent of enterprises", demand.skew, _of_demand("skew")
    for kind, share in demand.kinds.items():
        if 0 < share < 1:
            yield f"share of questions: {kind}", share, _of_kind(kind)
    for name, title in _OF_ROOM.items():
        yield title, getattr(room, name), _of_room(name)
    yield "utilisation", room.load, _of_room("load")
    for title, paths in _COSTS.items():
        yield f"CPU of {title}", 1.0, _of_costs(paths)


_OF_DEMAND: Final = {
    "rate": "questions a second",
    "identifiers": "identifiers",
    "enterprises": "enterprises",
    "secondaries": "secondary nodes",
}
_OF_ROOM: Final = {
    "ttl": "life of what is cached, s",
    "leaves": "cache of leaves, bytes",
    "routes": "cache of routes, bytes",
    "record": "size of a record",
}
_COSTS: Final[Mapping[str, tuple[str, ...]]] = {
    "an answer from the cache": ("udp-many", "tcp", "http", "batch"),
    "an answer asked of others": ("cold-1", "cold-2", "cold-3", "missing-1"),
    "a refusal or 'not found' made anew": ("not-found", "malformed"),
}


def _of_demand(name: str) -> _Change:
    return lambda case, factor: (
        replace(case[0], **{name: getattr(case[0], name) * factor}), case[1], case[2],
    )  # fmt: skip


def _of_room(name: str) -> _Change:
    return lambda case, factor: (
        case[0], replace(case[1], **{name: getattr(case[1], name) * factor}), case[2],
    )  # fmt: skip


def _of_kind(kind: str) -> _Change:
    """One share more or less, all others in proportion."""

    def change(case: _Case, factor: float) -> _Case:
        kinds = case[0].kinds
        share = min(1.0, kinds[kind] * factor)
        rest = (1 - share) / (1 - kinds[kind])
        mixed = {name: share if name == kind else part * rest for name, part in kinds.items()}
        return replace(case[0], kinds=mixed), case[1], case[2]

    return change


def _of_costs(paths: tuple[str, ...]) -> _Change:
    def change(case: _Case, factor: float) -> _Case:
        costs = dict(case[2].costs)
        for path in paths:
            cost = costs[path]
            dearer = {role: cost.cpu_us.get(role, 0.0) * factor for role in ROLES}
            costs[path] = cost.model_copy(update={"cpu_us": dearer})
        return case[0], case[1], case[2].model_copy(update={"costs": costs})

    return change
