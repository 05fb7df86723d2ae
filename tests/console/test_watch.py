"""Who watches costs something, who does not costs nothing; and `wuhan top` beside it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest

from resolver.cluster.supervisor import GRACE_S
from tests.support.command import network, node_of, until, wuhan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("watch") / "data"
    with network(folder, "--config", "minimal") as running:
        yield running


@contextmanager
def watching(port: int) -> Iterator[BinaryIO]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as watcher:
        watcher.sendall(b"GET /console/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with watcher.makefile("rb") as stream:
            yield stream


def looks(data: Path, pid: int) -> int:
    """Connections of the console's process to control planes, besides that to its parent."""
    text = (data / "state.json").read_text(encoding="utf-8")
    ports = {node["port"] for node in json.loads(text)["nodes"] if node["name"] != "root"}
    found = psutil.Process(pid).net_connections("tcp")
    return sum(bool(c.raddr) and c.raddr.port in ports for c in found)


def test_what_is_shown_in_the_terminal(data: Path):
    assert wuhan("resolve", "88.901.1/000001", data=data).returncode == 0
    shown = wuhan("top", "--json", "--every", "0.4", data=data)
    rows = {row["node"]: row for row in json.loads(shown.stdout)}
    assert set(rows) == {"root", "wuhan", "optics", "88.901.1", "recursive"}
    assert all(row["answering"] for row in rows.values())
    assert all(row["cpu"] < 1 for row in rows.values())
    assert "ANSWERS/S" in wuhan("top", "--once", "--every", "0.4", data=data).stdout
    assert wuhan("top", "--once", "nobody", data=data).returncode == 1
    assert wuhan("top", "--once", "--role", "king", data=data).returncode == 1


def test_nodes_are_looked_at_only_while_somebody_watches(data: Path):
    node = node_of(data, "wuhan")
    before = looks(data, node["pid"])
    with watching(node["http_port"]) as stream:
        events = (line for line in stream if line.startswith(b"event:"))
        assert next(events) == b"event: topology\n"
        assert {next(events), next(events)} == {b"event: kept\n", b"event: tick\n"}
        assert looks(data, node["pid"]) >= before + 4
        for _ in range(2):
            shown = wuhan("top", "--once", "--every", "0.4", data=data)
            assert shown.returncode == 0
    until(lambda: looks(data, node["pid"]) <= before, seconds=6)


def test_who_watches_does_not_hold_up_the_end(data: Path):
    with watching(node_of(data, "wuhan")["http_port"]) as stream:
        assert stream.readline()
        began = time.monotonic()
        assert wuhan("down", data=data).returncode == 0
        assert time.monotonic() - began < GRACE_S  # after which it would have been killed
