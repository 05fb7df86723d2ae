"""``wuhan bench``: the group of load tests; what each does is in ``bench``, above this room.

Rule: a part is imported when it is called, by the name of its place.
"""

from importlib import import_module
from typing import Final

import click

PARTS: Final = {
    "soak": ("bench.soak.command:command", "Two billion resolutions, every answer verified."),
    "replay": ("bench.replay.command:command", "Ask again what an access log says was asked."),
}
"""In the order of ``--help``: where each is, and what it does in one line."""


class _Parts(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The part of this name, imported now."""
        if cmd_name not in PARTS:
            return None
        module, _, attribute = PARTS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of parts in ``--help``."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in PARTS.items()])


@click.group(cls=_Parts)
def bench() -> None:
    """Load tests, from a smoke run to two billion resolutions."""
