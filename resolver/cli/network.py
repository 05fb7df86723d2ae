"""``wuhan up``, ``status`` and ``down``: the network as a whole."""

import signal
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cluster.calls import running_nodes
from resolver.cluster.launch import Launched, launch, stop_network
from resolver.cluster.probe import OK, Health, probe
from resolver.cluster.state import (
    NetworkState,
    data_paths,
    read_state,
    resident_bytes,
    running_network,
)
from resolver.console import PATH, SHOWN_BY
from resolver.model.address import format_address
from resolver.model.errors import NetworkStateError

UNAVAILABLE: Final = 3
_ROLES: Final = ("root", "top-level", "secondary", "enterprise", "recursive")

_STYLES: Final = {OK: "green", "ready": "green", "restarting": "yellow", "failed": "red"}


@click.command()
@click.option(
    "--config",
    "source",
    default="wuhan",
    show_default=True,
    envvar="WUHAN_CONFIG",
    metavar="FILE|wuhan|minimal",
    help="The network to start.",
)
@click.option(
    "--base-port", type=click.IntRange(0, 65535), help="Move all ports; 0 takes free ones."
)
@click.option(
    "--workers",
    metavar="N|auto",
    help="Processes of each top-level and recursive node; auto is one per core.",
)
@click.option("--no-samples", is_flag=True, help="Leave new stores without sample records.")
@click.option("--detach", is_flag=True, help="Return when every node answers.")
@data_option
def up(
    source: str,
    base_port: int | None,
    workers: str | None,
    no_samples: bool,
    detach: bool,
    data: str,
) -> None:
    """Start the network and wait until every node answers."""
    # Imported here: who asks for the status, again and again, does without what they import.
    from resolver.server.certificate import certificate_files, check_certificate
    from resolver.topology.expand import expand
    from resolver.topology.load import load_network

    overrides: dict[str, object] = {}
    if base_port is not None:
        overrides["network.base_port"] = base_port
    if workers is not None:
        overrides["network.workers"] = int(workers) if workers.isdecimal() else workers
    if no_samples:
        overrides["network.samples"] = 0
    topology = expand(load_network(source, overrides=overrides))
    paths = data_paths(data)
    if any(node.plain_passwords for node in topology.nodes):
        output.notice("  passwords are taken over plain HTTP: anybody on the way can read them")
    check_certificate(certificate_files(topology, paths))
    # A container's stop and a closed terminal end the network as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    launched = launch(topology, paths, source, detach=detach)
    try:
        state = launched.wait_ready(_tell)
        health = probe(state.nodes)
        sick = {name: h.summary for name, h in health.items() if h.summary != OK}
        if sick:
            raise NetworkStateError(
                "; ".join(f"{name} does not answer ({why})" for name, why in list(sick.items())[:5])
            )
    except BaseException:
        launched.stop()
        raise
    _greet(state, health, time.monotonic() - began)
    if detach:
        launched.let_go()
    else:
        _stay(launched, state)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def status(as_json: bool, data: str) -> None:
    """Show every node with its ports, health and memory."""
    state = running_network(data_paths(data))
    health = probe(state.nodes)
    if as_json:
        output.emit_json(status_document(state, health))
    else:
        _print_status(state, health)
    if any(h.summary != OK for h in health.values()):
        raise click.exceptions.Exit(UNAVAILABLE)


@click.command()
@click.argument("names", metavar="[NODE…]", nargs=-1)
@data_option
def health(names: tuple[str, ...], data: str) -> None:
    """Say in a line whether NODE, or every node that runs here, answers over UDP, TCP and HTTP.

    For health checks of containers: the exit status is 0 if all do, else 3.
    """
    state = running_network(data_paths(data))
    nodes = running_nodes(state, names)
    found = probe(nodes)
    sick = [f"{name} ({health.summary})" for name, health in found.items() if health.summary != OK]
    if sick:
        more = f" and {len(sick) - 5} more" if len(sick) > 5 else ""
        raise NetworkStateError(f"no right answer from {', '.join(sick[:5])}{more}")
    click.echo(f"{nodes[0].name} answers" if len(nodes) == 1 else f"{len(nodes)} nodes answer")


@click.command()
@data_option
def down(data: str) -> None:
    """Stop the network: finish what is under way, then end all processes."""
    state = read_state(data_paths(data))
    if state is None:
        click.echo(f"no network runs in {data}")
        return
    stop_network(state)
    click.echo(f"wuhan network '{state.network}' has stopped")


@click.command()
@data_option
def console(data: str) -> None:
    """Say where the network's console is, to be opened in a browser."""
    state = running_network(data_paths(data))
    page = console_of(state)
    if page is None:
        raise NetworkStateError(
            f"the network {state.network} has no {SHOWN_BY} node, and so no console"
        )
    click.echo(page)


def console_of(state: NetworkState) -> str | None:
    """The address of the console; None if no node shows one."""
    node = state.first_of(SHOWN_BY)
    if node is None:
        return None
    return f"http://{format_address(node.address, node.http_port)}{PATH}"


