"""A supervisor and its processes: started, killed, hung, stopped."""

import asyncio
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from resolver.client import Client, Record, ResolutionError
from resolver.cluster.launch import Launched, launch, stop_network
from resolver.cluster.state import FAILED, READY, NetworkState, data_paths, is_running, read_state
from resolver.cluster.supervisor import FAILED_AFTER, GRACE_S
from resolver.model.codes import ResponseCode
from resolver.model.errors import NetworkStateError
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import DataPaths
from tests.support.command import stopped, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

Start = Callable[..., Launched]


@pytest.fixture
def data(tmp_path: Path) -> DataPaths:
    return data_paths(tmp_path)


@pytest.fixture
def start(data: DataPaths) -> Iterator[Start]:
    """Starts the minimal network, stopped at the end if it still runs."""
    with ExitStack() as running:

        def start(**overrides: object) -> Launched:
            settings = {"network.base_port": 0, "network.samples": 1}
            for name, value in overrides.items():
                settings[name.replace("__", ".")] = value
            topology = expand(load_network("minimal", overrides=settings, environ={}))
            launched = launch(topology, data, "minimal", detach=True)
            running.callback(launched.stop)
            return launched

        yield start


def pids_of(state: NetworkState) -> set[int]:
    return {state.pid, *(node.pid for node in state.nodes)}


def current(data: DataPaths) -> NetworkState:
    state = read_state(data)
    assert state is not None
    return state


def test_a_start_is_told_node_by_node(start: Start, data: DataPaths):
    told: list[dict] = []
    state = start().wait_ready(lambda event: told.append(dict(event)))
    assert told[-1] == {"event": "all-ready", "seconds": state.ready_seconds}
    assert sorted(event["node"] for event in told if event["event"] == "ready") == sorted(
        node.name for node in state.nodes
    )
    assert {node.state for node in state.nodes} == {READY}
    assert state == current(data)


def test_stopping_leaves_no_process_and_no_state(start: Start, data: DataPaths):
    launched = start()
    state = launched.wait_ready(lambda event: None)
    os.kill(launched.pid, signal.SIGTERM)
    assert [event["event"] for event in launched.events()] == ["stopped"]
    launched.stop()
    assert not [pid for pid in pids_of(state) if psutil.pid_exists(pid)]
    assert not data.state.exists()
    stop_network(state)  # once more: there is nothing to do
    assert "stopping 1 nodes" in data.log("optics").read_text(encoding="utf-8")


def test_a_second_supervisor_is_refused(start: Start):
    first = start()
    first.wait_ready(lambda event: None)
    with pytest.raises(NetworkStateError, match="a network already runs in"):
        start().wait_ready(lambda event: None)


def test_of_two_that_start_at_once_one_is_refused(start: Start, data: DataPaths):
    both = (start(), start())
    refused, ready = [], []
    for launched in both:
        try:
            ready.append(launched.wait_ready(lambda event: None))
        except NetworkStateError as error:
            refused.append(str(error))
    assert [state.pid for state in ready] == [current(data).pid]
    assert len(refused) == 1
    assert refused[0].startswith(f"a network already runs in {data.root}")


def test_a_supervisor_that_does_not_end(
    start: Start, data: DataPaths, monkeypatch: pytest.MonkeyPatch
):
    launched = start()
    state = launched.wait_ready(lambda event: None)
    with monkeypatch.context() as patch, stopped(launched.pid):
        patch.setattr("resolver.cluster.launch.STOP_TIMEOUT_S", 0.2)
        for stop in (launched.stop, partial(stop_network, state)):
            with pytest.raises(
                NetworkStateError, match=rf"\(process {launched.pid}\) does not end"
            ):
                stop()
    launched.stop()
    assert not data.state.exists()


def test_a_process_has_its_own_sockets_and_no_others(start: Start):
    state = start().wait_ready(lambda event: None)
    for node in state.nodes:
        bound = psutil.Process(node.pid).net_connections("inet")
        listening = {(c.type, c.laddr.port) for c in bound if not c.raddr}
        assert listening == {
            (socket.SOCK_STREAM, node.port),
            (socket.SOCK_DGRAM, node.port),
            (socket.SOCK_STREAM, node.http_port),
        }


