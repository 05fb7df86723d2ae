"""``wuhan cache`` at a running network, and caches that outlive a restart."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import health_of, network, node_of, until, wuhan

pytestmark = pytest.mark.slow

HANDLE, OTHER = "88.901.1/000001", "88.901.1/000002"


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def data(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("caches")
    with network(folder, "--config", "minimal", "--workers", str(request.param)) as running:
        yield running


def ways(data: Path, handle: str, times: int = 12) -> set[str]:
    """Which ways the answers came that each came over a connection of its own: so many that each
    process has been asked, but for once in some thousands of times."""
    port = node_of(data, "recursive")["http_port"]
    url = f"http://127.0.0.1:{port}/api/handles/{handle}?trace=true"
    found = set()
    for _ in range(times):
        with urllib.request.urlopen(url) as response:
            found.add(str(json.load(response)["trace"]["cache"]))
    return found


def cache(data: Path, *arguments: str, code: int = 0) -> str:
    done = wuhan("cache", *arguments, data=data)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def known(data: Path, handle: str) -> dict[str, Any] | None:
    done = wuhan("cache", "get", handle, "--json", data=data)
    assert done.returncode == (0 if done.stdout.strip() != "null" else 2)
    found: dict[str, Any] | None = json.loads(done.stdout)
    return found


def test_look_forget_keep(data: Path, tmp_path: Path) -> None:
    cache(data, "flush", "--all")
    assert known(data, HANDLE) is None
    assert "knows nothing about" in cache(data, "get", HANDLE, code=2)
    for handle in (HANDLE, OTHER):
        ways(data, handle)
    found = known(data, HANDLE)
    assert found is not None
    assert (found["state"], found["responseCode"]) == ("fresh", 1)
    assert {value["type"] for value in found["values"]} >= {"URL", "DESC"}
    assert "https://" in cache(data, "get", HANDLE)

    stats = json.loads(cache(data, "stats", "--json"))
    assert stats[0]["caches"]["leaf"]["entries"] >= 2
    assert "records of others" in cache(data, "stats")

    kept = tmp_path / "kept.snapshot"
    assert "has written" in cache(data, "export", str(kept))
    assert cache(data, "flush", HANDLE).startswith("recursive has forgotten ")
    assert known(data, HANDLE) is None
    assert known(data, OTHER) is not None
    cache(data, "flush", "88.901.1")
    assert known(data, OTHER) is None
    assert "has taken in" in cache(data, "import", str(kept))
    assert known(data, HANDLE) is not None
    assert known(data, OTHER) is not None
    assert ways(data, HANDLE) == {"hit"}


def test_a_flush_reaches_every_process(data: Path) -> None:
    ways(data, HANDLE)
    assert ways(data, HANDLE) == {"hit"}
    cache(data, "flush", HANDLE)
    assert "miss" in ways(data, HANDLE, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("flush",), 1, "say what to forget"),
        (("flush", HANDLE, "--all"), 1, "say what to forget"),
        (("stats", "nobody"), 1, "no node 'nobody'"),
        (("import", "/etc/hostname"), 1, "not a snapshot of a cache"),
        (("export", "/nowhere/at/all"), 1, "cannot be written"),
    ],
)
def test_mistakes(data: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    assert told in cache(data, *arguments, code=code)


def test_a_process_that_ends_well_begins_warm(data: Path) -> None:
    ways(data, HANDLE)
    before = node_of(data, "recursive")
    for pid in before["pids"]:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not set(before["pids"]) & set(node_of(data, "recursive")["pids"]))
    until(lambda: health_of(data, "recursive") == "ok")
    assert ways(data, HANDLE) == {"hit"}
