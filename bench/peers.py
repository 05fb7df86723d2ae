"""An answer from the cache, beside the best of the field.

``python -m bench.peers`` asks, one after the other and round by round, over UDP with a window of
requests in flight: our recursive node answering from its cache and our enterprise node answering
from its store; Unbound answering from its cache and Knot from its zone (Debian's packages
``unbound`` and ``knot``; left out, with the reason, where they are missing); and a C program that
sends every datagram back, which is what the sockets alone cost. All have the same number of names
and answer with the same number of octets. The server that is measured has a core of its own, and
everything else shares another. Every answer is checked.

The figure is the CPU that the kernel accounts to the server's processes, for each right answer;
rates move with what else runs on the machine.
"""

import argparse
import ipaddress
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import truediv
from pathlib import Path
from typing import Any, Final

import psutil

from bench.dns import why_no_unbound
from bench.goals import Goal, lines_of
from bench.machine import client_core, cpu_seconds, keep_on, machine_line, server_core
from bench.native import (
    DNS,
    ECHO,
    HANDLE,
    Figures,
    Load,
    NativeError,
    Protocol,
    Requests,
    echo,
    run_load,
    write_numbered,
    write_requests,
)
from bench.network import DIGITS, PREFIX, BenchNetwork, minimal_network, url_records
from bench.peer_dns import cached_unbound, domain, knot, why_no_knot, write_zone
from bench.program import amount, count, measure
from bench.speech import domain_question, handle_request

GOAL_UNBOUND: Final = 0.8
GOAL_ECHO: Final = 1.6
"""Our CPU for an answer from the cache, as a share of theirs."""

WINDOW: Final = 128
"""Requests in flight. The default socket buffer of Linux takes about 200 such datagrams."""

PATIENCE_S: Final = 600.0
"""For filling a cache."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server to be asked.

    Attributes:
        pids: its processes, by whose CPU it is measured; none if they are not known.
        pinned: whether it is ours to move to the server's core.
    """

    name: str
    title: str
    address: tuple[str, int]
    requests: Requests
    protocol: Protocol
    pids: tuple[int, ...]
    pinned: bool = True


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if the goals are met, 4 if not, 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.add_argument("--names", type=count, default=10_000, help="different names asked for")
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--seconds", type=amount, default=2.0, help="of each round and server")
    parser.add_argument("--clients", type=count, default=1, help="sockets that ask in turn")
    parser.add_argument("--handle-server", metavar="HOST:PORT", help="another one, on this machine")
    parser.add_argument("--handle", help="what to ask it for")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    foreign = None
    if options.handle_server or options.handle:
        if not (options.handle_server and options.handle):
            parser.error("--handle-server and --handle belong together")
        try:
            foreign = _parsed(options.handle_server)
        except ValueError as error:
            parser.error(str(error))
    return measure(
        parser,
        lambda folder: run(folder, options, foreign),
        print_report,
        as_json=options.json,
    )


def _parsed(text: str) -> tuple[str, int]:
    """An address on this machine.

    Raises:
        ValueError: it is none; the text says why.
    """
    host, colon, port = text.rpartition(":")
    host = {"localhost": "127.0.0.1"}.get(host, host.strip("[]"))
    if not (colon and port.isdecimal()):
        raise ValueError(f"{text} is not an address: HOST:PORT is needed")
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise ValueError(
            f"{host} is not a loopback address: only servers on this machine are asked"
        )
    return host, int(port)


def run(
    folder: Path, options: argparse.Namespace, foreign: tuple[str, int] | None = None
) -> dict[str, Any]:
    """Start every server, fill the caches, measure in rounds, stop them."""
    names: int = options.names
    with ExitStack() as running:
        network = running.enter_context(
            minimal_network(
                folder / "network", url_records(names), overrides={"cache.leaves": "512MiB"}
            )
        )
        requests = write_numbered(
            folder / "handles", handle_request(f"{PREFIX}/p-{DIGITS}"), DIGITS.encode(), names
        )
        contenders = _ours(network, requests)
        octets = _filled(contenders[0], names)
        left_out = _add_peers(running, folder, names, octets, contenders)
        running_echo = running.enter_context(echo(octets))
        contenders.append(
            Contender("echo", "C echo", running_echo.address, requests, ECHO, (running_echo.pid,))
        )
        if foreign is not None:
            contenders.append(_foreign(folder, foreign, options.handle))
        for contender in contenders:
            for pid in contender.pids if contender.pinned else ():
                keep_on(pid, {server_core()})
        rounds: dict[str, list[dict[str, float]]] = {item.name: [] for item in contenders}
        troubles: dict[str, str] = {}
        for _ in range(options.rounds):
            for contender in contenders:
                figures, row = _round(contender, options)
                rounds[contender.name].append(row)
                if figures.trouble():
                    troubles[contender.name] = figures.trouble()
    return _report(options, octets, contenders, rounds, troubles, left_out)


def _ours(network: BenchNetwork, requests: Requests) -> list[Contender]:
    contenders: list[Contender] = []
    for name, title, node in (
        ("enterprise", "enterprise node, from its store", network.enterprise),
        ("recursive", "recursive node, from its cache", network.recursive),
    ):
        pids = network.measure(node)
        at = ("127.0.0.1", node.port)
        contenders.insert(0, Contender(name, title, at, requests, HANDLE, pids))
    return contenders


