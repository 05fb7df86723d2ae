"""``wuhan up``, ``status``, ``down``, ``logs`` and ``node run`` as people use them."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.command import COMMAND, network, node_of, status_of, stopped, until, wuhan

pytestmark = pytest.mark.slow

UP = ("up", "--config", "minimal", "--base-port", "0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("network"), "--config", "minimal") as folder:
        yield folder


@contextmanager
def foreground(
    *arguments: str, data: Path, environ: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; killed at the end if it is still there."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "WUHAN_DATA": str(data),
            "PYTHONUNBUFFERED": "1",
            **(environ or {}),
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """The next line on stdout that holds ``text``."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"no line with {text!r}")


def one_node(folder: Path, port: int) -> str:
    """The file of a network of one node."""
    config = folder / "one.toml"
    config.write_text(
        f'[[node]]\nname = "root"\nrole = "root"\nport = {port}\nhttp_port = 0\n',
        encoding="utf-8",
    )
    return str(config)


# What runs


def test_a_detached_start_says_what_there_is_and_what_to_try(tmp_path: Path):
    try:
        shown = wuhan(*UP, "--detach", data=tmp_path)
        assert (shown.returncode, shown.stderr) == (0, "")
        lines = shown.stdout.splitlines()
        assert re.fullmatch(
            r"wuhan network 'minimal' is ready: 5 nodes in \d\.\d s \(\d\.\d s with all checks\), "
            r"\d+ MiB in 6 processes",
            lines[0],
        )
        assert lines[1].split() == ["ROLE", "NODES", "FIRST", "UDP/TCP", "HTTP", "HEALTH"]
        assert {line.split()[-1] for line in lines[2:7]} == {"ok"}
        assert lines[-1].startswith("try  wuhan ")
        # It runs, and what is to be tried works.
        assert wuhan("status", data=tmp_path).returncode == 0
        tried = wuhan(*lines[-1].split()[2:], data=tmp_path)
        assert tried.returncode == 0
        assert "88.901.1/000001" in tried.stdout
    finally:
        wuhan("down", data=tmp_path)


def test_status_shows_every_node(data: Path):
    shown = wuhan("status", data=data)
    assert shown.returncode == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["ROLE", "NODES", "FIRST", "UDP/TCP", "HTTP", "HEALTH"]
    assert [line[0] for line in lines[8:13]] == ["root", "wuhan", "recursive", "optics", "88.901.1"]
    assert re.search(
        r"5 nodes in 6 processes, ready in \d\.\d s, resident memory \d+ MiB", shown.stdout
    )


def test_status_as_json(data: Path):
    document = status_of(data)
    assert (document["network"], document["source"], document["processes"]) == (
        "minimal",
        "minimal",
        6,
    )
    assert document["rss_bytes"] > 1 << 20
    assert document["ready_seconds"] > 0
    assert psutil.pid_exists(document["supervisor"])
    for node in document["nodes"]:
        assert set(node) == {
            "name", "role", "title", "prefix", "address", "port", "http_port", "process", "pid",
            "pids", "state", "restarts", "health",
        }  # fmt: skip
        assert (node["state"], node["health"], node["restarts"]) == ("ready", "ok", 0)


def test_a_second_network_in_the_same_folder(data: Path):
    again = wuhan(*UP, "--detach", data=data)
    assert (again.returncode, again.stdout) == (3, "")
    assert again.stderr.startswith(f"error: a network already runs in {data}; see it with")
    assert status_of(data)["network"] == "minimal"


def test_another_network_beside_it(data: Path, tmp_path: Path):
    with network(tmp_path, "--config", "minimal"):
        ports = {n["port"] for folder in (data, tmp_path) for n in status_of(folder)["nodes"]}
        assert len(ports) == 10


def test_resolve_finds_the_network_by_its_folder(data: Path):
    assert wuhan("resolve", "88.901.1/000001", data=data).returncode == 0
    missing = wuhan("resolve", "88.901.1/none", data=data)
    assert (missing.returncode, missing.stdout) == (2, "")


def test_status_of_a_network_with_a_node_that_hangs(data: Path):
    with stopped(node_of(data, "optics")["pid"]):
        shown = wuhan("status", data=data)
        assert (shown.returncode, shown.stderr) == (3, "")
        assert "1 of 1 do not answer" in shown.stdout
        document = wuhan("status", "--json", data=data)
        assert document.returncode == 3
    health = {node["name"]: node["health"] for node in json.loads(document.stdout)["nodes"]}
    assert health.pop("optics") == "udp: 127.0.0.1:{port} did not answer over UDP".format(
        port=node_of(data, "optics")["port"]
    )
    assert set(health.values()) == {"ok"}
    assert wuhan("status", data=data).returncode == 0


# Logs


