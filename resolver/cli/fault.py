"""``wuhan fault``: let things go wrong at the nodes of a running network, and right again."""

import time
from typing import Any, Final

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cli.running import RunningNetwork
from resolver.cluster.state import NodeState
from resolver.model.errors import ConfigError, ResolverError
from resolver.model.text import printable
from resolver.server.fault_texts import fault_from, fault_to_document
from resolver.topology.units import parse_duration

FAILED: Final = 3
_LOOK_S: Final = 3.0


@click.group()
def fault() -> None:
    """Rehearse: slow, failing, silent or stopped nodes, and lost or garbled answers."""


@fault.command("add")
@click.argument("name", metavar="NODE")
@click.argument("words", metavar="FAULT…", nargs=-1, required=True)
@click.option("--for", "lasting", metavar="30s", help="For so long; else until it is cleared.")
@click.option(
    "--match",
    default="",
    metavar="ID|PREFIX|BEGINNING*",
    help="Only requests for this identifier, or for this prefix and what is below it.",
)
@click.option("--after", type=click.IntRange(min=0), default=0, help="Let so many through first.")
@click.option("--times", type=click.IntRange(min=0), default=0, help="Then affect so many.")
@click.option("--seed", default=0, show_default=True, help="Of what happens by chance.")
@data_option
def add(
    name: str,
    words: tuple[str, ...],
    lasting: str | None,
    match: str,
    after: int,
    times: int,
    seed: int,
    data: str,
) -> None:
    """Let requests to NODE meet a FAULT.

    \b
    delay=50ms      wait before anything is done; delay=10ms-90ms by chance
    error=3         answer with this response code (a number or a name like server_busy)
    drop=5%         lose the request, here one in twenty
    garbage         answer with octets that mean nothing
    hang            take the request and never answer
    stop            play dead: silent over UDP, closed connections over TCP and HTTP
    disk=200ms      let each transaction of the store take longer
    chance=10%      affect only some requests
    """
    told = fault_from(
        words, match=match, seconds=_seconds(lasting), after=after, times=times, seed=seed
    )
    network = RunningNetwork(data)
    node = network.state.node(name)
    number = network.call(node, "fault.add", fault_to_document(told))
    whom = f" for {printable(match)}" if match else ""
    until = f" for {told.seconds:g} s" if told.seconds else f"; end it: wuhan fault clear {name}"
    click.echo(f"{name}: fault {number} is in force: {told}{whom}{until}")


@fault.command("list")
@click.argument("names", metavar="NODE…", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def list_(names: tuple[str, ...], as_json: bool, data: str) -> None:
    """Show the faults in force, how many requests matched each, and how many it affected."""
    network = RunningNetwork(data)
    nodes = network.named(names)
    results = network.call_all(nodes, "fault.list", timeout=_LOOK_S)
    found = [row for rows in _answered(nodes, results) for row in rows]
    if as_json:
        output.emit_json(found)
    elif found:
        headers = ("NODE", "FAULT", "WHAT", "FOR", "LEFT", "MATCHED", "AFFECTED")
        output.table(headers, [_row(row) for row in found], right=("LEFT", "MATCHED", "AFFECTED"))
    else:
        click.echo("no faults are in force")


@fault.command("clear")
@click.argument("names", metavar="NODE…", nargs=-1)
@click.option("--number", type=int, help="Only this one, of one NODE.")
@data_option
def clear(names: tuple[str, ...], number: int | None, data: str) -> None:
    """End the faults at NODEs, or everywhere."""
    if number is not None and len(names) != 1:
        raise ConfigError("faults are numbered node by node: --number goes with one NODE")
    network = RunningNetwork(data)
    nodes = network.named(names)
    results = network.call_all(nodes, "fault.clear", number, timeout=_LOOK_S)
    ended = sum(_answered(nodes, results))
    click.echo(f"{ended} fault{'' if ended == 1 else 's'} ended")
    if any(isinstance(result, ResolverError) for result in results):
        raise click.exceptions.Exit(FAILED)


def _answered(nodes: list[NodeState], results: list[Any]) -> list[Any]:
    """The results that came; says which did not."""
    for node, result in zip(nodes, results, strict=True):
        if isinstance(result, ResolverError):
            output.error(f"{node.name}: {result}")
    return [result for result in results if not isinstance(result, ResolverError)]


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    left = f"{max(0.0, row['until'] - time.time()):.0f} s" if row["until"] else ""
    return (
        row["node"],
        str(row["number"]),
        row["text"],
        printable(row["fault"]["match"]) or "all",
        left,
        f"{row['asked']:,}",
        f"{row['met']:,}",
    )


def _seconds(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from None
