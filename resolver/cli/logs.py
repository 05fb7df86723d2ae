"""``wuhan logs``: what the nodes wrote down."""

import os
import time
from collections import deque
from pathlib import Path
from typing import Final

import click

from resolver.cli.options import data_option
from resolver.cluster.state import data_paths, read_state
from resolver.model.errors import ConfigError, NetworkStateError
from resolver.server.logs import LEVELS
from resolver.topology.nearest import did_you_mean
from resolver.topology.plan import DataPaths

FOLLOW_EVERY_S: Final = 0.3
TAIL_LINES: Final = 50


@click.command()
@click.argument("name", metavar="[NODE]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are added, until Ctrl-C.")
@click.option("-n", "--lines", default=TAIL_LINES, show_default=True, type=click.IntRange(0))
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    help="From now on log what is of this level or worse; NODE's process, or all.",
)
@data_option
def logs(name: str | None, follow: bool, lines: int, level: str | None, data: str) -> None:
    """Show what NODE, or the whole network, logged.

    Nodes that share a process share its log.
    """
    if level is not None:
        _set_level(data, name, level)
        return
    paths = data_paths(data)
    files = _log_files(paths, name)
    if not files:
        raise NetworkStateError(f"there are no logs in {paths.root}; start a network: wuhan up")
    ends = {file: _print_tail(file, lines, alone=len(files) == 1) for file in files}
    while follow:
        time.sleep(FOLLOW_EVERY_S)
        for file in files:
            ends[file] = _print_from(file, ends[file], alone=len(files) == 1)


def _set_level(data: str, name: str | None, level: str) -> None:
    # Imported here: who reads logs needs no connection.
    from resolver.cli.running import RunningNetwork

    network = RunningNetwork(data)
    nodes = network.state.nodes if name is None else [network.state.node(name)]
    first = {node.process: node for node in reversed(nodes)}
    for process, node in reversed(first.items()):
        before = network.call(node, "log.level", level)
        click.echo(f"{process}: {level}, it was {before}")


def _log_files(paths: DataPaths, name: str | None) -> list[Path]:
    folder = paths.log("").parent
    files = sorted(folder.glob("*.log"))
    if name is None or not files:
        return files
    state = read_state(paths)
    process = state.node(name).process if state is not None and name != "supervisor" else name
    file = paths.log(process)
    if file not in files:
        near = did_you_mean(name, (known.stem for known in files))
        raise ConfigError(f"there is no log of {name!r} in {folder}{near}")
    return [file]


def _print_tail(file: Path, lines: int, *, alone: bool) -> int:
    with file.open("rb") as stream:
        for line in deque(stream, maxlen=lines):
            _print_line(file, line, alone=alone)
        return stream.tell()


def _print_from(file: Path, start: int, *, alone: bool) -> int:
    if not file.exists() or file.stat().st_size < start:
        start = 0
    with file.open("rb") as stream:
        stream.seek(start, os.SEEK_SET)
        for line in stream:
            _print_line(file, line, alone=alone)
        return stream.tell()


def _print_line(file: Path, line: bytes, *, alone: bool) -> None:
    text = line.decode("utf-8", "replace").rstrip("\n")
    click.echo(text if alone else f"{file.stem}: {text}")
