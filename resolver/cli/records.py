"""``wuhan import`` and ``wuhan export``: records as JSON Lines, into and out of the stores.

Rules: the stores are files that several processes may use at once, so neither command needs the
network to run, nor minds if it does; a running node answers with the new records at once. A store
is made by its node at its first start, never here.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cli.stores import Stores, config_option, topology_of
from resolver.cluster.state import data_paths
from resolver.model.errors import StoreError
from resolver.model.text import printable
from resolver.storage import NodeStore
from resolver.storage.transfer import (
    ImportReport,
    LineError,
    StoreFor,
    export_lines,
    import_routed,
    read_lines,
)

SOME_FAILED: Final = 1
"""Exit code of an import that left lines out."""

_SHOWN_ERRORS: Final = 100
_REDRAW_LINES: Final = 256
_COUNTED_OCTETS: Final = 1 << 20

Command = Callable[..., Any]


@click.command("import")
@click.argument(
    "files",
    metavar="FILE…",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@click.option(
    "--node", "name", metavar="NAME", help="Put all records here, whoever is responsible."
)
@click.option(
    "--error-file",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Where to write every line left out, with its reason, as JSON Lines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
@data_option
def import_records(
    files: tuple[str, ...],
    name: str | None,
    error_file: IO[str] | None,
    as_json: bool,
    source: str | None,
    data: str,
) -> None:
    """Put the records of JSON Lines files (`-` is standard input) into the nodes' stores.

    Each line is a record as the HTTP API shows it: {"handle": "88.901.1/a", "values": [{"index":
    1, "type": "URL", "data": "https://…"}]}. Every record goes to the node responsible for its
    handle; an existing one is replaced. Lines that cannot be imported are told and left out.
    """
    paths = data_paths(data)
    topology = topology_of(paths, source)
    reports: dict[str, ImportReport] = {}
    began = time.monotonic()
    with ExitStack() as opened:
        stores = Stores(topology, paths, opened)
        store_for: StoreFor = stores.responsible_for
        if name is not None:
            store_for = partial(_always, stores.of(topology.node(name)))
        for file in files:
            complaints = _Complaints(file, error_file)
            with (
                click.open_file(file, "rb") as stream,
                output.progress(f"lines of {file}", _line_count(file)) as advance,
            ):
                lines = _counted(read_lines(cast("BinaryIO", stream)), advance)
                noting = _noting(store_for, f"import of {file}")
                reports[file] = import_routed(noting, lines, on_error=complaints.add)
            complaints.show()
    _print_import(reports, time.monotonic() - began, as_json=as_json)
    if any(report.failed for report in reports.values()):
        raise click.exceptions.Exit(SOME_FAILED)


@click.command("export")
@click.option("--node", "name", metavar="NAME", help="Only the records of this node.")
@click.option(
    "--prefix",
    default="",
    metavar="PREFIX",
    help="Only the identifiers of this prefix; with a slash, those that start like this.",
)
@click.option(
    "--output",
    "target",
    default="-",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Where to write; else standard output.",
)
@config_option
@data_option
def export_records(
    name: str | None, prefix: str, target: str, source: str | None, data: str
) -> None:
    """Write the records of the network, or of one node, as JSON Lines in the order of handles.

    `wuhan import` reads them.
    """
    paths = data_paths(data)
    topology = topology_of(paths, source)
    wanted = prefix if "/" in prefix or not prefix else f"{prefix}/"
    with ExitStack() as opened:
        stores = Stores(topology, paths, opened)
        if name is not None:
            chosen = [stores.of(topology.node(name))]
        else:
            chosen = [stores.of(spec) for spec in topology.nodes if stores.exists(spec)]
            if not chosen:
                stores.of(topology.nodes[0])
        total = None if wanted else sum(store.count() for store in chosen)
        lines = (line for store in chosen for line in export_lines(store, wanted))
        with output.progress("records exported", total) as advance:
            _write(_counted(lines, advance), target)


class _Complaints:
    """Lines left out: the first on standard error, all in the error file."""

    def __init__(self, file: str, error_file: IO[str] | None) -> None:
        self._file = file
        self._error_file = error_file
        self._shown: list[LineError] = []
        self._more = 0

    def add(self, error: LineError) -> None:
        """Take one; nothing is printed yet, as there is a progress bar on the screen."""
        if len(self._shown) < _SHOWN_ERRORS:
            self._shown.append(error)
        else:
            self._more += 1
        if self._error_file is not None:
            row = {"file": self._file, "line": error.line, "reason": error.reason}
            text = json.dumps(row, ensure_ascii=False)
            self._error_file.write(text.encode("utf-8", "backslashreplace").decode() + "\n")

    def show(self) -> None:
        """Print what was taken."""
        for error in self._shown:
            output.notice(f"{self._file}:{error.line}: {printable(error.reason)}")
        if self._more:
            kept = "" if self._error_file is not None else "; --error-file keeps them all"
            output.notice(f"{self._file}: {_number(self._more, 'more line')} left out{kept}")


def _noting(store_for: StoreFor, text: str) -> StoreFor:
    """``store_for`` that leaves a note in the journal of each store before anything goes there."""
    noted: set[int] = set()

    def noting(handle: str) -> NodeStore | None:
        store = store_for(handle)
        if store is not None and id(store) not in noted:
            noted.add(id(store))
            store.note(text, "operator", int(time.time()))
        return store

    return noting


def _always(store: NodeStore, handle: str) -> NodeStore:
    """A ``StoreFor`` that knows one store."""
    del handle
    return store


def _counted(lines: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """``lines``, counted in steps: telling of each would take longer than reading it."""
    untold = 0
    for line in lines:
        untold += 1
        if untold == _REDRAW_LINES:
            advance(untold)
            untold = 0
        yield line
    advance(untold)


def _line_count(file: str) -> int | None:
    """How many lines the file has; None where looking would consume it."""
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        count = 0
        while chunk := stream.read(_COUNTED_OCTETS):
            count += chunk.count(b"\n")
        return count


def _print_import(reports: dict[str, ImportReport], seconds: float, *, as_json: bool) -> None:
    imported = sum(report.imported for report in reports.values())
    duplicates = sum(report.duplicates for report in reports.values())
    failed = sum(report.failed for report in reports.values())
    if as_json:
        output.emit_json(
            {
                "imported": imported,
                "duplicates": duplicates,
                "failed": failed,
                "seconds": round(seconds, 3),
                "files": [{"file": file, **asdict(report)} for file, report in reports.items()],
            }
        )
        return
    rate = imported / max(seconds, 1e-9)
    words = [f"imported {_number(imported, 'record')} in {seconds:.1f} s ({rate:,.0f}/s)"]
    if duplicates:
        words.append(f"{duplicates:,} of them replaced by a later line of the same file")
    if failed:
        words.append(f"{_number(failed, 'line')} left out")
    click.echo("; ".join(words))


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _write(lines: Iterable[bytes], target: str) -> None:
    """Write ``lines``; a file gets its name when it is complete."""
    if target == "-":
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("wb") as stream:
            stream.writelines(lines)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
