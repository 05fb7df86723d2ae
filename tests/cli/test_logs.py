"""``wuhan logs`` over the files of a folder; following them is in test_network.py."""

from pathlib import Path

import pytest

from resolver.cli.main import main
from resolver.cluster.state import data_paths, new_state, write_state
from resolver.topology.expand import expand
from resolver.topology.load import load_network


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which no network runs; its logs are still there."""
    monkeypatch.setenv("WUHAN_DATA", str(tmp_path))
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, lines in (("optics", 100), ("enterprises-1", 3), ("supervisor", 1)):
        text = "".join(f"line {number} of {name}\n" for number in range(1, lines + 1))
        (folder / f"{name}.log").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def running(data: Path) -> Path:
    """The same, with this process as the supervisor of a network."""
    write_state(data_paths(data), new_state(expand(load_network("minimal", environ={})), "minimal"))
    return data


def test_the_last_lines(data: Path, capsys):
    assert main(["logs", "optics"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (50, "line 51 of optics", "line 100 of optics")
    assert main(["logs", "optics", "-n", "2"]) == 0
    assert capsys.readouterr().out == "line 99 of optics\nline 100 of optics\n"


def test_all_logs_each_line_with_its_name(data: Path, capsys):
    assert main(["logs", "-n", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "enterprises-1: line 3 of enterprises-1",
        "optics: line 100 of optics",
        "supervisor: line 1 of supervisor",
    ]


def test_a_node_is_found_in_the_log_of_its_process(running: Path, capsys):
    assert main(["logs", "88.901.1", "-n", "1"]) == 0
    assert main(["logs", "supervisor"]) == 0
    assert capsys.readouterr().out == "line 3 of enterprises-1\nline 1 of supervisor\n"


def test_a_line_that_is_not_text(data: Path, capsys):
    (data / "logs" / "optics.log").write_bytes(b"\xff\xfe x\nno end")
    assert main(["logs", "optics"]) == 0
    assert capsys.readouterr().out == "\ufffd\ufffd x\nno end\n"


@pytest.mark.parametrize(
    ("folder", "name", "reason"),
    [
        ("data", "opitcs", "there is no log of 'opitcs' in {logs}; did you mean 'optics'?"),
        ("data", "zzz", "there is no log of 'zzz' in {logs}"),
        ("running", "opitcs", "has no node 'opitcs'; did you mean 'optics'?"),
        ("running", "root", "there is no log of 'root' in {logs}"),
    ],
)
def test_a_log_that_is_not_there(
    folder: str, name: str, reason: str, request: pytest.FixtureRequest, capsys
):
    logs = request.getfixturevalue(folder) / "logs"
    assert main(["logs", name]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith(reason.format(logs=logs) + "\n")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("name", [(), ("optics",), ("supervisor",)])
def test_a_folder_without_logs(tmp_path: Path, name: tuple[str, ...], capsys):
    assert main(["logs", *name, "--data", str(tmp_path)]) == 3
    assert capsys.readouterr().err == (
        f"error: there are no logs in {tmp_path}; start a network: wuhan up\n"
    )
