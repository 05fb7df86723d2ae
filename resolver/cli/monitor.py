"""``wuhan monitor``: a real Prometheus beside a running network, with the rules that come with this
program.

Rules: Prometheus' files are in the data folder, and it listens on loopback only. This process
becomes Prometheus, so Ctrl-C and signals mean it.
"""

import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cluster.state import data_paths, running_network
from resolver.model.errors import ConfigError

PORT: Final = 9090
RETENTION: Final = "30d"


@click.command()
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Of Prometheus."
)
@click.option(
    "--config",
    "folder",
    envvar="WUHAN_MONITOR_CONFIG",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of prometheus.yml and its rules; else those that come with this program.",
)
@data_option
def monitor(port: int, folder: Path | None, data: str) -> None:
    """Watch the running network with Prometheus, until Ctrl-C.

    It finds the nodes by itself, also after they were started again elsewhere, and keeps what it
    saw in the data folder for 30 days.
    """
    paths = data_paths(data)
    state = running_network(paths)
    program = shutil.which("prometheus")
    if program is None:
        raise ConfigError(
            "prometheus is not installed; on Debian and Ubuntu: apt-get install prometheus"
        )
    place = paths.root / "monitor"
    _prepare(place, folder or _shipped(), paths.root)
    output.notice(f"watching wuhan network '{state.network}': http://127.0.0.1:{port}/alerts")
    options = (
        f"--config.file={place / 'prometheus.yml'}",
        f"--storage.tsdb.path={place / 'store'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    os.execv(program, (program, *options))


def _shipped() -> Path:
    """The folder that comes with this program."""
    packaged = Path(str(files("resolver") / "presets" / "prometheus"))
    # In a checkout it stands beside the package.
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "config" / "prometheus"


def _prepare(place: Path, source: Path, targets: Path) -> None:
    """Put the files of ``source`` in place, and show them where the nodes are told."""
    place.mkdir(parents=True, exist_ok=True)
    if not (source / "prometheus.yml").is_file():
        raise ConfigError(f"{source} has no prometheus.yml")
    for file in source.glob("*.yml"):
        shutil.copyfile(file, place / file.name)
    link = place / "targets"
    link.unlink(missing_ok=True)
    link.symlink_to(targets)
