"""``wuhan health``: a line for health checks, and a status."""

import socket
from pathlib import Path

import pytest

from resolver.cli.main import main
from resolver.cluster.state import data_paths, new_state, write_state
from resolver.topology.expand import expand
from resolver.topology.load import load_network


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A folder whose network has this process as its supervisor, and nodes that do not answer."""
    state = new_state(expand(load_network("minimal", environ={})), "minimal")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for node in state.nodes:
        node.port = node.http_port = port
    write_state(data_paths(tmp_path), state)
    return str(tmp_path)


def test_no_network(tmp_path: Path, capsys):
    assert main(["health", "--data", str(tmp_path)]) == 3
    assert "no network runs in" in capsys.readouterr().err


def test_nodes_that_do_not_answer(data: str, capsys):
    assert main(["health", "--data", data, "root", "optics"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: no right answer from root (udp: ")
    assert ", optics (udp: " in said
    assert said.count("\n") == 1


def test_a_node_that_is_not_there(data: str, capsys):
    assert main(["health", "--data", data, "opitcs"]) == 1
    assert "did you mean 'optics'?" in capsys.readouterr().err
