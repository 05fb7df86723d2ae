"""Options that several commands share; imports nothing heavy."""

from collections.abc import Callable
from typing import Any, Final

import click

DEFAULT_DATA: Final = ".wuhan"

Command = Callable[..., Any]


def data_option(command: Command) -> Command:
    """The option that says where the network's files are."""
    return click.option(
        "--data",
        default=DEFAULT_DATA,
        show_default=True,
        envvar="WUHAN_DATA",
        type=click.Path(file_okay=False),
        help="Data folder; nothing is written outside it.",
    )(command)