def _filled(contender: Contender, names: int) -> int:
    """Ask for every name once; the octets of an answer."""
    load = Load(
        contender.protocol, seconds=PATIENCE_S, count=names, timeout=10.0, core=client_core()
    )
    figures = run_load("udp", contender.address, contender.requests, load)
    if figures.trouble() or figures.shortest != figures.longest:
        raise NativeError(
            f"{contender.title}: {figures.trouble() or 'answers of different lengths'}"
            " while its cache was filled"
        )
    return figures.longest


def _add_peers(
    running: ExitStack, folder: Path, names: int, octets: int, contenders: list[Contender]
) -> dict[str, str]:
    """Start the DNS servers that there are, their caches full; why the others are left out."""
    questions = write_numbered(
        folder / "domains", domain_question(domain(DIGITS)), DIGITS.encode(), names
    )
    write_zone(folder, names, octets)
    left_out = {}
    for name, title, reason, start in (
        ("unbound", "Unbound, from its cache", why_no_unbound(), cached_unbound),
        ("knot", "Knot, from its zone", why_no_knot(), knot),
    ):
        if reason:
            left_out[name] = reason
            continue
        peer = running.enter_context(start(folder))
        contender = Contender(name, title, peer.address, questions, DNS, (peer.pid,))
        if _filled(contender, names) != octets:
            raise NativeError(f"{title}: its answers do not have {octets} octets as ours")
        contenders.append(contender)
    return left_out


def _foreign(folder: Path, address: tuple[str, int], wanted: str) -> Contender:
    """A Handle server that somebody else runs; its processes are those that own the port."""
    requests = write_requests(folder / "foreign", [handle_request(wanted)])
    owners = {
        connection.pid
        for connection in psutil.net_connections("udp")
        if connection.pid and connection.laddr and connection.laddr.port == address[1]
    }
    title = f"Handle server at port {address[1]}"
    return Contender("other", title, address, requests, HANDLE, tuple(owners), pinned=False)


def _round(contender: Contender, options: argparse.Namespace) -> tuple[Figures, dict[str, float]]:
    load = Load(
        contender.protocol,
        seconds=options.seconds,
        window=WINDOW,
        flows=options.clients,
        core=client_core(),
    )
    before = cpu_seconds(contender.pids)
    figures = run_load("udp", contender.address, contender.requests, load)
    spent = cpu_seconds(contender.pids) - before
    row = {
        "rate": figures.rate,
        "right": float(figures.right),
        "octets": float(figures.longest),
        "p50_us": figures.latency_us["p50"],
        "p99_us": figures.latency_us["p99"],
    }
    if contender.pids:
        row["cpu_us"] = spent / max(1, figures.right) * 1e6
    return figures, row


def _report(
    options: argparse.Namespace,
    octets: int,
    contenders: Sequence[Contender],
    rounds: Mapping[str, list[dict[str, float]]],
    troubles: Mapping[str, str],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {}
    for contender in contenders:
        found = rounds[contender.name]
        row: dict[str, Any] = {"title": contender.title}
        row |= {key: statistics.median(entry[key] for entry in found) for key in found[0]}
        if "cpu_us" in row:
            each = sorted(entry["cpu_us"] for entry in found)
            row["cpu_us_least"], row["cpu_us_most"] = each[0], each[-1]
        rows[contender.name] = row
    ours = [entry["cpu_us"] for entry in rounds["recursive"]]
    for name, row in rows.items():
        # Within a round, whatever else the machine did was the same for all.
        row["ratio"] = None
        if "cpu_us" in row:
            theirs = (entry["cpu_us"] for entry in rounds[name])
            row["ratio"] = statistics.median(map(truediv, ours, theirs))
    goals = [Goal("our CPU as a share of the C echo's", rows["echo"]["ratio"], GOAL_ECHO)]
    if "unbound" in rows:
        share = rows["unbound"]["ratio"]
        goals.insert(0, Goal("our CPU as a share of Unbound's", share, GOAL_UNBOUND))
    return {
        "machine": machine_line(),
        "names": options.names,
        "answer_octets": octets,
        "window": WINDOW,
        "clients": options.clients,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "servers": rows,
        "left_out": dict(left_out),
        "troubles": dict(troubles),
        "goals": [goal.told() for goal in goals],
        "met": all(goal.met for goal in goals) and not troubles,
    }


def print_report(report: Mapping[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    print(
        f"UDP, {report['window']} requests of {report['clients']} clients in flight,"
        f" {report['names']:,} names, answers of {report['answer_octets']} octets; medians of"
        f" {report['rounds']} rounds of {report['seconds']:g} s"
    )
    print(
        f"{'':34} {'CPU µs':>7} {'least–most':>12} {'ours is':>8} {'answers/s':>10} {'p99 µs':>8}"
    )
    for row in report["servers"].values():
        cpu, spread, ratio = "", "", ""
        if "cpu_us" in row:
            cpu = f"{row['cpu_us']:.2f}"
            spread = f"{row['cpu_us_least']:.2f}–{row['cpu_us_most']:.2f}"
            ratio = f"{row['ratio']:.2f} ×"
        print(
            f"{row['title']:34} {cpu:>7} {spread:>12} {ratio:>8} {row['rate']:10,.0f}"
            f" {row['p99_us']:8,.0f}"
        )
    for name, reason in report["left_out"].items():
        print(f"{name} is left out: {reason}")
    for name, trouble in report["troubles"].items():
        print(f"{report['servers'][name]['title']}: {trouble}")
    print(*lines_of(report["goals"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
