"""The ``wuhan`` command as people run it: a process of its own, with its own data folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from resolver.cluster.launch import Launched, launch
from resolver.cluster.state import data_paths
from resolver.server.certificate import certificate_files
from resolver.topology.expand import expand
from resolver.topology.load import load_network

COMMAND = (sys.executable, "-m", "resolver.cli.main")
COMMAND_S = 60


def wuhan(
    *arguments: str,
    data: Path,
    environ: dict[str, str] | None = None,
    text: str | None = None,
    before: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; ``before`` it stands what runs it."""
    return subprocess.run(
        [*before, *COMMAND, *arguments],
        capture_output=True,
        input=text,
        text=True,
        timeout=COMMAND_S,
        check=False,
        env={**os.environ, "WUHAN_DATA": str(data), **(environ or {})},
    )


def status_of(data: Path) -> dict[str, Any]:
    """What ``wuhan status --json`` prints, whether all is well or not."""
    shown = wuhan("status", "--json", data=data)
    assert shown.stdout, shown.stderr
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


def node_of(data: Path, name: str) -> dict[str, Any]:
    """One node as the supervisor's state file has it: no door is asked."""
    nodes = json.loads((data / "state.json").read_text(encoding="utf-8"))["nodes"]
    (node,) = (node for node in nodes if node["name"] == name)
    return dict(node)


def health_of(data: Path, name: str) -> str:
    """What ``wuhan status`` says of one node's doors."""
    (node,) = (node for node in status_of(data)["nodes"] if node["name"] == name)
    return str(node["health"])


@contextmanager
def network(data: Path, *options: str, before: Sequence[str] = ()) -> Iterator[Path]:
    """A network on free ports, stopped at the end whatever happened.

    It is started as ``wuhan up --detach`` with these options does it, but from here, which spares
    an interpreter and its imports; with ``before``, by that command itself.
    """
    launched = (
        None if before else _launched(data, dict(zip(options[::2], options[1::2], strict=True)))
    )
    try:
        if launched is None:
            up = ("up", "--detach", "--base-port", "0", *options)
            started = wuhan(*up, data=data, before=before)
            assert started.returncode == 0, started.stderr
        else:
            launched.wait_ready(lambda event: None)
            launched.let_go()
        yield data
    finally:
        if launched is not None:
            launched.stop()
        if (data / "state.json").exists():  # else somebody has stopped it
            wuhan("down", data=data)


def _launched(data: Path, options: dict[str, str]) -> Launched:
    overrides: dict[str, object] = {"network.base_port": 0}
    if "--workers" in options:
        overrides["network.workers"] = int(options["--workers"])
    source = options.get("--config", "wuhan")
    assert options.keys() <= {"--config", "--workers"}, options
    topology = expand(load_network(source, overrides=overrides))
    paths = data_paths(data)
    certificate_files(topology, paths)
    return launch(topology, paths, source, detach=True)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Within it, the process does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Look again and again until ``condition`` holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not after {seconds:g} s"
        time.sleep(0.02)
