"""What commands print: JSON, tables, progress.

Rules: results go to stdout, everything else to stderr. A terminal gets colour (unless NO_COLOR is
set), a pipe gets plain lines of any length. rich is imported only where something is drawn.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from resolver.model.identifier import ascii_safe

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_COLUMNS: Final = 10_000
"""Width of what is not a terminal: wide enough that no line is cut or wrapped."""


def emit_json(document: Any) -> None:
    """Print ``document`` as JSON, in UTF-8 with what is not UTF-8 escaped."""
    click.echo(ascii_safe(json.dumps(document, ensure_ascii=False, indent=2)))


def error(message: str) -> None:
    """Say what is wrong, on stderr; of several lines each is an error of its own."""
    for line in ascii_safe(message).splitlines() or ["unknown"]:
        click.echo(f"{_coloured('error:', 'red')} {line}", err=True)


def notice(message: str) -> None:
    """Say something that is not the result, on stderr."""
    click.echo(ascii_safe(message), err=True)


def no_color() -> bool:
    """Whether the user wants no colour (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def console(*, stderr: bool = False) -> "Console":
    """A rich console on stdout, or on stderr."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else _PIPE_COLUMNS
    return Console(
        file=file,
        width=width,
        # By itself rich takes colours away, but not bold.
        color_system=None if no_color() else "auto",
        highlight=False,
        soft_wrap=True,
        emoji=False,
    )


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    styles: dict[str, str] | None = None,
    indent: int = 2,
) -> None:
    """Print a table without rules.

    Args:
        right: headers of the columns that are set to the right.
        styles: cell text → style, for words that are coloured wherever they stand.
        indent: columns to the left of the table.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        side = "right" if header in right else "left"
        drawn.add_column(header, justify=side, no_wrap=True)  # type: ignore[arg-type]  # a literal
    for row in rows:
        drawn.add_row(*(Text(ascii_safe(cell), (styles or {}).get(cell, "")) for cell in row))
    screen: Console = console()
    with screen.capture() as capture:
        screen.print(drawn)
    for line in capture.get().splitlines():
        click.echo(" " * indent + line.rstrip())


class Advance(Protocol):
    """Adds to what is done."""

    def __call__(self, number: int, total: int | None = None) -> None:
        """``total`` is how many there will be, where that was not known or has changed."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show how far something is, on stderr: a bar with rate and remaining time on a terminal, one
    line at the end otherwise.

    Args:
        what: what is counted, such as ``records imported``.
        total: how many there will be, if known.
    """
    if sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
        return
    started, done = time.monotonic(), 0

    def advance_silently(number: int, total: int | None = None) -> None:
        del total
        nonlocal done
        done += number

    try:
        yield advance_silently
    finally:
        seconds = time.monotonic() - started
        rate = f", {done / seconds:,.0f}/s" if seconds > 0 else ""
        notice(f"{done:,} {what} in {seconds:.1f} s{rate}")


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as shown:
        task = shown.add_task(what, total=total, rate="")

        def advance(number: int, total: int | None = None) -> None:
            speed = shown.tasks[0].speed
            rate = "" if speed is None else f"{speed:,.0f}/s"
            shown.update(task, advance=number, total=total, rate=rate)

        yield advance


def _coloured(text: str, colour: str) -> str:
    return text if no_color() else click.style(text, fg=colour)