def test_ports_are_free_again_and_other_ones_do_as_well(start: Start, data: DataPaths):
    """A network that is started again elsewhere finds its records, and its nodes each other."""
    first = start()
    before = first.wait_ready(lambda event: None)
    first.stop()
    for node in before.nodes:
        with (
            socket.create_server(("127.0.0.1", node.port)),
            socket.create_server(("127.0.0.1", node.http_port)),
        ):
            pass
    after = start().wait_ready(lambda event: None)
    assert {node.port for node in before.nodes} != {node.port for node in after.nodes}

    async def ask() -> Record:
        async with Client(f"127.0.0.1:{after.node('recursive').port}") as client:
            return await client.resolve("88.901.1/000001")

    assert asyncio.run(ask()).values


def test_a_log_that_is_too_long_is_set_aside(start: Start, data: DataPaths):
    log = data.log("optics")
    log.parent.mkdir()
    log.touch()
    os.truncate(log, 20 << 20)
    start().wait_ready(lambda event: None)
    assert log.with_suffix(".log.1").stat().st_size == 20 << 20
    assert "records brought up to date" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_process_that_keeps_dying_is_called_failed_and_is_started_all_the_same(
    start: Start, data: DataPaths
):
    launched = start()
    launched.wait_ready(lambda event: None)
    events = launched.events()
    delays = []
    for death in range(1, FAILED_AFTER + 1):
        os.kill(current(data).node("optics").pid, signal.SIGKILL)
        died = next(events)
        assert (died["event"], died["nodes"], died["deaths"]) == ("died", ["optics"], death)
        assert died["how"] == "was killed by SIGKILL"
        delays.append(died["delay"])
        # Who is told of a death finds it in the state file.
        assert (current(data).node("optics").state == FAILED) == (death == FAILED_AFTER)
        assert next(events) == {"event": "restarted", "node": "optics"}
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6]
    optics = current(data).node("optics")
    assert (optics.state, optics.restarts) == (READY, FAILED_AFTER)
    assert {node.restarts for node in current(data).nodes if node.name != "optics"} == {0}


def in_flight(state: NetworkState) -> float:
    """Questions that the recursive node waits for."""
    port = state.node("recursive").http_port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        lines = response.read().decode().splitlines()
    told = (line for line in lines if line.startswith("wuhan_upstream_in_flight{"))
    return sum(float(line.split()[-1]) for line in told)


async def test_who_has_asked_is_answered_before_the_end(start: Start):
    """One node hangs for good, and clients wait for what only that node knows."""
    launched = start(limits__deadline="1s", limits__ask_timeout="1s")
    state = launched.wait_ready(lambda event: None)
    node = state.node("recursive")
    ports = {"tcp": node.port, "udp": node.port, "http": node.http_port}

    async def code_over(transport: str, port: int) -> int:
        async with Client(f"127.0.0.1:{port}", transport=transport, timeout=10) as client:
            with pytest.raises(ResolutionError) as failed:
                await client.resolve(f"88.901.1/{transport}")
        return failed.value.code

    with stopped(state.node("optics").pid):
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(code_over(*door)) for door in ports.items()]
            await asyncio.to_thread(until, lambda: in_flight(state) == len(ports))
            began = time.monotonic()
            await asyncio.to_thread(launched.stop)
            seconds = time.monotonic() - began
    assert [task.result() for task in asked] == [ResponseCode.ERROR] * len(ports)
    # The one that hangs does not hear SIGTERM, and is killed when its time is over.
    assert GRACE_S <= seconds < GRACE_S + 3
    assert not [pid for pid in pids_of(state) if psutil.pid_exists(pid)]


def test_a_supervisor_that_ends_while_starting(start: Start, data: DataPaths):
    data.network_key.parent.mkdir()
    os.mkfifo(data.network_key)  # whoever reads it waits
    launched = start()
    until(lambda: bool(psutil.Process(launched.pid).children()))
    (child,) = psutil.Process(launched.pid).children()
    for process in (psutil.Process(launched.pid), child):
        process.kill()
    with pytest.raises(NetworkStateError, match="the supervisor ended with status -9"):
        launched.wait_ready(lambda event: None)
    assert read_state(data) is None


def test_nobody_has_to_listen(start: Start, data: DataPaths):
    """What the supervisor tells is for whoever is there; it goes on without."""
    launched = start()
    launched.wait_ready(lambda event: None)
    launched.let_go()
    os.kill(current(data).node("optics").pid, signal.SIGKILL)
    until(lambda: current(data).node("optics").restarts == 1)
    until(lambda: current(data).node("optics").state == READY)
    assert is_running(current(data))
