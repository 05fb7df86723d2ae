"""What answers cost on a machine, as a file: written by ``wuhan bench calibrate``, read by ``wuhan
plan``.

Rules: a figure has its unit in its name; costs are CPU that the kernel accounted to processes. The
file is JSON of one form; one of another form, or a damaged one, is refused with one sentence.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resolver.model.errors import ConfigError

FORMAT: Final = 2
FILE: Final = "calibration.json"
"""In the data folder."""

PATHS: Final = {
    "udp": "from the cache over UDP, one client",
    "udp-many": "from the cache over UDP, 64 clients",
    "tcp": "from the cache over TCP, 1,000 in flight",
    "http": "from the cache over HTTP, 32 connections",
    "batch": "from the cache, 10,000 a request",
    "not-found": "a known 'not found', made anew",
    "malformed": "a message that cannot be carried out",
    "cold-1": "found by asking one node",
    "cold-2": "found by asking two nodes",
    "cold-3": "found by asking three nodes",
    "missing-1": "not found by asking one node",
    "shed": "a refusal, too busy",
    "authoritative": "from the enterprise's store, first time",
    "mixed": "of 100, 70 are cached, 10 malformed, 20 not found",
}
"""What is measured, in this order."""

MIXTURE: Final = {"udp-many": 0.7, "missing-1": 0.1, "not-found": 0.1, "malformed": 0.1}
"""Shares of the path ``mixed``: its parts are dearer together than one after another."""

LATENCIES: Final = {
    "hit": "from the cache, one request at a time",
    "half": "from the cache, at half of what the node can do",
    "miss": "found by asking one node, one request at a time",
    "half-miss": "found by asking one node, at half of what the node can do",
}
"""Latencies over UDP."""

LIKE_HITS: Final = frozenset({"udp", "udp-many", "tcp", "http", "batch", "shed", "hit", "half"})
"""Paths and latencies in which little but the kernel works; in all others Python does."""

ROLES: Final = ("recursive", "top-level", "secondary", "enterprise")

HALF_LOAD: Final = 0.5
"""Utilisation at which latency under load is calibrated."""

HOW_TO: Final = "make one: wuhan bench calibrate"

Amount = Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)]
Role = Literal["recursive", "top-level", "secondary", "enterprise"]


class Table(BaseModel):
    """A part of the file; a key that is not here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pace(Table):
    """How fast the machine is: the CPU that a small recursive node takes (``bench.plan.pace``).

    Attributes:
        hit_us: for an answer from the cache.
        miss_us: for an answer that another node was asked for.
        tail_us: the latency that one of a hundred of those exceeds at half of what that node can
            do: how much everybody is disturbed; 0 if that was not measured.
    """

    hit_us: Annotated[float, Field(gt=0, lt=1e6)]
    miss_us: Annotated[float, Field(gt=0, lt=1e6)]
    tail_us: Amount = 0.0

    def of(self, name: str) -> float:
        """By which of the two a path, or a latency, is measured."""
        return self.hit_us if name in LIKE_HITS else self.miss_us

    def tail(self, name: str) -> float:
        """By which the tail of a latency is measured."""
        return self.tail_us if name.startswith("half") and self.tail_us else self.of(name)

    def between(self, other: "Pace") -> "Pace":
        """The middle of two."""
        return Pace(
            hit_us=(self.hit_us + other.hit_us) / 2,
            miss_us=(self.miss_us + other.miss_us) / 2,
            tail_us=(self.tail_us + other.tail_us) / 2,
        )


class Cost(Table):
    """An answer of one kind.

    Attributes:
        cpu_us: microseconds of CPU for an answer, by role; median of the rounds.
        least_us, most_us: of all nodes together in the rounds.
        client_us: CPU of the load client for a request.
    """

    cpu_us: dict[Role, Amount]
    least_us: Amount
    most_us: Amount
    client_us: Amount

    def times(self, factor: float) -> "Cost":
        """So many times as dear."""
        return Cost(
            cpu_us={role: us * factor for role, us in self.cpu_us.items()},
            least_us=self.least_us * factor,
            most_us=self.most_us * factor,
            client_us=self.client_us * factor,
        )


