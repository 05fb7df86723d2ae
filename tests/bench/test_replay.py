"""What was recorded is asked again, exactly."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random

import pytest

from bench.replay.replaying import Replayed, quantile, replay, rows_of
from resolver.model.errors import ConfigError, UpstreamError
from resolver.node.node import Node
from resolver.server.access import AccessFile
from resolver.server.clock import SystemClock
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.storage import Figures
from resolver.telemetry.access import Asked, Head
from resolver.transport.access import AccessLog
from resolver.transport.tcp import serve_tcp
from resolver.upstream.exchange import Upstream
from secondary_nodes.population import sample_records
from tests.support import command
from tests.support.memory_network import site
from tests.support.nodes import node_state

PREFIXES = ("88.901.1", "88.901.2", "88.902.1")


@dataclass
class Recorded:
    """A node that has run."""

    address: tuple[str, int] = ("", 0)
    told: list[Asked] = field(default_factory=list)
    figures: dict[str, Figures] = field(default_factory=dict)


@asynccontextmanager
async def node(every: int = 1) -> AsyncIterator[Recorded]:
    """A new node with records under three prefixes; afterwards, what it has counted."""
    records = [record for prefix in PREFIXES for record in sample_records(prefix, 10)]
    state = node_state("works", "enterprise", site("works", 1), homes=PREFIXES, records=records)
    found, upstream = Recorded(), Upstream()
    log = AccessLog(every, lambda: 1000.0 + len(found.told) / 1000, found.told.append)
    chain = ROLES["enterprise"].chain
    service = NodeService(Node(state, chain), upstream, SystemClock(), access=log)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    found.address = sock.getsockname()
    door = await serve_tcp(service, sock)
    try:
        yield found
    finally:
        await door.close()
        await service.close()
        await upstream.close()
        found.figures = {prefix: figures for _, prefix, figures in state.store.figures()}


def some_rows(count: int) -> list[Asked]:
    """Requests of all kinds: found and not, selections, prefixes nobody has."""
    random, rows = Random(5), []
    for number in range(count):
        prefix = random.choice([*PREFIXES, PREFIXES[0], "88.999.1"])
        suffix = random.choice(["000001", "000002", "000010", "none"])
        indexes = random.choice([(), (), (1,), (2, 9)])
        types = random.choice([(), (), ("URL",)])
        rows.append(
            Asked(
                number / 1000,
                0.1,
                "",
                "udp",
                "ready",
                1,
                1,
                f"{prefix}/{suffix}",
                indexes,
                types,
                1,
            )
        )
    return rows


async def write(path: Path, rows: list[Asked], every: int = 1) -> None:
    file = AccessFile(path, path.suffix[1:], Head("works", every), size=1 << 26, keep=0)
    for row in rows:
        file.keep(row)
    await file.close()


@pytest.mark.parametrize("form", ["jsonl", "msgpack"])
async def test_a_replay_makes_the_same_counts(tmp_path: Path, form: str):
    async with node() as first:
        begin = Replayed(recorded=some_prefixes(some_rows(3000)))
        await replay(first.address, some_rows(3000), inf, begin)
    assert len(first.told) == 3000
    path = tmp_path / f"access-0.{form}"
    await write(path, first.told)
    replayed = Replayed()
    rows = rows_of([path], replayed)
    async with node() as second:
        await replay(second.address, rows, 20.0, replayed)
    assert replayed.is_exact
    assert replayed.recorded_codes == replayed.codes
    assert (replayed.otherwise, replayed.unanswered, replayed.others) == (0, 0, 0)
    assert second.figures == first.figures
    assert sum(figures.requests for figures in second.figures.values()) == 3000
    assert sorted((a.id, a.indexes, a.types, a.code) for a in second.told) == sorted(
        (a.id, a.indexes, a.types, a.code) for a in first.told
    )
    assert 3.0 / 20.0 <= replayed.seconds < 3.0, "it was recorded in three seconds"


def some_prefixes(rows: list[Asked]) -> Counter[str]:
    return Counter(row.id.partition("/")[0] for row in rows)


async def test_other_operations_are_left_out(tmp_path: Path):
    rows = [row._replace(op=100) for row in some_rows(2)] + some_rows(3)
    await write(tmp_path / "a.jsonl", rows)
    replayed = Replayed()
    assert len(rows_of([tmp_path / "a.jsonl"], replayed)) == 3
    assert replayed.others == 2
    await write(tmp_path / "b.jsonl", rows[:2])
    with pytest.raises(ConfigError, match="no resolution"):
        rows_of([tmp_path / "b.jsonl"], Replayed())


async def test_what_a_node_leaves_unanswered_is_told():
    rows = some_rows(100)
    replayed = Replayed(recorded=some_prefixes(rows))

    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(leaves, "127.0.0.1", 0) as server:
        await replay(server.sockets[0].getsockname(), rows, inf, replayed)
    assert replayed.unanswered == 100
    assert not replayed.is_exact


async def test_a_node_that_is_not_there_is_told():
    rows = some_rows(10)
    replayed = Replayed(recorded=some_prefixes(rows))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = nobody.getsockname()
    with pytest.raises(UpstreamError, match="cannot be reached"):
        await replay(address, rows, inf, replayed)


def test_quantiles():
    assert quantile([], 0.5) == 0.0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.mark.slow
def test_a_network_records_and_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WUHAN_LOG_ACCESS", "jsonl")
    data = tmp_path / "data"
    with command.network(data, "--config", "minimal"):
        for identifier in ("88.901.1/000001", "88.901.1/000002", "88.901.1/000001"):
            assert command.wuhan("resolve", identifier, data=data).returncode == 0
    log = data / "nodes" / "recursive" / "access-0.jsonl"
    recorded = log.read_bytes()
    monkeypatch.delenv("WUHAN_LOG_ACCESS")
    with command.network(data, "--config", "minimal"):
        done = command.wuhan("bench", "replay", str(log), "--speed", "10", "--json", data=data)
        shown = command.wuhan("bench", "replay", str(log), "--speed", "inf", data=data)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["exact"]
    assert found["prefixes"] == {"88.901.1": [3, 3]}
    assert shown.returncode == 0, shown.stderr
    assert "3 of 3 resolutions answered" in shown.stdout
    assert log.read_bytes() == recorded, "off is off"
    refused = command.wuhan("bench", "replay", str(data / "state.json"), data=data)
    assert refused.returncode in (1, 2)
