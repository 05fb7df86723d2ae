"""``wuhan bench soak``: the command."""

import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from bench.soak import report
from bench.soak.run import Options, Told, soak
from resolver.cli import output
from resolver.cli.options import DEFAULT_DATA
from resolver.client.address import parse_address

NOT_RIGHT: Final = 4
"""Exit status when all was asked, and an answer was not right."""

INTERRUPTED: Final = 130
_LINE_S: Final = 30.0


class Amount(click.ParamType[int]):
    """A whole number that may be written as 2e9."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """See click."""
        try:
            number = float(str(value).replace("_", "").replace(",", ""))
        except ValueError:
            number = 0.0
        if not 1 <= number <= 1e15 or number != int(number):
            self.fail(f"{value!r} is not a whole number from 1 on, such as 20000000 or 2e7")
        return int(number)


@click.command("soak")
@click.option("--total", type=Amount(), default="2e9", show_default=True, help="Requests.")
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("soak.json"),
    show_default=True,
    help="What is done so far; the same command goes on from there.",
)
@click.option("--server", metavar="HOST:PORT", help="The node to ask, over TCP.")
@click.option(
    "--config",
    "source",
    default="wuhan",
    show_default=True,
    envvar="WUHAN_CONFIG",
    metavar="FILE|wuhan|minimal",
    help="The network that is asked, if none runs.",
)
@click.option(
    "--data",
    default=DEFAULT_DATA,
    show_default=True,
    envvar="WUHAN_DATA",
    type=click.Path(file_okay=False),
    help="Data folder of a network that may be running.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a report: FILE.json, FILE.md or FILE.html.",
)
@click.option(
    "--save-every",
    type=click.FloatRange(min=0.05),
    default=5.0,
    show_default=True,
    help="Seconds between two checkpoints.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    total: int,
    checkpoint: Path,
    server: str | None,
    source: str,
    data: str,
    reports: tuple[Path, ...],
    save_every: float,
    as_json: bool,
) -> None:
    """Ask for so many resolutions, verify every answer, and go on after any interruption.

    Stop it with Ctrl-C, or kill it; the same command goes on, and counts no answer twice. Exit
    status 4: everything was answered, but not everything rightly.
    """
    for path in reports:
        report.check_form(path)
    address = None if server is None else parse_address(server)
    options = Options(total, checkpoint, address, source, data, save_every)
    with ExitStack() as at_end:
        outcome = soak(options, output.notice, _Shown(at_end).tell)
    found = report.document(outcome)
    for path in reports:
        report.write(path, found)
    if as_json:
        output.emit_json(found)
    else:
        click.echo(report.markdown(found).partition("\n## Sessions")[0])
    if outcome.is_interrupted and not outcome.is_complete:
        output.notice(f"interrupted; go on with the same command (checkpoint: {checkpoint})")
        raise click.exceptions.Exit(INTERRUPTED)
    if found["wuhan_soak_failures_total"]:
        raise click.exceptions.Exit(NOT_RIGHT)


class _Shown:
    """The progress: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, at_end: ExitStack) -> None:
        self._at_end: Final = at_end
        self._advance: output.Advance | None = None
        self._shown = 0
        self._line_at = time.monotonic() + _LINE_S

    def tell(self, told: Told) -> None:
        """See ``bench.soak.run.Tell``."""
        requests, total = told.progress.requests, told.work.total
        if sys.stderr.isatty():
            if self._advance is None:
                bar = output.progress("resolutions verified", total)
                self._advance = self._at_end.enter_context(bar)
            self._advance(requests - self._shown, total)
            self._shown = requests
        elif time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_S
            rate = requests / told.progress.seconds if told.progress.seconds else told.rate
            left = timedelta(seconds=round((total - requests) / rate)) if rate else "unknown"
            wrong = requests - told.progress.successes
            output.notice(
                f"{requests / total:.1%}: {requests:,} of {total:,}, {told.rate:,.0f}/s,"
                f" {wrong:,} not right, {left} left"
            )
