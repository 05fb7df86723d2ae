"""``wuhan monitor`` where it cannot do anything; with a network it is in tests/live."""

import os
from pathlib import Path

import pytest

from resolver.cli.main import main
from resolver.cluster.state import data_paths, new_state, write_state, write_targets
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from tests.support.command import wuhan


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose network has this process as its supervisor."""
    monkeypatch.setenv("WUHAN_DATA", str(tmp_path))
    topology = expand(load_network("minimal", environ={}))
    write_state(data_paths(tmp_path), new_state(topology, "minimal"))
    write_targets(data_paths(tmp_path), topology)
    return tmp_path


def test_no_network(tmp_path: Path, capsys):
    assert main(["monitor", "--data", str(tmp_path)]) == 3
    assert "start one with: wuhan up" in capsys.readouterr().err


def test_no_prometheus(running: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("PATH", str(running))
    assert main(["monitor"]) == 1
    assert "apt-get install prometheus" in capsys.readouterr().err


def test_a_folder_without_a_configuration(
    running: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    program = running / "prometheus"
    program.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(running))
    (tmp_path / "empty").mkdir()
    assert main(["monitor", "--config", str(tmp_path / "empty")]) == 1
    assert "has no prometheus.yml" in capsys.readouterr().err


def test_what_prometheus_is_started_with(running: Path):
    """The rules that come with this program, where the nodes are told, on loopback only."""
    program = running / "prometheus"
    program.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    path = f"{running}{os.pathsep}{os.environ['PATH']}"
    done = wuhan("monitor", "--port", "9191", data=running, environ={"PATH": path})
    assert done.returncode == 0, done.stderr
    assert "--web.listen-address=127.0.0.1:9191" in done.stdout
    assert "http://127.0.0.1:9191" in done.stderr
    place = running / "monitor"
    assert f"--config.file={place / 'prometheus.yml'}" in done.stdout
    assert {file.name for file in place.glob("*.yml")} >= {"rules.yml", "alerts.yml"}
    assert (place / "targets" / "targets.json").is_file()
