"""What is asked of a network: how much, about how many things, in which mixture.

Rules: shares are of questions, and add up to 1. A workload of ``bench.workloads`` becomes a demand
by counting its questions; what it does not say (how many identifiers there are) the command does.
Registrations are left out: they go to the enterprise's node, not through the recursive one.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bench.plan.popularity import Group, Groups, uniform_groups, zipf_groups
from bench.workloads.model import WRITERS, ClientModel, Workload
from resolver.model.errors import ConfigError

IDENTIFIERS_OF_ONE: Final = 750_000
"""Identifiers to an enterprise: what is published for the whole network."""

ABSENT_OF_ONE: Final = 300
"""Misspelt names of an enterprise, as the workloads ask for them."""

UNKNOWN_ENTERPRISES: Final = 0.125
"""Share of them that are of an enterprise that does not exist."""

UNKNOWN_OF_ONE: Final = 50
"""Enterprises that do not exist below a secondary node, likewise."""

PATH_OF: Final = {"udp": "udp-many", "tcp": "tcp", "http": "http", "batch": "batch"}
"""Transport → how its answers from the cache are calibrated."""

_KIND_OF: Final = {
    "zipf": "zipf",
    "uniform": "uniform",
    "skewed": "once",
    "scan": "once",
    "flood": "flood",
    "missing": "missing",
    "malformed": "malformed",
    "keys": "prefixes",
    "routes": "prefixes",
}
"""Kind of question of a workload → kind here."""

KINDS: Final = tuple(dict.fromkeys(_KIND_OF.values()))


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked.

    Attributes:
        rate: questions a second.
        exponent: of the Zipf law of identifiers (kind ``zipf``).
        skew: of that of enterprises, whose items are asked for one after another (``once``).
        kinds: shares: ``zipf`` and ``uniform`` identifiers, items asked for ``once`` each,
            ``missing`` ones, a ``flood`` of names that nobody asks for twice, ``malformed``
            messages, what is known of ``prefixes``.
        paths: calibrated path → its share of answers from the cache.
    """

    rate: float
    identifiers: float
    enterprises: float
    secondaries: float
    exponent: float = 0.9
    skew: float = 1.0
    kinds: Mapping[str, float] = field(default_factory=lambda: {"once": 0.95, "missing": 0.05})
    paths: Mapping[str, float] = field(default_factory=lambda: {"udp-many": 1.0})

    def rate_of(self, kind: str) -> float:
        """Questions of a kind a second."""
        return self.rate * self.kinds.get(kind, 0.0)

    def leaves(self, rate: float, entries: float, ttl: float) -> tuple[Groups, float]:
        """What the cache of leaves is asked for by one of several workers, which gets ``rate``
        questions a second: groups, and questions about things that do not come again in time."""
        part = rate / self.rate
        groups: list[Group] = []
        if self.rate_of("zipf"):
            groups += zipf_groups(self.exponent, self.identifiers, part * self.rate_of("zipf"))
        if self.rate_of("uniform"):
            groups += uniform_groups(self.identifiers, part * self.rate_of("uniform"))
        if self.rate_of("prefixes"):
            groups += uniform_groups(self.enterprises, part * self.rate_of("prefixes"))
        once = part * self.rate_of("once")
        if once:
            # Items come again when all of their enterprise were asked for: if that is within a
            # life, and there is room for all of them, they are in the cache by then.
            items = self.identifiers / self.enterprises
            again = [
                Group(group.count * items, group.rate / items)
                for group in zipf_groups(self.skew, self.enterprises, once)
                if items / group.rate < ttl
            ]
            if again and sum(g.count for g in (*groups, *again)) <= entries:
                groups += again
                once = max(0.0, once - sum(group.count * group.rate for group in again))
        return tuple(groups), once

    def absent(self, rate: float) -> tuple[Groups, float]:
        """What the cache of names that do not exist is asked for, likewise."""
        part = rate / self.rate
        missing = part * self.rate_of("missing")
        flood = part * self.rate_of("flood")
        if not missing:
            return (), flood
        unknown = self.secondaries * UNKNOWN_OF_ONE * ABSENT_OF_ONE
        return (
            *uniform_groups(self.enterprises * ABSENT_OF_ONE, missing * (1 - UNKNOWN_ENTERPRISES)),
            *uniform_groups(unknown, missing * UNKNOWN_ENTERPRISES),
        ), flood

    def routes(self, spread: float, skewed: float) -> Groups:
        """What the cache of routes is asked for: enterprises.

        Args:
            spread: questions a second that are about all enterprises alike.
            skewed: those that follow the law of enterprises.
        """
        alike = spread / self.enterprises
        if not skewed:
            return uniform_groups(self.enterprises, spread) if spread else ()
        return tuple(
            Group(group.count, group.rate + alike)
            for group in zipf_groups(self.skew, self.enterprises, skewed)
        )

    def busiest_share(self) -> float:
        """Share of the questions that are about the most popular enterprise."""
        first = zipf_groups(self.skew, self.enterprises, 1.0)[0].rate
        skewed = self.kinds.get("once", 0.0)
        return skewed * first + (1 - skewed) / self.enterprises


def of_workload(workload: Workload, sizes: Demand) -> Demand:
    """What a workload asks of recursive nodes, at the rate and about as many things as ``sizes``
    says.

    Raises:
        ConfigError: it asks recursive nodes for nothing.
    """
    clients = [c for c in workload.client if c.server == "recursive" and c.transport not in WRITERS]
    if not clients:
        raise ConfigError(
            f"the workload {workload.name} asks recursive nodes for nothing, and the plan is about"
            " them; take another"
        )
    kinds: dict[str, float] = defaultdict(float)
    paths: dict[str, float] = defaultdict(float)
    exponents: dict[str, float] = defaultdict(float)
    for client in clients:
        weight = _weight(client)
        whole = sum(client.mix.values())
        paths[PATH_OF[client.transport]] += weight
        for kind, share in client.mix.items():
            kinds[_KIND_OF[kind]] += weight * share / whole
            exponents[_KIND_OF[kind]] += weight * share / whole * client.exponent
    total = sum(kinds.values())
    return replace(
        sizes,
        exponent=exponents["zipf"] / kinds["zipf"] if "zipf" in kinds else 0.9,
        skew=exponents["once"] / kinds["once"] if "once" in kinds else 1.0,
        kinds={kind: weight / total for kind, weight in kinds.items()},
        paths={path: weight / total for path, weight in paths.items()},
    )


def _weight(client: ClientModel) -> float:
    """Questions a second of all clients of a kind; of closed loops, what is under way."""
    return client.answers_a_second or float(client.count * client.window)
