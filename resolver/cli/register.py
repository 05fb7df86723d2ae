"""``wuhan register``, ``modify`` and ``delete``: records of a running node, one or very many.

Rules: the commands speak to nodes as any client does, and the node decides. In a sandbox the sample
administrator of a prefix is taken if no other is given, and said so.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.client import Client
from resolver.client.keys import Key, load_key
from resolver.client.registrar import Registrar
from resolver.client.samples import sample_key, sample_user, with_admin
from resolver.cluster.state import data_paths, running_network
from resolver.model.address import format_address
from resolver.model.errors import ConfigError, UpstreamError, WireError
from resolver.model.handle import prefix_handle, prefix_of
from resolver.model.site import Protocol
from resolver.model.value import HandleValue, Reference
from resolver.wire.rest import value_from_json
from resolver.wire.typed import decode_site
from resolver.wire.values import ValueList

T = TypeVar("T")
Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Who:
    """Whom to ask, and as whom; what was not given is found out for each prefix."""

    data: str
    server: str | None
    user: Reference | None
    key: Key | None

    def user_for(self, prefix: str) -> Reference:
        """The administrator."""
        return self.user or sample_user(prefix)

    def registrar(self, prefix: str, server: str) -> Registrar:
        """A connection for identifiers under ``prefix``, not open yet."""
        return Registrar(server, self.user_for(prefix), self.key or sample_key(prefix))

    async def server_for(self, prefix: str) -> str:
        """The node that holds identifiers under ``prefix``, as the network says.

        Raises:
            NotFound: there is no such prefix.
            UpstreamError: its node cannot be asked over TCP.
        """
        if self.server is not None:
            return self.server
        state = running_network(data_paths(self.data))
        recursive = next((node for node in state.nodes if node.role == "recursive"), state.nodes[0])
        address = format_address(recursive.address, recursive.port)
        async with Client(address) as client:
            record = await client.resolve(prefix_handle(prefix), types=("HS_SITE",))
        for value in record.values:
            try:
                server = decode_site(value.data).servers[0]
            except (WireError, IndexError):
                continue
            port = server.port(Protocol.TCP)
            if port is not None:
                return format_address(str(server.address), port)
        raise UpstreamError(f"the record of {prefix} names no node that speaks TCP")


def who_options(command: Command) -> Command:
    """Options that say whom to ask, and as whom."""
    for option in (
        click.option("--server", metavar="HOST:PORT", help="The node; else it is found out."),
        click.option("--user", metavar="INDEX:HANDLE", help="The administrator."),
        click.option(
            "--key",
            "key_file",
            envvar="WUHAN_KEY",
            type=click.Path(exists=True, dir_okay=False),
            help="File of their private key (PEM) or secret.",
        ),
        data_option,
    ):
        command = option(command)
    return command


def who_from(data: str, server: str | None, user: str | None, key_file: str | None) -> Who:
    """Whom to ask, and as whom.

    Raises:
        ConfigError: only one of user and key is given, or one of them cannot be read.
    """
    if (user is None) != (key_file is None):
        raise ConfigError("--user and --key belong together")
    if user is None or key_file is None:
        output.notice("as the sample administrator of the prefix; --user and --key for another")
        return Who(data, server, None, None)
    index, colon, handle = user.partition(":")
    if not colon or not (index.isascii() and index.isdecimal() and len(index) < 10):
        raise ConfigError(f"{user!r} is no administrator: write INDEX:HANDLE")
    return Who(data, server, Reference(handle, int(index)), load_key(Path(key_file)))


@click.command()
@click.argument("handle", metavar="ID", required=False)
@click.option("--value", "texts", multiple=True, metavar="TYPE=TEXT", help="A value of text.")
@click.option(
    "--values",
    "file",
    type=click.Path(exists=True, dir_okay=False),
    help="Values in a JSON file, as the HTTP API shows them.",
)
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
@click.option("--mint", is_flag=True, help="ID is a beginning; the node makes a new name of it.")
@click.option(
    "--file",
    "bulk",
    type=click.Path(exists=True, dir_okay=False),
    help="Register all records of a JSON Lines file, as wuhan import reads them.",
)
@click.option("--checkpoint", type=click.Path(dir_okay=False), help="Where --file notes how far.")
@click.option("--error-file", type=click.Path(dir_okay=False), help="Lines of --file left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@who_options
def register(
    handle: str | None,
    texts: tuple[str, ...],
    file: str | None,
    overwrite: bool,
    mint: bool,
    bulk: str | None,
    checkpoint: str | None,
    error_file: str | None,
    as_json: bool,
    server: str | None,
    user: str | None,
    key_file: str | None,
    data: str,
) -> None:
    """Register ID with values, or with --file very many identifiers.

    The administrator gets an HS_ADMIN value unless the values have one. With --file a run that was
    interrupted goes on where it stopped when the same command is given again.
    """
    if (handle is None) == (bulk is None):
        raise ConfigError("give either an ID with values, or --file")
    who = who_from(data, server, user, key_file)
    if bulk is not None:
        if texts or file or mint:
            raise ConfigError("--file takes its values from the file")
        # Imported here: it knows the stores' line format.
        from resolver.cli.register_file import register_file

        register_file(who, Path(bulk), checkpoint, error_file, overwrite=overwrite, as_json=as_json)
        return
    assert handle is not None
    values = _values(texts, file)
    if not values:
        raise ConfigError("an identifier needs values: --value URL=https://… or --values FILE")

    async def create(registrar: Registrar) -> str:
        record = with_admin(ValueList.of(values), registrar.user)
        return await registrar.create(handle, record, overwrite=overwrite, mint=mint)

    _told("registered", asyncio.run(_at_node(who, handle, create)), as_json)


@click.command()
@click.argument("handle", metavar="ID")
@click.option(
    "--set", "texts", multiple=True, metavar="INDEX:TYPE=TEXT", help="Put a value of text there."
)
@click.option(
    "--values",
    "file",
    type=click.Path(exists=True, dir_okay=False),
    help="Values to put there, in a JSON file.",
)
@click.option(
    "--remove", "indexes", multiple=True, type=click.IntRange(1, 2**31 - 1), help="Remove a value."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@who_options
def modify(
    handle: str,
    texts: tuple[str, ...],
    file: str | None,
    indexes: tuple[int, ...],
    as_json: bool,
    server: str | None,
    user: str | None,
    key_file: str | None,
    data: str,
) -> None:
    """Change values of ID: put new ones in their places, remove others."""
    values = _values(texts, file, indexed=True)
    if not values and not indexes:
        raise ConfigError("nothing to change: give --set, --values or --remove")
    who = who_from(data, server, user, key_file)

    async def change(registrar: Registrar) -> str:
        if values:
            await registrar.put(handle, ValueList.of(values))
        if indexes:
            await registrar.remove(handle, indexes)
        return handle

    _told("modified", asyncio.run(_at_node(who, handle, change)), as_json)


@click.command()
@click.argument("handle", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@who_options
def delete(
    handle: str,
    as_json: bool,
    server: str | None,
    user: str | None,
    key_file: str | None,
    data: str,
) -> None:
    """Delete ID with all its values."""
    who = who_from(data, server, user, key_file)

    async def end(registrar: Registrar) -> str:
        await registrar.delete(handle)
        return handle

    _told("deleted", asyncio.run(_at_node(who, handle, end)), as_json)


async def _at_node(who: Who, handle: str, work: Callable[[Registrar], Awaitable[T]]) -> T:
    if "/" not in handle:
        raise ConfigError(f"{handle!r} is no handle: it has a prefix, a slash and a suffix")
    prefix = prefix_of(handle)
    async with who.registrar(prefix, await who.server_for(prefix)) as registrar:
        return await work(registrar)


def _values(
    texts: tuple[str, ...], file: str | None, *, indexed: bool = False
) -> list[HandleValue]:
    values = [] if file is None else _values_in(Path(file))
    taken = {value.index for value in values}
    for text in texts:
        name, equals, content = text.partition("=")
        index, colon, type_ = name.partition(":") if indexed else ("", ":", name)
        if not equals or not colon or not type_:
            form = "INDEX:TYPE=TEXT" if indexed else "TYPE=TEXT"
            raise ConfigError(f"{text!r} is no value: write {form}")
        if indexed and not (index.isascii() and index.isdecimal() and 0 < len(index) < 10):
            raise ConfigError(f"{index!r} is no index of a value")
        number = int(index) if indexed else next(n for n in range(1, 9999) if n not in taken)
        taken.add(number)
        values.append(HandleValue(number, type_, content.encode("utf-8", "surrogateescape")))
    return values


def _values_in(path: Path) -> list[HandleValue]:
    try:
        document = json.loads(path.read_bytes())
        found = document.get("values", [document]) if isinstance(document, dict) else document
        if not isinstance(found, list):
            raise ConfigError(f"{path}: neither a list of values nor an object with them")
        return [value_from_json(value, f"values[{n}]") for n, value in enumerate(found)]
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _told(what: str, handle: str, as_json: bool) -> None:
    if as_json:
        output.emit_json({"handle": handle, "outcome": what})
    else:
        click.echo(f"{what} {handle}")
