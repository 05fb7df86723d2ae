"""``wuhan resolve``: ask a node, or any Handle server, for an identifier.

Exit status: 0 found, 1 usage, 2 not found (also: the server refers elsewhere and ``--no-recurse``
forbids to follow), 3 the network or the server failed.
"""

import asyncio
import shutil
import sys
from typing import Any, Final

import click

from resolver.cli import output
from resolver.cli.identifiers import identifier_to_json
from resolver.cli.options import data_option
from resolver.cli.record_view import cut, indented, record_lines, trace_lines
from resolver.client import (
    DEFAULT_SERVER,
    Client,
    Record,
    Referred,
    ResolutionError,
    Trace,
    trace,
)
from resolver.client.trace import trace_to_json
from resolver.model.address import format_address
from resolver.model.errors import UpstreamError
from resolver.model.identifier import Identifier
from resolver.model.text import printable
from resolver.schemes.asked import handle_of
from resolver.wire.rest import record_to_json

NOT_FOUND_HERE: Final = 2

DEFAULT_SERVERS: Final = {"tcp": DEFAULT_SERVER, "udp": DEFAULT_SERVER, "http": "127.0.0.1:8001"}
"""Doors of the recursive node of a network on its default ports."""

_REACHED_BY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command("resolve")
@click.argument("text", metavar="ID")
@click.option("--trace", "with_trace", is_flag=True, help="Show the path of the resolution.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--server",
    metavar="HOST:PORT",
    envvar="WUHAN_SERVER",
    help="Whom to ask; else the recursive node of the running network.",
)
@click.option(
    "--transport", type=click.Choice(["tcp", "udp", "http"]), default="tcp", show_default=True
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only values of this type.")
@click.option(
    "--index", "indexes", multiple=True, type=click.IntRange(0, 2**31 - 1), help="Only this value."
)
@click.option("--no-recurse", is_flag=True, help="The server shall not ask others.")
@click.option("--authoritative", is_flag=True, help="Ask primaries, bypass caches.")
@click.option("--follow-alias", is_flag=True, help="Go on with the name an HS_ALIAS gives.")
@click.option("--timeout", type=float, default=5.0, show_default=True, help="Seconds.")
@data_option
def resolve(
    text: str,
    with_trace: bool,
    as_json: bool,
    server: str | None,
    transport: str,
    types: tuple[str, ...],
    indexes: tuple[int, ...],
    no_recurse: bool,
    authoritative: bool,
    follow_alias: bool,
    timeout: float,
    data: str,
) -> int:
    """Resolve ID, an identifier of any scheme, and print its values."""
    if with_trace and (no_recurse or follow_alias):
        raise click.UsageError("--trace goes with neither --no-recurse nor --follow-alias")
    identifier, handle = handle_of(text)
    server = server or running_server(data, transport)
    if identifier is not None and identifier.assumptions and not as_json:
        output.notice(f"{text} is resolved as {handle}; see: wuhan id explain")

    async def outcome() -> Record | Trace:
        async with Client(server, transport=transport, timeout=timeout) as client:
            if with_trace:
                return await trace(
                    client, handle, types=types, indexes=indexes, authoritative=authoritative
                )
            return await client.resolve(
                handle,
                types=types,
                indexes=indexes,
                authoritative=authoritative,
                recursive=not no_recurse,
                follow_alias=follow_alias,
            )

    try:
        result = asyncio.run(outcome())
    except (ResolutionError, UpstreamError) as error:
        if as_json:
            output.emit_json(error_to_json(handle, error))
        if not isinstance(error, Referred):
            raise
        output.error(str(error))
        return NOT_FOUND_HERE
    _show(result, identifier, as_json=as_json)
    if isinstance(result, Trace) and result.error is not None:
        raise result.error
    return 0


def running_server(data: str, transport: str) -> str:
    """Address of the recursive node of the network that runs in the folder ``data``; the default
    one's if none runs there.

    Raises:
        NetworkStateError: the folder's state file cannot be understood.
    """
    # Imported here: a command that is told its server starts faster without it.
    from resolver.cluster.state import data_paths, read_state

    state = read_state(data_paths(data))
    node = state.first_of("recursive") if state is not None else None
    if node is None:
        return DEFAULT_SERVERS[transport]
    host = _REACHED_BY.get(node.address, node.address)
    return format_address(host, node.http_port if transport == "http" else node.port)


def _show(result: Record | Trace, identifier: Identifier | None, *, as_json: bool) -> None:
    record = result.record if isinstance(result, Trace) else result
    if as_json:
        document = record_to_document(record) if record else {}
        if isinstance(result, Trace):
            if result.error is not None:
                document = error_to_json(result.handle, result.error)
            document["trace"] = trace_to_json(result)
        if identifier is not None:
            document["identifier"] = identifier_to_json(identifier)
        output.emit_json(document)
        return
    lines = trace_lines(result) if isinstance(result, Trace) else []
    if record is not None:
        lines += [f"{printable(name)} is an alias of" for name in record.aliases]
        lines += record_lines(record)
    _print(indented(lines))


def _print(lines: list[str]) -> None:
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        lines = [cut(line, width) for line in lines]
    click.echo("\n".join(lines))


def record_to_document(record: Record) -> dict[str, Any]:
    """The JSON form of a record: that of the HTTP API, and how it came."""
    return {
        "responseCode": record.code,
        **record_to_json(record.handle, record.values),
        "ttl": record.ttl,
        "server": record.server,
        "authoritative": record.authoritative,
        "seconds": record.seconds,
        "aliases": list(record.aliases),
    }


def error_to_json(handle: str, error: ResolutionError | UpstreamError) -> dict[str, Any]:
    """The JSON form of an outcome without values; no response code where nobody answered."""
    document: dict[str, Any] = {"handle": handle, "message": str(error)}
    if isinstance(error, ResolutionError):
        document = {"responseCode": error.code, **document, "server": error.server}
    return document
