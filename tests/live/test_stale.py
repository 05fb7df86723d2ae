"""Nodes above the enterprises stop: what was asked for before keeps resolving (RFC 8767)."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from resolver.cluster.state import data_paths, running_network
from resolver.model.codes import ResponseCode
from tests.support.command import network, node_of, status_of, stopped, until

pytestmark = pytest.mark.slow

RECOVERY_S = 5.0
HOT = [f"88.901.1/{number:06d}" for number in range(1, 5)]
NETWORK = """
[network]
name = "stale"

[limits]
deadline = "2s"
ask_timeout = "500ms"

[cache]
ttl_cap = "1s"

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
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stale")
    config = folder / "stale.toml"
    config.write_text(NETWORK, encoding="utf-8")
    with network(folder / "data", "--config", str(config)):
        yield folder / "data"


@pytest.fixture(scope="module")
def pids(data: Path) -> dict[str, int]:
    """Asked for once, since status waits for nodes that do nothing."""
    return {node["name"]: node["pid"] for node in status_of(data)["nodes"]}


@pytest.fixture(scope="module")
def door(data: Path) -> str:
    """Of the recursive node."""
    return f"http://127.0.0.1:{node_of(data, 'recursive')['http_port']}"


def resolve(door: str, handle: str) -> tuple[int, str]:
    """The response code, and what the cache knew of it; a record has to be the right one."""
    try:
        with urllib.request.urlopen(f"{door}/api/handles/{handle}?trace=true") as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            answer = json.load(error)
    if answer["responseCode"] == ResponseCode.SUCCESS:
        assert answer["handle"] == handle
        assert answer["values"]
    return answer["responseCode"], answer["trace"]["cache"]


def counted(door: str, class_: str, result: str) -> float:
    """Looks into the caches of the recursive node that ended so."""
    with urllib.request.urlopen(f"{door}/metrics") as response:
        text = response.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "wuhan_cache_lookups_total"
        and (sample.labels["class"], sample.labels["result"]) == (class_, result)
    )


@contextmanager
def hanging(pids: dict[str, int], *names: str) -> Iterator[None]:
    with ExitStack() as running:
        for name in names:
            running.enter_context(stopped(pids[name]))
        yield


@contextmanager
def killed(pids: dict[str, int], data: Path, *names: str) -> Iterator[None]:
    """Within it, the nodes are dead; afterwards the supervisor starts them again."""
    state = running_network(data_paths(data))
    with stopped(state.pid):
        for name in names:
            os.kill(pids[name], signal.SIGKILL)
        yield


def warm_up(door: str) -> None:
    for handle in HOT:
        assert resolve(door, handle)[0] == ResponseCode.SUCCESS


def assert_recovers(door: str) -> None:
    """All is as before within seconds: answers are fresh, and none is old."""

    def fresh() -> bool:
        return all(
            code == ResponseCode.SUCCESS and cache != "stale"
            for code, cache in (resolve(door, handle) for handle in HOT)
        )

    until(fresh, seconds=RECOVERY_S)


def test_enterprises_are_found_without_the_nodes_above_them(door: str, pids: dict[str, int]):
    """By their old routes; identifiers that nobody has asked for, too."""
    warm_up(door)
    with hanging(pids, "wuhan", "optics"):
        until(lambda: counted(door, "route", "stale") or not resolve(door, HOT[0])[0])
        for handle in (*HOT, "88.901.1/000050"):
            assert resolve(door, handle)[0] == ResponseCode.SUCCESS
    assert_recovers(door)


@pytest.mark.parametrize("how", ["hanging", "killed"])
def test_old_answers_serve_while_nobody_can_be_asked(
    data: Path, door: str, pids: dict[str, int], how: str
):
    warm_up(door)
    before = counted(door, "leaf", "stale")
    names = ("wuhan", "optics", "88.901.1")
    gone = hanging(pids, *names) if how == "hanging" else killed(pids, data, *names)
    with gone:
        until(lambda: resolve(door, HOT[0]) == (ResponseCode.SUCCESS, "stale"))
        ways = {resolve(door, handle) for handle in HOT}
        assert ways == {(ResponseCode.SUCCESS, "stale")}
        assert counted(door, "leaf", "stale") >= before + len(HOT)
        assert resolve(door, "88.901.1/000060")[0] == ResponseCode.ERROR
    assert_recovers(door)
