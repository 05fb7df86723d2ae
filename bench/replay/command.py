"""``wuhan bench replay``: the command."""

from pathlib import Path
from typing import Any, Final

import click
import uvloop

from bench.machine import machine_line
from bench.replay.replaying import Replayed, quantile, replay, rows_of
from resolver.cli import output
from resolver.cli.options import data_option
from resolver.client.address import parse_address
from resolver.cluster.state import data_paths, running_network
from resolver.model.errors import ConfigError
from resolver.model.text import printable

INEXACT: Final = 4
"""Exit status when not every resolution that was recorded was answered."""

_SHOWN: Final = 20


@click.command("replay")
@click.argument(
    "files",
    metavar="FILE…",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="So many times as quickly as recorded; inf does not wait.",
)
@click.option("--server", metavar="HOST:PORT", help="Else the first recursive node that runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def command(
    files: tuple[Path, ...], speed: float, server: str | None, as_json: bool, data: str
) -> None:
    """Ask a node again what the access logs FILE… say that nodes were asked, over TCP.

    Nodes write such logs if the configuration says [log] access = "jsonl". Of a rotated log, or of
    a node with several processes, name all files. Exit status 4: not everything was answered.
    """
    replayed = Replayed()
    rows = rows_of(files, replayed)
    address = parse_address(server) if server is not None else _running(data)
    uvloop.run(replay(address, rows, speed, replayed))
    document = _document(replayed, speed, rows[-1].time - rows[0].time)
    if as_json:
        output.emit_json(document)
    else:
        _show(document)
    if not replayed.is_exact:
        raise click.exceptions.Exit(INEXACT)


def _running(data: str) -> tuple[str, int]:
    node = running_network(data_paths(data)).first_of("recursive")
    if node is None:
        raise ConfigError("the network has no recursive node; name a node with --server")
    return node.address, node.port


def _document(replayed: Replayed, speed: float, recorded_s: float) -> dict[str, Any]:
    prefixes = sorted(replayed.recorded | replayed.answered)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        "logs": [head._asdict() for head in replayed.heads],
        "speed": speed if speed != float("inf") else None,
        "exact": replayed.is_exact,
        "wuhan_replay_recorded_total": replayed.recorded.total(),
        "wuhan_replay_answered_total": replayed.answered.total(),
        "wuhan_replay_unanswered_total": replayed.unanswered,
        "wuhan_replay_otherwise_total": replayed.otherwise,
        "wuhan_replay_left_out_total": replayed.others,
        "recorded_seconds": round(recorded_s, 3),
        "seconds": round(replayed.seconds, 3),
        "latest_start_ms": round(replayed.late_s * 1e3, 3),
        "latency_ms": {
            name: round(quantile(replayed.latencies, share) * 1e3, 3)
            for name, share in shares.items()
        },
        "codes": {
            str(code): [replayed.recorded_codes[code], replayed.codes[code]]
            for code in sorted(replayed.recorded_codes | replayed.codes)
        },
        "prefixes": {
            prefix: [replayed.recorded[prefix], replayed.answered[prefix]] for prefix in prefixes
        },
        "machine": machine_line(),
    }


def _show(document: dict[str, Any]) -> None:
    latency = document["latency_ms"]
    click.echo(
        f"  {document['wuhan_replay_answered_total']:,} of"
        f" {document['wuhan_replay_recorded_total']:,} resolutions answered in"
        f" {document['seconds']:g} s ({document['recorded_seconds']:g} s recorded),"
        f" {document['wuhan_replay_otherwise_total']:,} otherwise than recorded"
    )
    click.echo(
        f"  latency {latency['p50']:g} ms p50, {latency['p95']:g} ms p95, {latency['p99']:g} ms"
        f" p99; the latest left {document['latest_start_ms']:g} ms late"
    )
    for log in document["logs"]:
        if log["every"] > 1:
            click.echo(f"  the log of {log['node']} has one of {log['every']:,} requests")
    prefixes = sorted(document["prefixes"].items(), key=lambda item: -item[1][0])
    columns = ("PREFIX", "RECORDED", "ANSWERED")
    rows = [(printable(name), f"{was:,}", f"{now:,}") for name, (was, now) in prefixes[:_SHOWN]]
    click.echo()
    output.table(columns, rows, right=columns[1:])
    if len(prefixes) > _SHOWN:
        click.echo(f"  and {len(prefixes) - _SHOWN:,} more; --json has them all")
