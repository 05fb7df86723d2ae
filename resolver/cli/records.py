"""``wuhan import`` and ``wuhan export``: records in files, into and out of the stores.

Rules: the stores are files that several processes may use at once, so neither command needs the
network to run, nor minds if it does; a running node answers with the new records at once. A store
is made by its node at its first start, never here.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import click

from resolver.cli import output
from resolver.cli.import_chunks import Everything, parsed_chunks
from resolver.cli.options import data_option
from resolver.cli.stores import Places, Stores, config_option, topology_of
from resolver.cluster.state import data_paths
from resolver.model.errors import StoreError
from resolver.model.text import printable
from resolver.storage import NodeStore
from resolver.storage.chunks import Parsed, Route
from resolver.storage.forms import FORMS
from resolver.storage.transfer import (
    ImportReport,
    LineError,
    import_parsed,
)
from resolver.storage.transfer import (
    export_records as export,
)

SOME_FAILED: Final = 1
"""Exit code of an import that left lines out."""

_SHOWN_ERRORS: Final = 100
_REDRAW_RECORDS: Final = 256

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
    """Put the records of files (`-` is standard input) into the nodes' stores.

    A file is JSON Lines, each line a record as the HTTP API shows it: {"handle": "88.901.1/a",
    "values": [{"index": 1, "type": "URL", "data": "https://…"}]}; or MessagePack, as `wuhan export
    --format msgpack` writes it. Every record goes to the node responsible for its handle; an
    existing one is replaced. Lines, or records, that cannot be imported are told and left out.
    """
    paths = data_paths(data)
    topology = topology_of(paths, source)
    route: Route = Places(topology) if name is None else Everything(topology.node(name).name)
    reports: dict[str, ImportReport] = {}
    began = time.monotonic()
    with ExitStack() as opened:
        stores = Stores(topology, paths, opened)
        for file in files:
            complaints = _Complaints(file, error_file)
            store_of = _noting(stores.named, f"import of {file}")
            with (
                click.open_file(file, "rb") as stream,
                closing(parsed_chunks(cast("BinaryIO", stream), route)) as chunks,
                output.progress(f"lines of {Path(file).name}") as advance,
            ):
                told = _told(chunks, _size_of(file), advance)
                reports[file] = import_parsed(store_of, told, on_error=complaints.add)
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
    "--format",
    "form",
    default="jsonl",
    type=click.Choice(list(FORMS)),
    help="JSON Lines, or MessagePack, which is quicker.",
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
    name: str | None, prefix: str, form: str, target: str, source: str | None, data: str
) -> None:
    """Write the records of the network, or of one node, in the order of handles.

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
        with output.progress("records exported", total) as advance:
            chosen_form = FORMS[form]
            parts = (part for store in chosen for part in export(store, chosen_form, wanted))
            _write(chain([chosen_form.header], _counted(parts, advance)), target)


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


def _noting(store_of: Callable[[str], NodeStore], text: str) -> Callable[[str], NodeStore]:
    """``store_of`` that leaves a note in the journal of each store before anything goes there."""
    noted: set[str] = set()

    def noting(name: str) -> NodeStore:
        store = store_of(name)
        if name not in noted:
            noted.add(name)
            store.note(text, "operator", int(time.time()))
        return store

    return noting


def _told(
    chunks: Iterable[Parsed], size: int | None, advance: Callable[..., None]
) -> Iterator[Parsed]:
    """``chunks``, whose lines are counted; how many there will be is estimated from the file's
    size in octets."""
    octets = lines = 0
    for chunk in chunks:
        octets += chunk.octets
        lines += chunk.numbered
        advance(chunk.numbered, None if size is None else max(lines, size * lines // octets))
        yield chunk


def _size_of(file: str) -> int | None:
    """Octets of a file; None of what has no size, as a pipe."""
    path = Path(file)
    return path.stat().st_size if path.is_file() else None


def _counted(parts: Iterable[bytes], advance: Callable[..., None]) -> Iterator[bytes]:
    """``parts``, counted in steps: telling of each would take longer than reading it."""
    untold = 0
    for part in parts:
        untold += 1
        if untold == _REDRAW_RECORDS:
            advance(untold)
            untold = 0
        yield part
    advance(untold)


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


def _write(parts: Iterable[bytes], target: str) -> None:
    """Write ``parts``; a file gets its name when it is complete."""
    if target == "-":
        sys.stdout.buffer.writelines(parts)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("wb") as stream:
            stream.writelines(parts)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
