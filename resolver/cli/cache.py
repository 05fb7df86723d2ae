"""``wuhan cache``: what the nodes of a running network have cached, and what is done with it."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cli.running import RunningNetwork
from resolver.cluster.state import NodeState
from resolver.model.errors import ConfigError
from resolver.model.text import printable

NOT_FOUND: Final = 2
_LONG_S: Final = 120.0
"""For a cache of millions of records."""

_CLASSES: Final = {
    "route": "routes: prefix → site",
    "leaf": "records of others",
    "negative": "not there",
    "own": "records of its own",
}


@click.group()
def cache() -> None:
    """What nodes have cached: look, forget, keep."""


@cache.command("stats")
@click.argument("names", metavar="NODE…", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def stats(names: tuple[str, ...], as_json: bool, data: str) -> None:
    """Show what the caches of the recursive nodes, or of NODEs, hold and how often it served."""
    network = _Network(data)
    found = [network.call(node, "cache.stats") for node in network.nodes(*names)]
    if as_json:
        output.emit_json(found)
        return
    headers = ("NODE", "CACHE", "ENTRIES", "SIZE", "BUDGET", "EVICTED", "HITS", "STALE", "MISSES")
    rows = [row for document in found for row in _rows(document)]
    output.table(headers, rows, right=headers[2:])


@cache.command("get")
@click.argument("identifier")
@click.option("--node", "name", help="Else the first recursive node.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def get(identifier: str, name: str | None, as_json: bool, data: str) -> None:
    """Show what a node knows about IDENTIFIER without asking anybody."""
    network = _Network(data)
    node = network.nodes(*filter(None, (name,)))[0]
    known = network.call(node, "cache.get", identifier)
    if as_json:
        output.emit_json(known)
    elif known is not None:
        left = timedelta(seconds=round(abs(known["seconds"])))
        holds = f"holds for {left}" if known["seconds"] > 0 else f"has expired {left} ago"
        click.echo(f"{node.name}: {known['state']}, code {known['responseCode']}, {holds}")
        if known["message"]:
            click.echo(f"  {printable(known['message'])}")
        for value in known["values"] or ():
            shown = printable(str(value["data"]["value"]))
            click.echo(f"  {value['index']:>6}  {printable(value['type']):<12} {shown[:80]}")
    else:
        click.echo(f"{node.name} knows nothing about {printable(identifier)}", err=True)
    if known is None:
        raise click.exceptions.Exit(NOT_FOUND)


@cache.command("flush")
@click.argument("what", metavar="IDENTIFIER|PREFIX", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--node", "names", multiple=True, help="Else all recursive nodes.")
@data_option
def flush(what: str | None, everything: bool, names: tuple[str, ...], data: str) -> None:
    """Forget an IDENTIFIER, all of a PREFIX with its route, or everything."""
    if everything == (what is not None):
        raise ConfigError("say what to forget: an identifier, a prefix, or --all")
    kind = "all" if what is None else "handle" if "/" in what else "prefix"
    network = _Network(data)
    for node in network.nodes(*names):
        forgotten = network.call(node, "cache.flush", kind, what or "")
        click.echo(f"{node.name} has forgotten {forgotten:,} entries")


@cache.command("export")
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--node", "name", help="Else the first recursive node.")
@data_option
def export(target: str, name: str | None, data: str) -> None:
    """Write what a node has cached to FILE, as MessagePack; `wuhan cache import` reads it."""
    network = _Network(data)
    node = network.nodes(*filter(None, (name,)))[0]
    octets = network.call(node, "cache.export", str(Path(target).absolute()), timeout=_LONG_S)
    click.echo(f"{node.name} has written {octets:,} octets to {target}")


@cache.command("import")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--node", "names", multiple=True, help="Else all recursive nodes.")
@data_option
def import_(source: str, names: tuple[str, ...], data: str) -> None:
    """Let nodes know what FILE says, as far as it has not expired; what they know already stays."""
    network = _Network(data)
    for node in network.nodes(*names):
        taken = network.call(node, "cache.import", str(Path(source).absolute()), timeout=_LONG_S)
        click.echo(
            f"{node.name} has taken in {taken['records']:,} records and {taken['routes']:,} routes;"
            f" left out: {taken['expired']:,} that hold no more, {taken['damaged']:,} damaged"
        )


class _Network(RunningNetwork):
    """A running network, and the nodes that are meant."""

    def nodes(self, *names: str) -> list[NodeState]:
        """Those of these names; if there are none, the recursive nodes."""
        if names:
            return [self.state.node(name) for name in names]
        found = self.of_role("recursive")
        if not found:
            raise ConfigError(f"the network {self.state.network} has no recursive node; name one")
        return found


def _rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    looks = {(class_, result): number for class_, result, number in document["lookups"]}
    rows: list[tuple[str, ...]] = []
    for name, figures in document["caches"].items():
        hits = looks.get((name, "hit"), 0) + looks.get((name, "prefetch"), 0)
        asked = name != "own"
        rows.append(
            (
                document["node"],
                _CLASSES.get(name, name),
                f"{figures['entries']:,}",
                _mebibytes(figures["bytes"]),
                _mebibytes(figures["budget"]),
                f"{figures['evictions']:,}",
                f"{hits:,}" if asked else "",
                f"{looks.get((name, 'stale'), 0):,}" if asked else "",
                f"{looks.get((name, 'miss'), 0):,}" if asked else "",
            )
        )
    return rows


def _mebibytes(octets: int) -> str:
    return f"{octets / (1 << 20):.1f} MiB"
