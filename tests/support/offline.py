"""The stores of a network that does not run, and the command in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from resolver.cli.main import main
from resolver.storage.lmdb import LmdbStore
from resolver.topology.plan import DataPaths

NODES = ("root", "wuhan", "recursive", "optics", "88.901.1")
"""All nodes of the minimal network."""


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataPaths:
    """A data folder in which the minimal network once ran, with nothing in its stores."""
    monkeypatch.setenv("WUHAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WUHAN_CONFIG", "minimal")
    paths = DataPaths(tmp_path / "data")
    for name in NODES:
        LmdbStore(paths.node_store(name)).close()
    return paths


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def run(*arguments: object) -> Result:
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run
