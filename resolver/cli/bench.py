"""``wuhan bench``: the load tests, which live in the room above.

Rule: a command is a line in ``COMMANDS``. Their modules are named, not imported: the command line
knows nothing of ``bench``, and starts without it.
"""

from typing import Final

import click

from resolver.cli.lazy import LazyGroup

COMMANDS: Final = {
    "run": ("bench.run.command:run", "Run a workload, judge it by thresholds, write reports."),
    "soak": ("bench.soak.command:command", "Two billion resolutions, every answer verified."),
    "calibrate": ("bench.plan.command:calibrate", "Measure what answers cost, for wuhan plan."),
    "replay": ("bench.replay.command:command", "Ask again what an access log says was asked."),
}
"""Commands in the order of ``--help``."""


@click.group("bench", cls=LazyGroup, table=COMMANDS)
def bench() -> None:
    """Load a network with client applications, and judge what comes back.

    Start with "wuhan bench run --start" or "wuhan bench run --list".
    """
