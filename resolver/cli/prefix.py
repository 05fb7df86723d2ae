"""``wuhan prefix``: applications for prefixes, and what becomes of them, at a running network."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from resolver.cli import output
from resolver.cli.keys import key_value
from resolver.cli.options import data_option
from resolver.cli.running import RunningNetwork
from resolver.client import Client
from resolver.client.address import parse_address
from resolver.cluster.state import NodeState
from resolver.model.address import format_address
from resolver.model.errors import ConfigError
from resolver.model.handle import fold, is_under
from resolver.model.text import printable
from resolver.wire.typed import encode_site


@click.group()
def prefix() -> None:
    """Prefixes below the secondary nodes: who has one, who wants one."""


@prefix.command("list")
@click.option("--node", "name", help="As this node knows them; else all secondary nodes are asked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def list_(name: str | None, as_json: bool, data: str) -> None:
    """Show prefixes and applications, with what was registered and resolved under each.

    KNOWN ABOVE is when the parent was told: at once, or after the configured delay.
    """
    network = _Network(data)
    nodes = [network.state.node(name)] if name else network.of_role("secondary")
    rows: list[dict[str, Any]] = []
    known: dict[str, int] = {}
    for node in nodes:
        rows += network.call(node, "prefix.list")
    if name is None:
        for top in network.of_role("top-level"):
            known |= {
                row["prefix"]: row["known_since"]
                for row in network.call(top, "prefix.list")
                if "known_since" in row
            }
    rows = [{**row, **_known(row, known)} for row in rows]
    if as_json:
        output.emit_json(rows)
        return
    headers = ("PREFIX", "STATE", "NODE", "HELD AT", "KNOWN ABOVE", "REGISTERED", "RESOLVED", "FOR")
    output.table(headers, [_shown(row) for row in rows], right=("REGISTERED", "RESOLVED"))


@prefix.command("apply")
@click.argument("wanted", metavar="PREFIX")
@click.option("--title", default="", help="Who it is for.")
@click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The administrator's public key (PEM), or a secret; see: wuhan keys create.",
)
@click.option("--node", "address", metavar="HOST:PORT", help="The node that will hold it; it runs.")
@click.option("--hosted", is_flag=True, help="The secondary node shall hold it.")
@data_option
def apply(
    wanted: str, title: str, key_file: str, address: str | None, hosted: bool, data: str
) -> None:
    """Apply for PREFIX at the secondary node that it lies below.

    The node that is to hold its identifiers says itself how it is reached; so it has to run.
    """
    if hosted == (address is not None):
        raise ConfigError("say who holds the prefix: either --node HOST:PORT or --hosted")
    key = key_value(Path(key_file))
    network = _Network(data)
    site = b"" if address is None else asyncio.run(_site_at(address))
    application = {
        "prefix": wanted,
        "title": title,
        "key_type": key.type,
        "key": key.data,
        "site": site,
    }
    node = network.below(wanted)
    network.call(node, "prefix.apply", application)
    click.echo(f"{node.name} has the application for {wanted}")
    click.echo(f"next: wuhan prefix approve {wanted}")


@prefix.command("approve")
@click.argument("wanted", metavar="PREFIX")
@data_option
def approve(wanted: str, data: str) -> None:
    """Register PREFIX for who applied for it."""
    network = _Network(data)
    node = network.below(wanted)
    row = network.call(node, "prefix.approve", wanted)
    click.echo(f"{node.name} has registered {wanted}, {row['stage']}, held at {row['address']}")
    click.echo(f"next: wuhan resolve 0.NA/{wanted}")


@prefix.command("reject")
@click.argument("wanted", metavar="PREFIX")
@click.option("--reason", default="", help="For the applicant.")
@data_option
def reject(wanted: str, reason: str, data: str) -> None:
    """Turn the application for PREFIX down."""
    network = _Network(data)
    node = network.below(wanted)
    network.call(node, "prefix.reject", wanted, reason)
    click.echo(f"{node.name} has rejected the application for {wanted}")


class _Network(RunningNetwork):
    """A running network, and where prefixes belong in it."""

    def below(self, wanted: str) -> NodeState:
        """The node whose prefix is the nearest above ``wanted``."""
        above = [
            node
            for node in self.state.nodes
            if node.role in ("secondary", "top-level")
            and node.prefix
            and is_under(fold(wanted), fold(node.prefix))
            and fold(wanted) != fold(node.prefix)
        ]
        if not above:
            raise ConfigError(f"{wanted} lies below no prefix of this network; see: wuhan status")
        return max(above, key=lambda node: len(node.prefix))


async def _site_at(address: str) -> bytes:
    host, port = parse_address(address)
    async with Client(format_address(host, port)) as client:
        return encode_site(await client.get_site())


def _known(row: dict[str, Any], known: dict[str, int]) -> dict[str, Any]:
    since = row.get("known_since", known.get(row["prefix"]))
    return {} if since is None else {"known_since": since}


def _shown(row: dict[str, Any]) -> tuple[str, ...]:
    figures = row.get("figures")
    since = row.get("known_since")
    return (
        row["prefix"],
        row["stage"],
        row["node"],
        row["address"] or "-",
        "-" if since is None else datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "-" if figures is None else str(figures["created"] - figures["deleted"]),
        "-" if figures is None else str(figures["successes"]),
        printable(" · ".join(filter(None, (row["title"], row.get("reason", ""))))),
    )
