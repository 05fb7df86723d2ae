"""The ``wuhan`` command: what there is, and how a command that fails ends.

Exit status: 0 done, 1 usage or configuration, 2 not found, 3 network or server failure, 4 threshold
missed, 130 interrupted. A failure is one sentence on stderr that says what is wrong and what to do;
``--debug`` adds the traceback.

Rule: a command's module is imported when the command is called, so that ``wuhan --help`` and
shell completion do not wait for libraries they do not need.
"""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click

from resolver.__about__ import __version__
from resolver.cli import output
from resolver.cli.lazy import LazyGroup
from resolver.model.errors import ConfigError, IdentifierError, RefusedError, ResolverError

USAGE: Final = 1
NOT_FOUND: Final = 2
FAILED: Final = 3
INTERRUPTED: Final = 130

COMMANDS: Final = {
    "up": ("resolver.cli.network:up", "Start a network."),
    "status": ("resolver.cli.network:status", "Show what runs, and whether it answers."),
    "health": ("resolver.cli.network:health", "Say whether the nodes answer, for probes."),
    "down": ("resolver.cli.network:down", "Stop the network."),
    "monitor": ("resolver.cli.monitor:monitor", "Watch the network with Prometheus."),
    "logs": ("resolver.cli.logs:logs", "Show what the nodes wrote down."),
    "console": ("resolver.cli.network:console", "Say where the console is."),
    "top": ("resolver.cli.top:top", "Watch rates, latency and CPU of the nodes."),
    "resolve": ("resolver.cli.resolve:resolve", "Resolve an identifier."),
    "id": ("resolver.cli.identifiers:identifiers", "Explain an identifier of any scheme."),
    "register": ("resolver.cli.register:register", "Register identifiers, one or very many."),
    "modify": ("resolver.cli.register:modify", "Change values of an identifier."),
    "delete": ("resolver.cli.register:delete", "Delete an identifier."),
    "import": ("resolver.cli.records:import_records", "Put records into a node's store."),
    "export": ("resolver.cli.records:export_records", "Write the records of a store."),
    "prefix": ("resolver.cli.prefix:prefix", "Apply for prefixes, approve or reject, list them."),
    "keys": ("resolver.cli.keys:keys", "Make keys for administrators."),
    "audit": ("resolver.cli.audit:audit", "Show who changed what in a node's store."),
    "cache": ("resolver.cli.cache:cache", "Look into caches, forget, keep for later."),
    "bench": ("resolver.cli.bench:bench", "Load a network and judge what comes back."),
    "plan": ("bench.plan.command:plan", "Say how many nodes a load takes."),
    "target": ("resolver.cli.target:target", "Show how far it is to two billion resolutions."),
    "fault": ("resolver.cli.fault:fault", "Let things go wrong, for rehearsals."),
    "node": ("resolver.cli.node:node", "Run one node alone."),
    "config": ("resolver.cli.config:config", "Show and check configurations."),
}
"""Commands in the order of ``--help``: where each is, and what it does in one line."""


@dataclass
class Settings:
    """What holds for every command (``ctx.obj``)."""

    debug: bool = False


@click.group(
    "wuhan",
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="wuhan")
@click.pass_obj
def cli(settings: Settings | None, debug: bool) -> None:
    """A network of identifier-resolution nodes on this machine.

    Start with "wuhan up"; then "wuhan resolve 88.901.1/000001 --trace".
    """
    if settings is not None:
        settings.debug = debug


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    settings = Settings()
    try:
        result = cli.main(
            arguments if arguments is None else list(arguments),
            prog_name="wuhan",
            standalone_mode=False,
            obj=settings,
            color=False if output.no_color() else None,
        )
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        output.error(_usage_text(error))
        return USAGE
    except (ResolverError, OSError) as error:
        if settings.debug:
            traceback.print_exception(error)
        output.error(_os_text(error) if isinstance(error, OSError) else str(error))
        return status_of(error)
    return result if isinstance(result, int) else 0


def status_of(error: ResolverError | OSError) -> int:
    """The exit status that stands for ``error``."""
    if isinstance(error, ConfigError | IdentifierError | RefusedError):
        return USAGE
    client = sys.modules.get("resolver.client")
    if client is not None and isinstance(error, client.NotFound):
        return NOT_FOUND
    return FAILED


def _usage_text(error: click.ClickException) -> str:
    text = error.format_message().rstrip(".").replace(". Did you mean", "; did you mean")
    context = getattr(error, "ctx", None)
    if context is None:
        return text
    see = " See" if text.endswith("?") else "; see"
    return f"{text[:1].lower()}{text[1:]}{see}: {context.command_path} --help"


def _os_text(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}{error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
