"""What a workload's file may say, and reading it.

A workload is a list of client applications. The region's plan for industrial internet platforms
(one cross-industry platform, ten of industries, a hundred of enterprises) is such a list; its
platforms are clients of the resolution network, not nodes of it.

Rule: whatever is wrong with a file is a ConfigError that names file, key and reason, one line each.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic_core import ErrorDetails

from resolver.model.errors import ConfigError
from resolver.topology.nearest import did_you_mean
from resolver.topology.units import Duration

FOLDER: Final = Path(__file__).parent
DEFAULT: Final = "enterprise"
VARIABLE: Final = "WUHAN_WORKLOAD"
"""Names the workload, or its file, to Locust."""

Transport = Literal["udp", "tcp", "http", "batch", "register", "register-http"]
Kind = Literal[
    "skewed", "zipf", "uniform", "scan", "missing", "malformed", "flood", "keys", "routes"
]
Server = Literal["recursive", "top-level", "secondary", "enterprise"]
Scope = Literal["all", "industry", "enterprise"]

WRITERS: Final = frozenset({"register", "register-http"})
NATIVE: Final = frozenset({"udp", "tcp"})

Positive = Annotated[float, Field(gt=0)]
Natural = Annotated[int, Field(ge=1)]
Time = Annotated[Duration, PlainSerializer(lambda seconds: f"{seconds:.3f}s", str, "json")]
"""Seconds; in JSON as people write them, so that a workload can be read again."""


class Table(BaseModel):
    """A part of a file; a key that is not here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Population(Table):
    """What there is to ask for: the sample records of the network's enterprises."""

    items: int = Field(100, ge=1, le=100_000, description="Products of each enterprise.")
    network: str = Field("wuhan", description="The network that --start starts: a preset or file.")


class Arrival(Table):
    """When questions are due, as factors of the clients' rates over time."""

    kind: Literal["constant", "diurnal", "step", "ramp"] = "constant"
    poisson: bool = Field(True, description="Gaps are drawn from an exponential distribution.")
    day: Time = Field(60.0, gt=0, description="Diurnal: how long 24 hours in Wuhan take.")
    steps: tuple[Positive, ...] = Field((1.0,), min_length=1, description="Factors, in turn.")
    each: Time = Field(10.0, gt=0, description="How long one step lasts; the last stays.")
    start: Positive = Field(0.1, description="Ramp: the factor at the start.")
    end: Positive = Field(10.0, description="Ramp: the factor after `over`, and from then on.")
    over: Time = Field(60.0, gt=0)
    break_at: tuple[str, ...] = Field(
        (), description="Thresholds; the run ends when one is missed for three seconds together."
    )


class ClientModel(Table):
    """A client application, or several of one kind."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)
    tier: str = Field("", description="What thresholds call several clients together.")
    count: Natural = 1
    transport: Transport = "udp"
    server: Server = "recursive"
    rate: float = Field(0.0, ge=0, description="Arrivals a second of each; 0: one after another.")
    window: Natural = Field(16, le=4096, description="Questions under way at once, UDP and TCP.")
    mix: dict[Kind, Positive] = Field(
        {"skewed": 1.0}, min_length=1, description="Kinds of questions, and how many of each."
    )
    exponent: Positive = Field(1.0, description="Of the Zipf law.")
    scope: Scope = Field("all", description="Prefixes: all, or of one industry or enterprise each.")
    batch: tuple[Natural, Natural] = Field((100, 1500), description="Identifiers of one arrival.")

    @property
    def answers_a_second(self) -> float:
        """That all clients of this kind together mean to get, where the factor is 1."""
        single = self.transport in NATIVE or self.transport == "http"
        return self.rate * self.count * (1.0 if single else sum(self.batch) / 2)

    @model_validator(mode="after")
    def _fits(self) -> "ClientModel":
        if self.batch[0] > self.batch[1]:
            raise ValueError(f"batch: {self.batch[0]} is more than {self.batch[1]}")
        odd = sorted(kind for kind in self.mix if kind in ("malformed", "keys", "routes"))
        if odd and self.transport not in NATIVE:
            raise ValueError(f"mix: {', '.join(odd)} go over udp or tcp, not {self.transport}")
        if self.transport in WRITERS and self.server != "enterprise":
            raise ValueError("server: records are registered at an enterprise node")
        return self


class Workload(Table):
    """A whole file. ``name`` is the file's."""

    name: str = ""
    title: str
    seconds: Time = Field(30.0, gt=0, description="How long a run takes.")
    warm_up: Time = Field(2.0, ge=0, description="From the start; not in the figures.")
    seed: int = 1
    thresholds: tuple[str, ...] = Field((), description="What must hold, unless others are given.")
    population: Population = Population()
    arrival: Arrival = Arrival()
    client: tuple[ClientModel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "Workload":
        names = [client.name for client in self.client]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"client: two are called {twice[0]!r}")
        return self

    @property
    def users(self) -> int:
        """Client applications of all kinds together."""
        return sum(client.count for client in self.client)


def workload_names() -> list[str]:
    """The workloads that come with the program."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def load_workload(source: str) -> Workload:
    """The workload of that name, or in that file.

    Raises:
        ConfigError: there is none, or it is not valid.
    """
    path = FOLDER / f"{source}.toml"
    if not path.is_file():
        path = Path(source)
        if path.suffix not in (".toml", ".json") and os.sep not in source:
            known = workload_names()
            raise ConfigError(
                f"there is no workload {source!r}{did_you_mean(source, known)}; "
                f"known are {', '.join(known)}, or name a TOML file"
            )
    try:
        text = path.read_text(encoding="utf-8")
        content: dict[str, Any] = (
            json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        )
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{source}: {error}") from None
    try:
        return Workload.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        raise ConfigError("\n".join(_explained(error, source))) from None


def _explained(error: ValidationError, source: str) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        yield f"{source}: {key + ': ' if key else ''}{_reason(detail)}"


def _reason(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"there is no such key{did_you_mean(str(error['loc'][-1]), _known_keys())}"
        case "missing":
            return "this key is missing"
        case "literal_error":
            choices = str(error.get("ctx", {})["expected"])
            near = did_you_mean(str(error["input"]), choices.split("'"))
            return f"{error['input']!r} is none of {choices}{near}"
    return error["msg"].removeprefix("Value error, ")


def _known_keys() -> list[str]:
    models: tuple[type[BaseModel], ...] = (Workload, Population, Arrival, ClientModel)
    keys: set[str] = {key for model in models for key in model.model_fields}
    return sorted(keys - {"name"} | {"name"} | set(get_args(Kind)))


def describe(workload: Workload) -> dict[str, Any]:
    """The workload as reports show it."""
    return workload.model_dump(mode="json")
