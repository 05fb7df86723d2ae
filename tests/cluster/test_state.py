"""What a data folder says about the network in it."""

import json
import os
import subprocess
from pathlib import Path

import psutil
import pytest

from resolver.cluster.launch import stop_network
from resolver.cluster.state import (
    NetworkState,
    data_paths,
    hold,
    new_state,
    read_state,
    resident_bytes,
    running_network,
    write_state,
    write_targets,
)
from resolver.model.errors import ConfigError, NetworkStateError
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import DataPaths


@pytest.fixture
def data(tmp_path: Path) -> DataPaths:
    """A folder in which this process is the supervisor."""
    paths = data_paths(tmp_path)
    write_state(paths, new_state(expand(load_network("minimal", environ={})), "minimal"))
    return paths


def test_there_and_back(data: DataPaths):
    state = running_network(data)
    assert (state.network, [node.name for node in state.nodes][:2]) == (
        "minimal",
        ["root", "wuhan"],
    )
    first = state.first_of("secondary")
    assert first is not None
    assert first.name == "optics"
    assert state.first_of("no such role") is None
    with pytest.raises(ConfigError, match="has no node 'x'; it has root, wuhan"):
        state.node("x")
    with pytest.raises(ConfigError, match="has no node 'opitcs'; did you mean 'optics'"):
        state.node("opitcs")


def test_nothing_runs_in_an_empty_folder(tmp_path: Path):
    assert read_state(data_paths(tmp_path)) is None
    with pytest.raises(NetworkStateError, match=r"no network runs in .*; start one with: wuhan up"):
        running_network(data_paths(tmp_path))


@pytest.mark.parametrize("change", [{"started_at": 1.0}, {"pid": 2**22 + 1}])
def test_another_process_is_not_the_supervisor(data: DataPaths, change: dict):
    """Ids are used again: a process of that id that started at another time is another one."""
    document = json.loads(data.state.read_text(encoding="utf-8"))
    data.state.write_text(json.dumps({**document, **change}), encoding="utf-8")
    assert read_state(data) is None


def test_a_supervisor_whose_end_nobody_took_note_of_does_not_run(data: DataPaths):
    """In a container the first process may not care for those that lost their parent."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as supervisor:
        document = json.loads(data.state.read_text(encoding="utf-8"))
        started_at = psutil.Process(supervisor.pid).create_time()
        there = {**document, "pid": supervisor.pid, "started_at": started_at}
        data.state.write_text(json.dumps(there), encoding="utf-8")
        stop_network(running_network(data))
        assert read_state(data) is None
        assert psutil.Process(supervisor.pid).status() == psutil.STATUS_ZOMBIE
        stop_network(NetworkState("minimal", "minimal", supervisor.pid, started_at))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"nodes": [{"name": "x"}]}'])
def test_a_file_that_cannot_be_understood(data: DataPaths, text: str):
    data.state.write_text(text, encoding="utf-8")
    with pytest.raises(NetworkStateError, match=r"cannot be read .*if no network runs here"):
        read_state(data)


def test_the_memory_of_processes_that_are_gone_is_none(data: DataPaths):
    pid = running_network(data).pid
    assert resident_bytes({pid}) > 1 << 20
    assert resident_bytes({2**22 + 1}) == 0


def test_where_prometheus_finds_nodes_that_listen_everywhere(data: DataPaths):
    """Where they say that they are, so that it may run elsewhere; commands here ask loopback."""
    environ = {"WUHAN_NETWORK_BIND": '["0.0.0.0", "::"]', "WUHAN_NETWORK_ADVERTISE": "192.0.2.1"}
    topology = expand(load_network("minimal", environ=environ))
    write_targets(data, topology)
    targets = json.loads(data.targets.read_text(encoding="utf-8"))
    assert [one["targets"] for one in targets][:2] == [["192.0.2.1:8002"], ["192.0.2.1:8000"]]
    assert {node.address for node in new_state(topology, "minimal").nodes} == {"127.0.0.1"}


def test_where_prometheus_finds_nodes_that_listen_at_addresses(data: DataPaths):
    write_targets(data, expand(load_network("minimal", environ={})))
    targets = json.loads(data.targets.read_text(encoding="utf-8"))
    assert targets[0] == {
        "targets": ["127.0.0.1:8002"],
        "labels": {"network": "minimal", "node": "root", "role": "root", "process": "root"},
    }


def test_a_folder_is_held_once(data: DataPaths):
    held = hold(data)
    with pytest.raises(NetworkStateError, match="a network already runs in"):
        hold(data)
    os.close(held)
    os.close(hold(data))
