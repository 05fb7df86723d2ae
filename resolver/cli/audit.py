"""``wuhan audit``: who changed what, and when, out of the nodes' journals.

Rules: the journals are read from the stores' files, so the network need not run; a running node is
not disturbed.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cli.stores import Stores, config_option, topology_of
from resolver.cluster.state import data_paths
from resolver.model.codes import OpCode
from resolver.model.handle import fold, prefix_of
from resolver.model.text import printable
from resolver.storage import Entry, NodeStore
from resolver.storage.ledger import checksum_of

DISAGREES: Final = 1
"""Exit code of a check that found something."""

_NOTE: Final = "note"
_SHOWN: Final = 50


@click.command()
@click.argument("node")
@click.option("--prefix", help="Only records under this prefix.")
@click.option("--handle", help="Only this record.")
@click.option("--user", metavar="INDEX:HANDLE", help="Only what this key asked for.")
@click.option("--after", type=click.IntRange(min=0), default=0, help="From entry AFTER + 1 on.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_SHOWN,
    show_default=True,
    help="The latest so many; 0 is all.",
)
@click.option("--check", is_flag=True, help="Compare the journal with the records.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
@data_option
def audit(
    node: str,
    prefix: str | None,
    handle: str | None,
    user: str | None,
    after: int,
    limit: int,
    check: bool,
    as_json: bool,
    source: str | None,
    data: str,
) -> None:
    """Show the journal of NODE: every change that was accepted, by whom and when.

    Changes are numbered without a gap. With --check every record that the journal knows is
    compared with what its last entry says.
    """
    paths = data_paths(data)
    topology = topology_of(paths, source)
    with ExitStack() as opened:
        store = Stores(topology, paths, opened).of(topology.node(node))
        if check:
            if not _check(store, as_json):
                raise click.exceptions.Exit(DISAGREES)
            return
        chosen = (
            entry
            for entry in store.entries(after)
            if (prefix is None or fold(prefix_of(entry.handle)) == fold(prefix))
            and (handle is None or fold(entry.handle) == fold(handle))
            and (user is None or fold(entry.user) == fold(user))
        )
        _show(_last(chosen, limit), as_json)


def _last(entries: Iterator[Entry], limit: int) -> Iterator[Entry] | list[Entry]:
    if not limit:
        return entries
    kept: list[Entry] = []
    for entry in entries:
        kept.append(entry)
        if len(kept) >= 2 * limit:
            del kept[:-limit]
    return kept[-limit:]


def _show(entries: Iterator[Entry] | list[Entry], as_json: bool) -> None:
    if as_json:
        output.emit_json([_fields(entry) for entry in entries])
        return
    rows = [
        (
            str(entry.number),
            _time(entry.unix),
            _operation(entry),
            printable(entry.handle),
            printable(entry.user) or "anybody",
        )
        for entry in entries
    ]
    output.table(("ENTRY", "TIME", "OPERATION", "HANDLE", "BY"), rows)


def _check(store: NodeStore, as_json: bool) -> bool:
    """Print whether the journal and the records agree."""
    last: dict[str, Entry] = {}
    number = 0
    gaps = 0
    for entry in store.entries():
        if number and entry.number != number + 1:
            gaps += 1
        number = entry.number
        if entry.operation:
            last[fold(entry.handle)] = entry
        else:
            last.clear()  # an import may have replaced any record
    wrong = [
        entry for entry in last.values() if checksum_of(store.get(entry.handle)) != entry.checksum
    ]
    if as_json:
        output.emit_json(
            {
                "entries": number,
                "gaps": gaps,
                "records": len(last),
                "differing": [entry.handle for entry in wrong],
            }
        )
    else:
        for entry in wrong[:_SHOWN]:
            output.notice(
                f"{printable(entry.handle)} is not as entry {entry.number} left it; see who else"
                " writes to this store"
            )
        click.echo(
            f"{number} entries, {gaps} gaps; {len(last)} records compared, {len(wrong)} differ"
        )
    return not wrong and not gaps


def _fields(entry: Entry) -> dict[str, Any]:
    return {
        "entry": entry.number,
        "time": _time(entry.unix),
        "operation": _operation(entry),
        "handle": entry.handle,
        "user": entry.user or None,
        "deleted": entry.checksum is None and entry.operation != 0,
    }


def _operation(entry: Entry) -> str:
    if not entry.operation:
        return _NOTE
    return OpCode(entry.operation).name.lower().replace("_", "-")


def _time(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
