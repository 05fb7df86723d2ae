"""Groups of commands whose modules are imported when a command is called, so that ``--help`` and
shell completion do not wait for libraries they do not need."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final

import click

Table = Mapping[str, tuple[str, str]]
"""Name → where the command is (``module:attribute``), and what it does in one line."""


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, imported when they are looked up."""

    def __init__(self, table: Table) -> None:
        self._places: Final = {name: place for name, (place, _) in table.items()}

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = self._places[name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise TypeError("commands are added in the group's table")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are removed in the group's table")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places


class LazyGroup(click.Group):
    """A group whose help needs none of its commands."""

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "commands": LazyCommands(table)})
        self._table: Final = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in ``--help``."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._table.items()])