def test_logs_of_a_node(data: Path):
    shown = wuhan("logs", "88.901.1", data=data)
    assert re.search(r"88\.901\.1: .* 106 sample records made", shown.stdout)
    both = wuhan("logs", data=data)
    assert re.search(r"^enterprises-1: .*sample records made", both.stdout, re.MULTILINE)
    assert wuhan("logs", "optics", "-n", "0", data=data).stdout == ""


def test_logs_of_a_node_that_is_not_there(data: Path):
    shown = wuhan("logs", "opitcs", data=data)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "has no node 'opitcs'; did you mean 'optics'?" in shown.stderr


def test_logs_are_followed_until_ctrl_c(data: Path):
    with foreground("logs", "supervisor", "-f", data=data) as process:
        with (data / "logs" / "supervisor.log").open("a", encoding="utf-8") as log:
            log.write("one more line\n")
        assert line_with(process, "one more line") == "one more line\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


# Starting and stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_network_in_the_foreground(tmp_path: Path, number: signal.Signals):
    with foreground(*UP, data=tmp_path) as process:
        line_with(process, "try  wuhan resolve 88.901.1/000001 --trace")
        document = status_of(tmp_path)
        pids = {document["supervisor"], *(node["pid"] for node in document["nodes"])}
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "stopping wuhan network 'minimal'" in err
    assert "Traceback" not in out + err
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert wuhan("status", data=tmp_path).returncode == 3


def test_a_death_is_told_in_the_foreground(tmp_path: Path):
    with foreground(*UP, data=tmp_path) as process:
        line_with(process, "try  wuhan resolve")
        (optics,) = (n for n in status_of(tmp_path)["nodes"] if n["name"] == "optics")
        os.kill(optics["pid"], signal.SIGKILL)
        until(lambda: {n["restarts"] for n in status_of(tmp_path)["nodes"]} == {0, 1})
        until(lambda: {n["health"] for n in status_of(tmp_path)["nodes"]} == {"ok"})
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert "optics: the process was killed by SIGKILL; started again in 0.1 s" in err
    assert "optics is back" in err


def test_an_interrupt_while_starting(tmp_path: Path):
    (tmp_path / "keys").mkdir()
    os.mkfifo(tmp_path / "keys" / "network.pem")  # whoever reads it waits
    with foreground(*UP, "--detach", data=tmp_path) as process:
        until(lambda: len(psutil.Process(process.pid).children(recursive=True)) == 2)
        children = psutil.Process(process.pid).children(recursive=True)
        try:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
    assert (process.returncode, out, err.strip()) == (130, "", "")
    assert wuhan("status", data=tmp_path).returncode == 3


def test_a_network_in_the_foreground_that_is_stopped_from_elsewhere(tmp_path: Path):
    with foreground(*UP, data=tmp_path) as process:
        line_with(process, "try  wuhan resolve")
        assert wuhan("down", data=tmp_path).returncode == 0
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err.endswith("wuhan network 'minimal' has stopped\n")


def test_a_network_in_the_foreground_whose_supervisor_is_killed(tmp_path: Path):
    with foreground(*UP, data=tmp_path) as process:
        line_with(process, "try  wuhan resolve")
        os.kill(status_of(tmp_path)["supervisor"], signal.SIGKILL)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert err.splitlines()[-1].startswith("error: the supervisor of wuhan network 'minimal' ended")


def test_down_twice(tmp_path: Path):
    with network(tmp_path, "--config", "minimal"):
        first = wuhan("down", data=tmp_path)
        assert (first.returncode, first.stdout) == (0, "wuhan network 'minimal' has stopped\n")
        second = wuhan("down", data=tmp_path)
        assert (second.returncode, second.stdout) == (0, f"no network runs in {tmp_path}\n")
        assert not (tmp_path / "state.json").exists()


def test_a_supervisor_that_was_killed_is_noticed(tmp_path: Path):
    with network(tmp_path, "--config", "minimal"):
        document = status_of(tmp_path)
        os.kill(document["supervisor"], signal.SIGKILL)
        pids = {document["supervisor"], *(node["pid"] for node in document["nodes"])}
        until(lambda: not any(alive(pid) for pid in pids))
        assert wuhan("status", data=tmp_path).returncode == 3
        assert wuhan(*UP, "--detach", data=tmp_path).returncode == 0


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = one_node(tmp_path, port)
        refused = wuhan("up", "--detach", "--config", config, data=tmp_path / "data")
    assert refused.returncode == 3
    assert refused.stderr.startswith(f"error: port {port} of node root is in use; ")
    assert not (tmp_path / "data" / "state.json").exists()