def status_document(state: NetworkState, health: Mapping[str, Health]) -> dict[str, Any]:
    """What ``wuhan status --json`` prints; its keys are stable."""
    pids = state.pids()
    return {
        "network": state.network,
        "source": state.source,
        "supervisor": state.pid,
        "ready_seconds": state.ready_seconds,
        "rss_bytes": resident_bytes(pids | {state.pid}),
        "processes": len(pids) + 1,
        "nodes": [
            {
                "name": node.name,
                "role": node.role,
                "title": node.title,
                "prefix": node.prefix,
                "address": node.address,
                "port": node.port,
                "http_port": node.http_port,
                "process": node.process,
                "pid": node.pid,
                "pids": node.pids,
                "state": node.state,
                "restarts": node.restarts,
                "health": health[node.name].summary,
            }
            for node in state.nodes
        ],
    }


def _tell(event: Mapping[str, Any]) -> None:
    """Say what the supervisor tells, as far as people want to know."""
    match event["event"]:
        case "notice":
            output.notice(f"  {event['text']}")
        case "died":
            nodes = event["nodes"]
            more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
            output.notice(
                f"  {', '.join(nodes[:3])}{more}: the process {event['how']}; "
                f"started again in {event['delay']:g} s (log: {event['log']})"
            )
        case "restarted":
            output.notice(f"  {event['node']} is back")


def _greet(state: NetworkState, health: Mapping[str, Health], seconds: float) -> None:
    pids = state.pids()
    console = output.console()
    console.print(
        f"wuhan network '{state.network}' is ready: {len(state.nodes)} nodes in "
        f"{state.ready_seconds or 0:.1f} s ({seconds:.1f} s with all checks), "
        f"{_mebibytes(resident_bytes(pids | {state.pid}))} in {len(pids) + 1} processes",
        style="bold",
    )
    _print_roles(state, health)
    console.print("The prefixes are fictional; they are not allocations of any authority.")
    if page := console_of(state):
        console.print(f"console  {page}")
    enterprise, recursive = state.first_of("enterprise"), state.first_of("recursive")
    if enterprise and recursive:
        http = format_address(recursive.address, recursive.http_port)
        console.print(
            f"HTTP of the recursive node  http://{http}/\n"
            f"try  wuhan resolve {enterprise.prefix}/000001 --trace"
        )


def _print_roles(state: NetworkState, health: Mapping[str, Health]) -> None:
    counts = Counter(node.role for node in state.nodes)
    rows = []
    for role in _ROLES:
        first = state.first_of(role)
        if first is None:
            continue
        same = [health[node.name].summary for node in state.nodes if node.role == role]
        sick = sum(summary != OK for summary in same)
        place = f"{first.name} ({first.prefix})" if first.prefix != first.name else first.name
        rows.append(
            (
                role,
                str(counts[role]),
                place.removesuffix(" ()"),
                str(first.port),
                str(first.http_port),
                OK if not sick else f"{sick} of {len(same)} do not answer",
            )
        )
    output.table(
        ("ROLE", "NODES", "FIRST", "UDP/TCP", "HTTP", "HEALTH"),
        rows,
        right=("NODES", "UDP/TCP", "HTTP"),
        styles=_STYLES,
    )


def _print_status(state: NetworkState, health: Mapping[str, Health]) -> None:
    document = status_document(state, health)
    _print_roles(state, health)
    click.echo()
    output.table(
        ("NODE", "ROLE", "UDP/TCP", "HTTP", "PROCESS", "PID", "RESTARTS", "STATE", "HEALTH"),
        [
            (
                node.name,
                node.role,
                str(node.port),
                str(node.http_port),
                node.process,
                " ".join(map(str, filter(None, node.pids))) or "-",
                str(node.restarts),
                node.state,
                health[node.name].summary,
            )
            for node in state.nodes
        ],
        right=("UDP/TCP", "HTTP", "PID", "RESTARTS"),
        styles=_STYLES,
    )
    ready = "not ready yet" if state.ready_seconds is None else f"{state.ready_seconds:.1f} s"
    click.echo(
        f"\n{len(state.nodes)} nodes in {document['processes']} processes, ready in {ready}, "
        f"resident memory {_mebibytes(document['rss_bytes'])}"
    )


def _stay(launched: Launched, state: NetworkState) -> None:
    """Say what happens until the network ends or Ctrl-C.

    Raises:
        NetworkStateError: the supervisor ended as nobody had told it to.
    """
    output.notice("Ctrl-C stops the network.")
    name = f"wuhan network '{state.network}'"
    last: Mapping[str, Any] = {}
    try:
        for last in launched.events():
            _tell(last)
    except KeyboardInterrupt:
        output.notice(f"stopping {name} …")
        launched.stop()
        return
    if last.get("event") != "stopped":
        raise NetworkStateError(
            f"the supervisor of {name} ended, and its nodes with it; "
            "the network can be started again: wuhan up"
        )
    output.notice(f"{name} has stopped")


def _mebibytes(octets: int) -> str:
    return f"{octets / (1 << 20):,.0f} MiB"
