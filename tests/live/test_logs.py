"""What real nodes log of resolutions, and how their level is changed while they run."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resolver.server.notes import EVERY_S
from tests.support.command import network, node_of, stopped, until, wuhan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("logs")
    text = (Path(__file__).parents[2] / "config" / "minimal.toml").read_text(encoding="utf-8")
    text += '\n[log]\nformat = "json"\nslow = 0\n[limits]\ndeadline = "1s"\nask_timeout = "500ms"\n'
    (folder / "network.toml").write_text(text, encoding="utf-8")
    options = ("--config", str(folder / "network.toml"), "--workers", "2")
    with network(folder / "data", *options) as running:
        yield running


def resolutions(data: Path) -> list[dict[str, Any]]:
    """What the recursive node told of resolutions."""
    lines = [
        json.loads(line)
        for file in (data / "logs").glob("recursive*.log")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return [line for line in lines if "handle" in line]


def test_a_resolution_is_told_with_its_path(data: Path):
    assert wuhan("resolve", "88.901.1/000001", data=data).returncode == 0
    until(lambda: bool(resolutions(data)))
    (told,) = resolutions(data)
    assert (told["kind"], told["handle"], told["code"]) == ("slow", "88.901.1/000001", 1)
    assert [hop["kind"] for hop in told["path"]] == ["referral", "referral", "answer"]
    assert told["seconds"] >= sum(hop["seconds"] for hop in told["path"])


def test_one_that_fails(data: Path):
    logs = list((data / "logs").glob("recursive*.log"))
    # Of what comes within a second of another line only the number is told.
    until(lambda: time.time() - max(log.stat().st_mtime for log in logs) > EVERY_S)
    with stopped(node_of(data, "88.901.1")["pid"]):
        assert wuhan("resolve", "88.901.1/000002", data=data).returncode != 0
        until(lambda: any(told["kind"] == "failed" for told in resolutions(data)))
    (told,) = (told for told in resolutions(data) if told["kind"] == "failed")
    assert told["handle"] == "88.901.1/000002"
    hops = {(hop["node"], hop["kind"]) for hop in told["path"]}
    assert ("88.901.1", "timeout") in hops, told
    assert "; 88.901.1 88.901.1/000002: timeout" in told["message"]


def test_the_level_of_a_node_and_of_all(data: Path):
    """All processes of a node change it, and nobody else."""
    done = wuhan("logs", "recursive", "--level", "error", data=data)
    assert (done.returncode, done.stdout) == (0, "recursive: error, it was info\n")
    before = len(resolutions(data))
    for number in range(10, 13):
        assert wuhan("resolve", f"88.901.1/{number:06d}", data=data).returncode == 0
    assert len(resolutions(data)) == before
    done = wuhan("logs", "--level", "debug", data=data)
    assert done.returncode == 0, done.stderr
    assert "recursive: debug, it was error" in done.stdout
    assert "optics: debug, it was info" in done.stdout
    assert wuhan("logs", "--level", "loud", data=data).returncode == 1
