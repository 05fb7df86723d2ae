"""``wuhan node run``: one node in the foreground, as a container runs it."""

import sys
from dataclasses import replace

import click

from resolver.cli.options import data_option
from resolver.cluster.sockets import bind_all
from resolver.cluster.state import data_paths
from resolver.console.pages import console_of
from resolver.server.host import run_host
from resolver.server.logs import set_up
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import HostPlan


@click.group()
def node() -> None:
    """Run single nodes."""


@node.command("run")
@click.argument("name")
@click.option(
    "--config",
    "source",
    default="wuhan",
    show_default=True,
    envvar="WUHAN_CONFIG",
    metavar="FILE|wuhan|minimal",
    help="The network the node belongs to.",
)
@data_option
def run(name: str, source: str, data: str) -> int:
    """Run the node NAME of a network until SIGTERM or Ctrl-C.

    The other nodes are where the configuration says; the data folder needs this node's store and
    the network's key only.
    """
    topology = expand(load_network(source))
    spec = replace(topology.node(name), workers=1)
    # Only this node's ports are bound here.
    alone, sockets, notices = bind_all(replace(topology, nodes=(spec,)))
    for notice in notices:
        click.echo(notice, err=True)
    bound = alone.nodes[0]
    ports = {n.name: (n.port, n.http_port) for n in (*topology.nodes, bound)}
    paths = data_paths(data)
    paths.root.mkdir(parents=True, exist_ok=True)
    set_up(topology.log.form, topology.log.level, sys.stderr)

    def ready(_: str) -> None:
        click.echo(f"{name} ({spec.role}) answers on port {bound.port}, HTTP {bound.http_port}")

    return run_host(
        HostPlan(topology.with_ports(ports), (name,), {name: sockets[name][0]}, paths, ready),
        console_of,
    )
