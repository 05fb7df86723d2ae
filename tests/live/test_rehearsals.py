"""Faults in a network of processes, as an operator brings them about with ``wuhan fault``."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resolver.client import Client, ResolutionError
from resolver.cluster.supervisor import GRACE_S
from resolver.model.errors import ResolverError
from tests.support.command import network, node_of, status_of, until, wuhan

pytestmark = pytest.mark.slow

NETWORK = """
[network]
name = "rehearsal"

[[node]]
name = "wuhan"
role = "top-level"
prefix = "88"
port = 2641
http_port = 8000

[[node]]
name = "88.901.1"
role = "enterprise"
prefix = "88.901.1"
parent = "wuhan"
port = 2801
http_port = 8201
process = "works"
workers = 2

[[node]]
name = "recursive"
role = "recursive"
port = 3641
http_port = 8001
"""
WORKS = "88.901.1"
TRIES = 12
"""Connections, that the kernel deals out to two processes."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("rehearsals")
    source = folder / "rehearsal.toml"
    source.write_text(NETWORK, encoding="utf-8")
    with network(folder / "data", "--config", str(source)) as running:
        yield running


@pytest.fixture(scope="module")
def works(data: Path) -> dict[str, Any]:
    return node_of(data, WORKS)


def done(*arguments: str, data: Path) -> str:
    shown = wuhan(*arguments, data=data)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def faults_of(data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done("fault", "list", "--json", data=data))
    return found


def codes(node: dict[str, Any], transport: str, handle: str, tries: int = TRIES) -> list[int]:
    """What so many new connections hear; 0 for nothing."""

    async def one() -> int:
        port = node["http_port" if transport == "http" else "port"]
        async with Client(f"127.0.0.1:{port}", transport=transport, timeout=1.0) as client:
            try:
                return (await client.resolve(handle)).code
            except ResolutionError as error:
                return error.code
            except ResolverError:
                return 0

    async def all_of_them() -> list[int]:
        return list(await asyncio.gather(*(one() for _ in range(tries))))

    return asyncio.run(all_of_them())


def test_all_processes_and_all_doors_until_it_is_cleared(data: Path, works: dict[str, Any]):
    told = done("fault", "add", WORKS, "error=server_busy", "--match", "88.901.1/0*", data=data)
    assert told.startswith("88.901.1: fault ")
    assert "error=3 for 88.901.1/0*" in told
    for transport in ("udp", "tcp", "http"):
        assert codes(works, transport, "88.901.1/000001") == [3] * TRIES
        assert codes(works, transport, "88.901.1/nothing", 2) == [100, 100]
    (fault,) = faults_of(data)
    assert fault["met"] >= 3 * TRIES
    assert fault["asked"] == fault["met"]
    shown = done("fault", "list", data=data)
    assert "88.901.1/0*" in shown
    assert done("fault", "clear", data=data) == "1 fault ended\n"
    for transport in ("udp", "tcp", "http"):
        assert codes(works, transport, "88.901.1/000001") == [1] * TRIES
    assert done("fault", "list", data=data) == "no faults are in force\n"


def test_a_stopped_node_is_sick_and_gets_well(data: Path):
    done("fault", "add", WORKS, "stop", "--for", "30s", data=data)
    assert {n["name"] for n in status_of(data)["nodes"] if n["health"] != "ok"} == {WORKS}
    done("fault", "clear", WORKS, data=data)
    assert {n["health"] for n in status_of(data)["nodes"]} == {"ok"}


def test_it_is_over_by_itself(data: Path, works: dict[str, Any]):
    done("fault", "add", WORKS, "error=2", "--for", "1s", data=data)
    until(lambda: codes(works, "tcp", "88.901.1/000002") == [1] * TRIES, seconds=5)
    assert faults_of(data) == []


def test_a_process_that_is_started_again_goes_on(data: Path, works: dict[str, Any]):
    done("fault", "add", WORKS, "error=3", data=data)
    pids = node_of(data, WORKS)["pids"]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not {0, *pids} & set(node_of(data, WORKS)["pids"]))
    until(lambda: set(codes(works, "tcp", "88.901.1/000003")) == {3})
    done("fault", "clear", WORKS, data=data)
    assert set(codes(works, "tcp", "88.901.1/000003")) == {1}


def test_a_slow_disk_slows_registrations(data: Path):
    done("fault", "add", WORKS, "disk=400ms", data=data)
    began = time.monotonic()
    done("register", "88.901.1/slow", "--value", "URL=https://example.com/", data=data)
    assert time.monotonic() - began > 0.4
    done("fault", "clear", data=data)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["add", "nobody", "hang"], "has no node 'nobody'"),
        (["add", WORKS, "burn"], "'burn' is no fault"),
        (["add", WORKS, "hang", "--for", "long"], "--for: 'long' is no duration"),
        (["clear", "--number", "1"], "goes with one NODE"),
    ],
)
def test_what_cannot_be_is_refused(data: Path, arguments: list[str], reason: str):
    shown = wuhan("fault", *arguments, data=data)
    assert shown.returncode == 1
    assert reason in shown.stderr


def test_a_network_that_is_stopped_lets_go_of_who_hangs(data: Path):
    done("fault", "add", "wuhan", "hang", data=data)
    wuhan_node = node_of(data, "wuhan")
    assert codes(wuhan_node, "udp", "88.901.1/000001", 1) == [0]
    began = time.monotonic()
    done("down", data=data)
    assert time.monotonic() - began < GRACE_S  # after which it would have been killed
