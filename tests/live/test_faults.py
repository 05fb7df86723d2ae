"""What a network does when one of its secondary nodes dies or hangs."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from resolver.client import Client, Record, ResolutionError
from resolver.model.codes import ResponseCode
from resolver.model.errors import ResolverError
from tests.support.command import health_of, network, node_of, status_of, stopped, until

pytestmark = pytest.mark.slow

DEADLINE_S = 1.0
SLACK_S = 1.0
NETWORK = """
[network]
name = "faults"

[limits]
deadline = "1s"
ask_timeout = "500ms"

# Nothing is remembered, so that every question needs the secondary node.
[cache]
ttl_cap = "0s"
negative_ttl = "0s"
failure_ttl = "0s"

[[node]]
name = "root"
role = "root"
port = 2640
http_port = 8002

[[node]]
name = "wuhan"
role = "top-level"
prefix = "88"
parent = "root"
port = 2641
http_port = 8000

[[node]]
name = "recursive"
role = "recursive"
port = 3641
http_port = 8001

[[secondary]]
name = "optics"
prefix = "88.901"
enterprises = 1
port = 2701
http_port = 8101

[[secondary]]
name = "chips"
prefix = "88.902"
enterprises = 1
port = 2702
http_port = 8102
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("faults")
    config = folder / "faults.toml"
    config.write_text(NETWORK, encoding="utf-8")
    with network(folder / "data", "--config", str(config)):
        yield folder / "data"


@pytest.fixture(scope="module")
def port(data: Path) -> int:
    """Of the recursive node; asked for once, since status waits for nodes that hang."""
    return int(node_of(data, "recursive")["port"])


def resolve(port: int, handle: str) -> tuple[Record | ResolverError, float]:
    """What the recursive node says, and the seconds it took."""

    async def ask() -> Record | ResolverError:
        async with Client(f"127.0.0.1:{port}", timeout=DEADLINE_S + 2 * SLACK_S) as client:
            try:
                return await client.resolve(handle)
            except ResolverError as error:
                return error

    began = time.monotonic()
    return asyncio.run(ask()), time.monotonic() - began


def assert_only_chips_is_missing(port: int) -> None:
    found, _ = resolve(port, "88.901.1/000001")
    assert isinstance(found, Record)
    failed, seconds = resolve(port, "88.902.1/000001")
    assert isinstance(failed, ResolutionError), failed
    assert failed.code == ResponseCode.ERROR
    assert "nobody answered for 0.NA/88.902.1" in str(failed)
    assert seconds < DEADLINE_S + SLACK_S
    again, _ = resolve(port, "88.901.1/000002")
    assert isinstance(again, Record)


def test_a_killed_node_is_started_again_and_nobody_else_notices(data: Path, port: int):
    before = node_of(data, "chips")
    supervisor = status_of(data)["supervisor"]
    # While the supervisor is stopped nothing is started again: time to look.
    with stopped(supervisor):
        os.kill(before["pid"], signal.SIGKILL)
        until(lambda: psutil.Process(before["pid"]).status() == psutil.STATUS_ZOMBIE)
        assert_only_chips_is_missing(port)
    until(lambda: health_of(data, "chips") == "ok")
    until(lambda: node_of(data, "chips")["state"] == "ready")

    after = node_of(data, "chips")
    assert after["pid"] not in (0, before["pid"])
    assert (after["state"], after["restarts"]) == ("ready", before["restarts"] + 1)
    assert {node["health"] for node in status_of(data)["nodes"]} == {"ok"}
    found, _ = resolve(port, "88.902.1/000001")
    assert isinstance(found, Record)
    log = (data / "logs" / "supervisor.log").read_text(encoding="utf-8")
    assert "process chips was killed by SIGKILL; started again in 0.1 s" in log


def test_a_node_that_hangs_is_waited_for_no_longer_than_the_deadline(data: Path, port: int):
    with stopped(node_of(data, "chips")["pid"]):
        assert_only_chips_is_missing(port)
        assert health_of(data, "chips") != "ok"
    found, _ = resolve(port, "88.902.1/000001")
    assert isinstance(found, Record)


def test_a_node_that_keeps_dying_is_started_ever_later(data: Path):
    restarts = node_of(data, "chips")["restarts"]
    for number in range(1, 4):
        pid = node_of(data, "chips")["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda n=number: node_of(data, "chips")["restarts"] == restarts + n)
        until(lambda: health_of(data, "chips") == "ok")
    log = (data / "logs" / "supervisor.log").read_text(encoding="utf-8")
    delays = [line.split("again in ")[1] for line in log.splitlines() if "process chips" in line]
    assert delays == sorted(delays)
    assert len(set(delays)) == len(delays)