def test_a_damaged_key_is_not_replaced(tmp_path: Path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "network.pem").write_text("no key", encoding="utf-8")
    refused = wuhan(*UP, "--detach", data=tmp_path)
    assert refused.returncode == 3
    assert "network.pem can neither be read nor made" in refused.stderr
    assert (tmp_path / "keys" / "network.pem").read_text(encoding="utf-8") == "no key"


def test_a_damaged_store_stops_the_start(tmp_path: Path):
    folder = tmp_path / "nodes" / "optics"
    folder.mkdir(parents=True)
    (folder / "records.mdb").write_bytes(b"this is no store" * 1000)
    refused = wuhan(*UP, "--detach", data=tmp_path)
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[-1].startswith(
        "error: the process of optics ended with status 1 while starting; see "
    )
    log = (tmp_path / "logs" / "optics.log").read_text(encoding="utf-8")
    assert "this is not a record store" in log
    assert wuhan("status", data=tmp_path).returncode == 3


# One node


def test_one_node_alone(tmp_path: Path):
    config = tmp_path / "two.toml"
    config.write_text(
        '[network]\nbase_port = 0\n[[secondary]]\nname = "optics"\nprefix = "88.901"\n'
        "hosted = 1\nport = 1\nhttp_port = 1\n",
        encoding="utf-8",
    )
    arguments = ("node", "run", "optics", "--config", str(config))
    with foreground(*arguments, data=tmp_path / "data") as process:
        line = line_with(process, "optics (secondary) answers on port")
        port = re.findall(r"\d+", line)[0]
        shown = wuhan(
            "resolve", "88.901.1/000001", "--server", f"127.0.0.1:{port}", "--json", data=tmp_path
        )
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)["handle"] == "88.901.1/000001"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_node_that_runs_alone_is_known_in_its_folder(tmp_path: Path):
    """By its name in the environment, as containers have it; with the key that it was given."""
    config, data = one_node(tmp_path, 0), tmp_path / "data"
    assert wuhan("keys", "create", "network", "--out", str(tmp_path), data=data).returncode == 0
    given = {"WUHAN_NODE": "root", "WUHAN_NETWORK_KEY": str(tmp_path / "network.pem")}
    assert wuhan("health", data=data).returncode == 3
    with foreground("node", "run", "--config", config, data=data, environ=given) as process:
        line_with(process, "root (root) answers on port")
        told = wuhan("health", data=data)
        assert (told.returncode, told.stdout) == (0, "root answers\n"), told.stderr
        assert [node["state"] for node in status_of(data)["nodes"]] == ["ready"]
        assert json.loads((data / "targets.json").read_text(encoding="utf-8"))
        second = wuhan("node", "run", "root", "--config", config, data=data)
        assert second.returncode == 3
        assert "a network already runs in" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not (data / "state.json").exists()
    assert not (data / "targets.json").exists()
    key = (data / "keys" / "network.pem").read_bytes()
    assert key == (tmp_path / "network.pem").read_bytes()


def test_ctrl_c_ends_one_node(tmp_path: Path):
    config = one_node(tmp_path, 0)
    with foreground("node", "run", "root", "--config", config, data=tmp_path / "data") as process:
        line_with(process, "root (root) answers on port")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_port_in_use_stops_one_node(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = one_node(tmp_path, port)
        refused = wuhan("node", "run", "root", "--config", config, data=tmp_path / "data")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.startswith(f"error: port {port} of node root is in use; ")
    assert refused.stderr.count("\n") == 1


def test_a_node_that_is_not_there(tmp_path: Path):
    refused = wuhan("node", "run", "wuhn", data=tmp_path)
    assert refused.returncode == 1
    assert "has no node 'wuhn'; did you mean 'wuhan'?" in refused.stderr


# Usage


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("frobnicate",), "no such command 'frobnicate'; see: wuhan --help"),
        (("staus",), "no such command 'staus'; did you mean 'status'? See: wuhan --help"),
        (("node", "run"), "missing argument 'NAME'; see: wuhan node run --help"),
        (("up", "--bogus"), "no such option '--bogus'; see: wuhan up --help"),
        (("up", "--base-port", "70000"), "0<=x<=65535; see: wuhan up --help"),
        (("resolve",), "missing argument"),
    ],
)
def test_usage(tmp_path: Path, arguments: tuple[str, ...], reason: str):
    refused = wuhan(*arguments, data=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert reason in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("group", [(), ("node",), ("config",), ("id",)])
def test_a_group_without_a_command_shows_its_help(tmp_path: Path, group: tuple[str, ...]):
    shown = wuhan(*group, data=tmp_path)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == wuhan(*group, "--help", data=tmp_path).stdout


def test_tracebacks_are_for_those_who_ask(tmp_path: Path):
    plain = wuhan("status", data=tmp_path)
    debug = wuhan("--debug", "status", data=tmp_path)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)