class Latencies(Table):
    """Latency, and CPU of the node that is asked for an answer: dearer than in a full queue, as
    the node goes to sleep and is woken."""

    cpu_us: Amount
    p50_us: Amount
    p90_us: Amount
    p99_us: Amount
    p999_us: Amount

    def times(self, factor: float, tail: float) -> "Latencies":
        """So many times as long, and as dear; ``tail`` is the factor for all above the median."""
        return Latencies(
            cpu_us=self.cpu_us * factor,
            p50_us=self.p50_us * factor,
            p90_us=self.p90_us * tail,
            p99_us=self.p99_us * tail,
            p999_us=self.p999_us * tail,
        )


class Memory(Table):
    """Bytes.

    Attributes:
        leaf: what the process grows by for a cached record.
        leaf_counted, route_counted, negative_counted: what one counts for in
            the budget of its cache.
        stored: on disk, for a record of an enterprise.
        process: of a node's process with nothing cached, by role.
    """

    leaf: Amount
    leaf_counted: Annotated[float, Field(gt=0, lt=1e9)]
    route_counted: Annotated[float, Field(gt=0, lt=1e9)]
    negative_counted: Annotated[float, Field(gt=0, lt=1e9)]
    stored: Amount
    process: dict[Role, Amount]


class Calibration(Table):
    """The whole file."""

    format: Literal[2] = 2
    made: datetime
    machine: str
    version: str
    rounds: int
    seconds: Amount
    quick: bool
    pace: Pace
    costs: dict[str, Cost]
    latency: dict[str, Latencies]
    memory: Memory

    def at_pace(self, pace: Pace) -> "Calibration":
        """The same machine at another pace."""

        def factor(name: str) -> float:
            return pace.of(name) / self.pace.of(name)

        def tail(name: str) -> float:
            known = pace.tail_us and self.pace.tail_us
            return pace.tail(name) / self.pace.tail(name) if known else factor(name)

        return self.model_copy(
            update={
                "pace": pace,
                "costs": {path: cost.times(factor(path)) for path, cost in self.costs.items()},
                "latency": {
                    name: found.times(factor(name), tail(name))
                    for name, found in self.latency.items()
                },
            }
        )

    def us(self, path: str, role: str = "recursive") -> float:
        """CPU of a node of a role for an answer of a kind."""
        for known, cost in self.costs[path].cpu_us.items():
            if known == role:
                return cost
        return 0.0


def save(calibration: Calibration, path: Path) -> None:
    """Write the file; it is the old one or the new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def load(path: Path) -> Calibration:
    """The calibration in a file.

    Raises:
        ConfigError: there is none, or it is of another form or damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no calibration at {path}, so nobody knows what an answer costs here; "
            f"{HOW_TO}, or name a file: --calibration FILE"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path} is damaged: it is not JSON; {HOW_TO}") from None
    form = document.get("format") if isinstance(document, dict) else None
    if form != FORMAT:
        told = "no calibration" if form is None else f"a calibration of form {form}"
        raise ConfigError(f"{path} is {told}, and this version reads form {FORMAT}; {HOW_TO}")
    try:
        found = Calibration.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path} is damaged: {key}: {first['msg']}; {HOW_TO}") from None
    missing = [name for name in PATHS if name not in found.costs]
    missing += [f"latency {name}" for name in LATENCIES if name not in found.latency]
    if missing:
        raise ConfigError(f"{path} is damaged: {', '.join(missing)} is missing; {HOW_TO}")
    return found


def now() -> datetime:
    """The moment, to the second, UTC."""
    return datetime.now(UTC).replace(microsecond=0)
