"""``wuhan node run``: one node in the foreground, as a container runs it.

Rule: the data folder is the node's alone, as that of a whole network is the network's; so what
works on a running network (``status``, ``health``, ``fault``, ``cache`` …) works on this node.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

from resolver.cli.options import data_option
from resolver.cluster.names import with_addresses
from resolver.cluster.sockets import bind_all
from resolver.cluster.state import READY, data_paths, hold, new_state, write_state, write_targets
from resolver.console.pages import console_of
from resolver.server.host import run_host
from resolver.server.keys import take_key
from resolver.server.logs import set_up
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import HostPlan


@click.group()
def node() -> None:
    """Run single nodes."""


@node.command("run")
@click.argument("name", envvar="WUHAN_NODE")
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

    The other nodes are where the configuration says. The data folder is this node's alone; nodes
    that are to know each other have the same key ([network] key).
    """
    # The first process of a container is not ended by signals that it does not handle, and names
    # may take a while to be known.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    topology = expand(load_network(source))
    topology.node(name)  # whether there is such a node is known before any address is
    topology = with_addresses(topology)
    spec = replace(topology.node(name), workers=1)
    paths = data_paths(data)
    paths.root.mkdir(parents=True, exist_ok=True)
    lock = hold(paths)
    # Only this node's ports are bound here.
    alone, sockets, notices = bind_all(replace(topology, nodes=(spec,)))
    for notice in notices:
        click.echo(notice, err=True)
    bound = alone.nodes[0]
    ports = {n.name: (n.port, n.http_port) for n in (*topology.nodes, bound)}
    if topology.key:
        take_key(Path(topology.key), paths.network_key)
    paths.faults(name).unlink(missing_ok=True)
    set_up(topology.log.form, topology.log.level, sys.stderr)
    state = new_state(alone, source)
    state.nodes[0].pid, state.nodes[0].pids = state.pid, [state.pid]
    write_state(paths, state)
    write_targets(paths, alone)

    def ready(_: str) -> None:
        state.nodes[0].state = READY
        write_state(paths, state)
        click.echo(f"{name} ({spec.role}) answers on port {bound.port}, HTTP {bound.http_port}")

    try:
        return run_host(
            HostPlan(topology.with_ports(ports), (name,), {name: sockets[name][0]}, paths, ready),
            console_of,
        )
    finally:
        paths.state.unlink(missing_ok=True)
        paths.targets.unlink(missing_ok=True)
        os.close(lock)
