"""The default network as a newcomer starts it: all 115 nodes, through the command line."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.client import Client
from secondary_nodes.roster import ROSTER

pytestmark = pytest.mark.slow

MEMORY_GOAL = 900_000_000


def wuhan(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "resolver.cli.main", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("whole")
    try:
        started = wuhan("up", "--detach", "--base-port", "0", data=folder)
        assert started.returncode == 0, started.stderr
        assert "'wuhan' is ready: 115 nodes" in started.stdout
        assert "try  wuhan resolve 88.901.1/000001 --trace" in started.stdout
        yield folder
    finally:
        stopped = wuhan("down", data=folder)
    assert stopped.stdout == "wuhan network 'wuhan' has stopped\n"


@pytest.fixture(scope="module")
def status(data: Path) -> dict:
    shown = wuhan("status", "--json", data=data)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_every_node_answers(status: dict):
    assert Counter(node["role"] for node in status["nodes"]) == {
        "root": 1,
        "top-level": 1,
        "secondary": 12,
        "enterprise": 100,
        "recursive": 1,
    }
    assert {(node["state"], node["health"]) for node in status["nodes"]} == {("ready", "ok")}


def test_the_network_fits_into_the_memory_it_promises(status: dict):
    assert status["rss_bytes"] <= MEMORY_GOAL


def test_a_cold_identifier_goes_through_four_tiers_and_then_comes_from_the_cache(data: Path):
    cold = wuhan("resolve", "88.903.2/000007", "--trace", data=data)
    assert cold.returncode == 0, cold.stderr
    told = [re.sub(r" {2,}", "  ", line.strip()) for line in cold.stdout.splitlines()[:5]]
    assert re.match(r"recursive 127\.0\.0\.1:\d+  miss  ", told[0])
    assert re.match(r"├─ wuhan  88\.903  referral → displays 127\.0\.0\.1:\d+  TTL 86400", told[1])
    assert re.match(r"├─ displays  88\.903\.2  referral → 88\.903\.2 127\.0\.0\.1:\d+", told[2])
    assert re.match(r"└─ 88\.903\.2  88\.903\.2/000007  answer, 8 values, authoritative", told[3])
    assert told[4] == "88.903.2/000007"

    again = wuhan("resolve", "88.903.2/000007", "--trace", data=data)
    assert re.match(r" *recursive 127\.0\.0\.1:\d+ +hit, TTL 3\d\d\d", again.stdout)
    assert "├─" not in again.stdout


async def test_every_enterprise_is_found_through_the_recursive_node(status: dict):
    port = next(node["port"] for node in status["nodes"] if node["role"] == "recursive")
    handles = [f"{prefix}/000100" for row in ROSTER for prefix in row.enterprise_prefixes()]
    assert len(handles) == 100
    async with Client(f"127.0.0.1:{port}") as client:
        found = [outcome async for outcome in client.resolve_many(handles)]
    assert [(one.handle, one.error) for one in found] == [(handle, None) for handle in handles]
