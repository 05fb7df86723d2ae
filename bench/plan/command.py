"""``wuhan plan`` and ``wuhan bench calibrate``: what is typed, and how it ends.

Exit status: 0 done, 1 usage or configuration, 3 a network failed, 4 a prediction of ``--validate``
is further off than it should be, 130 interrupted.
"""

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Final

import click

from bench.plan.calibration import FILE, Calibration, load, save
from bench.plan.demand import IDENTIFIERS_OF_ONE, KINDS, PATH_OF, Demand, of_workload
from bench.plan.document import document
from bench.plan.fleet import Room, fleet
from bench.plan.show import show, show_calibration
from bench.workloads.model import load_workload
from resolver.cache.policies import POLICIES
from resolver.cli import output
from resolver.cli.options import data_option
from resolver.model.errors import ConfigError, NetworkStateError
from resolver.topology.nearest import did_you_mean
from resolver.topology.units import parse_duration, parse_size

MISSED: Final = 4


class Number(click.ParamType[float]):
    """A number above 0 that may be written as 3.44e10."""

    name = "number"

    def __init__(self, most: float = 1e15) -> None:
        self._most: Final = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click."""
        try:
            number = float(str(value).replace("_", "").replace(",", ""))
        except ValueError:
            number = 0.0
        if not 0 < number <= self._most:
            self.fail(f"{value!r} is not a number above 0 and up to {self._most:g}, such as 1e6")
        return number


class Unit(click.ParamType[float]):
    """A size or a duration as the configuration has them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click."""
        if isinstance(value, float):
            return value
        try:
            return float((parse_size if self.name == "size" else parse_duration)(value))
        except ValueError as error:
            self.fail(str(error))


_SIZE: Final = Unit("size")
_TIME: Final = Unit("time")
_SHARE: Final = click.FloatRange(0.0, 1.0)


@click.command("plan")
@click.option("--rate", type=Number(), default="1e6", show_default=True, help="Questions a second.")
@click.option("--identifiers", type=Number(), default="3.44e10", show_default=True)
@click.option("--secondaries", type=Number(1e6), default="48", show_default=True, help="Nodes.")
@click.option("--enterprises", type=Number(1e12), help="By default one for 750,000 identifiers.")
@click.option("--workload", help="A workload of bench run, or its file: mixture and transports.")
@click.option("--mix", multiple=True, metavar="KIND=SHARE", help=f"Of {', '.join(KINDS)}.")
@click.option("--transport", multiple=True, metavar="NAME=SHARE", help="Of udp, tcp, http, batch.")
@click.option("--exponent", type=Number(10), help="Of the Zipf law of identifiers.")
@click.option("--skew", type=Number(10), help="Of that of enterprises.")
@click.option("--cache", type=_SIZE, default="512MiB", show_default=True, help="Of leaves, a node.")
@click.option("--route-cache", type=_SIZE, default="64MiB", show_default=True, help="A node.")
@click.option("--policy", type=click.Choice(sorted(POLICIES)), default="sieve", show_default=True)
@click.option("--ttl", type=_TIME, default="1h", show_default=True, help="Of what is cached.")
@click.option("--record", type=_SIZE, help="Memory of a cached record; as calibrated.")
@click.option("--cores", type=click.IntRange(1, 4096), default=16, show_default=True,
              help="Of a machine, a worker each.")  # fmt: skip
@click.option("--memory", type=_SIZE, default="64GiB", show_default=True, help="Of a machine.")
@click.option("--load", type=click.FloatRange(0.01, 0.95), default=0.5, show_default=True,
              help="Utilisation of a core at most.")  # fmt: skip
@click.option("--p99", type=_TIME, help="Latency that 99 % should not exceed, as 20ms.")
@click.option("--spare", type=click.IntRange(0, 1000), default=1, show_default=True,
              help="Recursive nodes that may be lost.")  # fmt: skip
@click.option("--calibration", type=click.Path(dir_okay=False, path_type=Path),
              help="By default the one in the data folder.")  # fmt: skip
@click.option("--validate", is_flag=True, help="Set predictions beside runs on this machine.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@data_option
def plan(
    rate: float,
    identifiers: float,
    secondaries: float,
    enterprises: float | None,
    workload: str | None,
    mix: tuple[str, ...],
    transport: tuple[str, ...],
    exponent: float | None,
    skew: float | None,
    cache: float,
    route_cache: float,
    policy: str,
    ttl: float,
    record: float | None,
    cores: int,
    memory: float,
    load: float,
    p99: float | None,
    spare: int,
    calibration: Path | None,
    validate: bool,
    form: str,
    data: str,
) -> int:
    """Say how many nodes a load takes, what they do, and which assumption matters most.

    Costs come from "wuhan bench calibrate". Without --workload and --mix, 95 of 100 questions are
    about an item that is asked for once, and 5 about one that does not exist.
    """
    costs = _calibrated(calibration, data)
    if validate:
        return _validated(costs, as_json=form == "json")
    demand = _demand(
        workload, rate, identifiers, secondaries, enterprises or identifiers / IDENTIFIERS_OF_ONE
    )
    changes: dict[str, Any] = {}
    if mix:
        changes["kinds"] = _shares("--mix", mix, dict.fromkeys(KINDS))
    if transport:
        named = _shares("--transport", transport, dict.fromkeys(PATH_OF))
        changes["paths"] = {PATH_OF[name]: share for name, share in named.items()}
    if exponent is not None:
        changes["exponent"] = exponent
    if skew is not None:
        changes["skew"] = skew
    demand = replace(demand, **changes)
    room = Room(
        cores=cores,
        memory=memory,
        leaves=cache,
        routes=route_cache,
        record=record / costs.memory.leaf_counted if record else 1.0,
        ttl=ttl,
        policy=policy,
        load=load,
        p99_s=inf if p99 is None else p99,
        spare=spare,
    )
    found = document(demand, room, fleet(demand, room, costs), costs)
    if form == "json":
        output.emit_json(found)
    else:
        show(found)
    return 0


@click.command("calibrate")
@click.option("--quick", is_flag=True, help="Short rounds: rough figures in some seconds.")
@click.option("--output", "path", type=click.Path(dir_okay=False, path_type=Path),
              help=f"The file to write; by default {FILE} in the data folder.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the calibration as JSON.")
@data_option
def calibrate(quick: bool, path: Path | None, as_json: bool, data: str) -> int:
    """Measure what answers cost on this machine, for "wuhan plan".

    It takes a minute or two, and should be all that the machine does meanwhile. Networks of its own
    are started for it; one that runs is left alone, but should not be busy.
    """
    from bench.plan.calibrate import QUICK, Effort
    from bench.plan.calibrate import calibrate as measured

    target = path or Path(data) / FILE
    with ExitStack() as at_end:
        folder = _scratch(at_end)
        advance = at_end.enter_context(output.progress("measurements", _MEASUREMENTS))
        try:
            found = measured(
                folder, QUICK if quick else Effort(), lambda _: advance(1), quick=quick
            )
        except NetworkStateError:
            at_end.pop_all()  # it names a log in the folder
            raise
    save(found, target)
    if as_json:
        output.emit_json(found.model_dump(mode="json"))
    else:
        show_calibration(found)
        click.echo(f"written to {target}; next: wuhan plan --calibration {target}")
    return 0


_MEASUREMENTS: Final = 20


def _scratch(at_end: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wuhan-bench-"))
    at_end.callback(shutil.rmtree, folder)
    return folder


def _calibrated(path: Path | None, data: str) -> Calibration:
    return load(path or Path(data) / FILE)


def _demand(
    workload: str | None, rate: float, identifiers: float, secondaries: float, enterprises: float
) -> Demand:
    if enterprises > identifiers:
        raise ConfigError(
            f"{enterprises:,.0f} enterprises cannot have {identifiers:,.0f} identifiers: give"
            " --enterprises at most as many"
        )
    if secondaries > enterprises:
        raise ConfigError(
            f"{secondaries:,.0f} secondary nodes for {enterprises:,.0f} enterprises: give fewer"
            " (--secondaries), or more --enterprises"
        )
    demand = Demand(rate, identifiers, enterprises, secondaries)
    return demand if workload is None else of_workload(load_workload(workload), demand)


def _shares(option: str, given: tuple[str, ...], known: dict[str, None]) -> dict[str, float]:
    """Shares as ``name=number``, in any unit; they are made to add up to 1.

    Raises:
        ConfigError: one is none.
    """
    found: dict[str, float] = {}
    for text in ",".join(given).split(","):
        name, _, number = (part.strip() for part in text.partition("="))
        if name not in known:
            raise ConfigError(
                f"{option}: there is no {name!r}{did_you_mean(name, known)}; known are"
                f" {', '.join(known)}"
            )
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not 0 <= share < inf:
            raise ConfigError(f"{option}: {text!r} is no share; write {name}=0.5, or {name}=50")
        found[name] = found.get(name, 0.0) + share
    whole = sum(found.values())
    if not whole:
        raise ConfigError(f"{option}: the shares are all 0")
    return {name: share / whole for name, share in found.items() if share}


def _validated(costs: Calibration, *, as_json: bool) -> int:
    from bench.plan.show import show_validation
    from bench.plan.validate import validate

    with ExitStack() as at_end:
        folder = _scratch(at_end)
        try:
            found = validate(folder, costs, output.notice)
        except NetworkStateError:
            at_end.pop_all()
            raise
    if as_json:
        output.emit_json(found)
    else:
        show_validation(found)
    return 0 if found["met"] else MISSED
