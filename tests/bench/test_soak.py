"""The soak: what is asked, how it is verified, what survives, and the command as people run it."""

import asyncio
import json
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import pytest

from bench.soak import asking, report
from bench.soak.asking import Asking, Done
from bench.soak.blocks import Block, Workload
from bench.soak.checkpoint import Checkpoint, Progress, Session, Work
from bench.soak.run import Outcome
from resolver.model.errors import ConfigError, UpstreamError
from resolver.model.value import HandleValue
from resolver.node.node import Node
from resolver.server.clock import SystemClock
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.transport.tcp import serve_tcp
from resolver.upstream.exchange import Upstream
from resolver.wire.message import decode_message
from resolver.wire.values import ValueList
from secondary_nodes.population import sample_records
from tests.support import command
from tests.support.memory_network import site
from tests.support.nodes import node_state

PREFIX = "88.901.1"
RECORDS = list(islice(sample_records(PREFIX, 100), 100))
WORK = Work(2500, 100, "f" * 32, 100, "minimal")


@asynccontextmanager
async def node(records: list[tuple[str, ValueList]]) -> AsyncIterator[tuple[str, int]]:
    """A real enterprise node with these records, where it answers over TCP."""
    state = node_state("works", "enterprise", site("works", 1), homes=[PREFIX], records=records)
    upstream = Upstream()
    service = NodeService(Node(state, ROLES["enterprise"].chain), upstream, SystemClock())
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    address: tuple[str, int] = sock.getsockname()
    door = await serve_tcp(service, sock)
    try:
        yield address
    finally:
        await door.close()
        await service.close()
        await upstream.close()


async def asked(
    address: tuple[str, int], work: Work, progress: Progress, *, first: bool = False
) -> Counter[str]:
    """Ask for everything that is left; what went wrong on the way, apart from answers."""
    workload = Workload(RECORDS, block=work.block)
    progress.sessions.append(Session(0.0, 0.0))
    begin = Workload(RECORDS, block=10) if first else None
    client = Asking(address, workload, progress.turns(work), connections=3, first=begin)

    def ask() -> None:
        try:
            while client.step(5.0, progress.count):
                pass
        finally:
            client.close()

    await asyncio.to_thread(ask)
    return client.incidents


def test_requests_and_answers_of_a_block_belong_together():
    block = Block(RECORDS)
    block.begin(0x1234, 1_900_000_000)
    asked_for, start = [], 0
    for place, end in enumerate(block.request_ends):
        request = decode_message(bytes(block.requests[start:end]))
        reply = bytes(block.replies[block.reply_start(place) : block.reply_ends[place]])
        answer = decode_message(reply)
        assert request.envelope.request_id == answer.envelope.request_id == 0x1234_0000 + place
        assert request.expiration == 1_900_000_000
        assert request.body.handle == answer.body.handle == block.handles[place]
        assert answer.body.values.octets == dict(RECORDS)[block.handles[place]].octets
        assert block.place_of(reply) == place
        assert block.verdict(place, reply) == ""
        asked_for.append(request.body.handle)
        start = end
    assert sorted(asked_for) == sorted(handle for handle, _ in RECORDS)


@pytest.mark.parametrize(
    ("at", "wrong"),
    [
        (23, "answers to another operation"),
        (27, "answers with code 0"),
        (-5, "answers with other values"),
        (50, "answers about another identifier"),
    ],
)
def test_one_octet_makes_an_answer_wrong(at: int, wrong: str):
    block = Block(RECORDS)
    reply = bytearray(block.replies[: block.reply_ends[0]])
    reply[at] ^= 1
    assert block.verdict(0, bytes(reply)) == wrong


def test_an_answer_to_an_earlier_use_is_nobodys():
    block = Block(RECORDS)
    block.begin(7, 0)
    before = bytes(block.replies[: block.reply_ends[0]])
    block.begin(8, 0)
    assert block.place_of(before) is None


def test_the_same_seed_gives_the_same_workload():
    assert Workload(RECORDS).fingerprint == Workload(list(RECORDS)).fingerprint
    others = [*RECORDS[:-1], (RECORDS[-1][0], RECORDS[0][1])]
    assert Workload(others).fingerprint != Workload(RECORDS).fingerprint


@pytest.mark.parametrize("total", [1, 99, 100, 2550])
async def test_all_is_asked_and_counted_once(total: int):
    work, progress = Work(total, 100, "", 100, "minimal"), Progress()
    async with node(RECORDS) as address:
        assert not await asked(address, work, progress, first=True)
    assert (progress.requests, progress.successes) == (total, total)
    assert (progress.first_open, progress.ahead) == (work.blocks, set())


async def test_a_wrong_value_is_noticed():
    handle, values = RECORDS[41]
    forged = ValueList.of(
        HandleValue(v.index, v.type, v.data[:-1] + b"?" if v.index == 2 else v.data,
                    timestamp=v.timestamp)
        for v in values
    )  # fmt: skip
    records = [(name, forged if name == handle else known) for name, known in RECORDS]
    progress = Progress()
    async with node(records) as address:
        await asked(address, WORK, progress)
    assert (progress.requests, progress.successes) == (2500, 2475)
    assert progress.failures == {"answers with other values": 25}
    assert set(progress.examples) == {f"{handle}: answers with other values"}


async def test_a_missing_record_and_a_longer_answer_are_noticed():
    missing, (longer, values) = RECORDS[3][0], RECORDS[4]
    more = ValueList.of([*values, HandleValue(9000, "NOTE", b"more")])
    records = [
        (handle, more if handle == longer else known)
        for handle, known in RECORDS
        if handle != missing
    ]
    progress = Progress()
    async with node(records) as address:
        await asked(address, WORK, progress)
    assert progress.failures == {"answers with code 100": 25, "answers with other values": 25}
    assert progress.successes == 2450


async def test_what_a_lost_connection_had_under_way_is_asked_again():
    """Between the client and the node stands somebody who cuts three connections in the middle."""
    cuts = [20_000, 300_000, 70_001]
    async with node(RECORDS) as address:

        async def passes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            to_node, from_node = await asyncio.open_connection(*address)
            left = cuts.pop() if cuts else 1 << 40

            async def there() -> None:
                while octets := await reader.read(1 << 16):
                    from_node.write(octets)

            back = asyncio.ensure_future(there())
            while left > 0 and (octets := await to_node.read(min(left, 1 << 16))):
                left -= len(octets)
                writer.write(octets)
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            for stream in (writer, from_node):
                stream.close()

        server = await asyncio.start_server(passes, "127.0.0.1", 0)
        progress = Progress()
        incidents = await asked(server.sockets[0].getsockname(), WORK, progress)
        server.close()
    assert sum(incidents.values()) == 3
    assert (progress.requests, progress.successes) == (2500, 2500)


async def test_an_answer_nobody_asked_for_ends_the_connection():
    """Somebody answers everything with ids of their own, until there is no patience left."""
    async with node(RECORDS) as address:
        spoilt = [2]

        async def passes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            to_node, from_node = await asyncio.open_connection(*address)
            while octets := await reader.read(1 << 16):
                from_node.write(octets)
                answer = bytearray(await to_node.read(1 << 16))
                if spoilt[0]:
                    spoilt[0] -= 1
                    answer[8] ^= 0x80
                writer.write(answer)
                if len(answer) < 1 << 16:
                    continue
            for stream in (writer, from_node):
                stream.close()

        work, progress = Work(300, 100, "", 100, "minimal"), Progress()
        server = await asyncio.start_server(passes, "127.0.0.1", 0)
        incidents = await asked(server.sockets[0].getsockname(), work, progress)
        server.close()
    assert incidents == {"the node sends an answer that no request under way has the id of": 2}
    assert (progress.requests, progress.successes) == (300, 300)


async def test_a_node_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = nobody.getsockname()
    progress = Progress()
    with pytest.raises(UpstreamError, match=r"does not answer .*refused.*the same command"):
        await asked(address, WORK, progress)
    assert progress.requests == 0


def some_progress() -> Progress:
    progress = Progress(sessions=[Session(1.0, 2.0, 1.0)])
    for number in (0, 1, 3, 7):
        progress.count(Done(number, 100, Counter(), []))
    progress.count(Done(5, 100, Counter({"answers with code 2": 3}), ["x: answers with code 2"]))
    progress.mark()
    return progress


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path):
    checkpoint, progress = Checkpoint(tmp_path / "soak.json", WORK), some_progress()
    assert checkpoint.load() == Progress()
    checkpoint.save(progress)
    found = checkpoint.load()
    assert found == progress
    assert (found.first_open, found.ahead) == (2, {3, 5, 7})
    assert (found.requests, found.successes) == (500, 497)
    left = list(found.turns(WORK))
    assert [number for number, _ in left] == [2, 4, 6, *range(8, 25)]


def test_a_block_cannot_be_counted_twice():
    progress = some_progress()
    for number in (0, 3):
        with pytest.raises(AssertionError, match="twice"):
            progress.count(Done(number, 100, Counter(), []))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: text.replace('"successes": 497', '"successes": 498'), "checksum"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format is 2"),
        (lambda text: "[]", "no checkpoint"),
        (lambda text: "", "no checkpoint"),
        (lambda text: '{"format": 1, "checksum": 0}', "'soak' is missing"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, spoil: Callable[[str], str], reason: str):
    checkpoint = Checkpoint(tmp_path / "soak.json", WORK)
    checkpoint.save(some_progress())
    spoilt = spoil(checkpoint.path.read_text())
    checkpoint.path.write_text(spoilt)
    with pytest.raises(ConfigError, match=reason) as refused:
        checkpoint.load()
    assert "--checkpoint" in str(refused.value)
    assert checkpoint.path.read_text() == spoilt


def test_a_checkpoint_of_another_workload_is_refused(tmp_path: Path):
    Checkpoint(tmp_path / "soak.json", WORK).save(some_progress())
    other = Checkpoint(tmp_path / "soak.json", Work(9999, 100, "0" * 32, 100, "minimal"))
    with pytest.raises(ConfigError, match="total 2500 and not 9999, fingerprint 'ffff"):
        other.load()


def test_two_soaks_do_not_share_a_checkpoint(tmp_path: Path):
    path = tmp_path / "soak.json"
    with (
        Checkpoint(path, WORK).held(),
        pytest.raises(ConfigError, match="in use"),
        Checkpoint(path, WORK).held(),
    ):
        pass
    with Checkpoint(path, WORK).held():
        pass


def test_the_curve_stays_short_and_adds_up():
    progress = Progress(sessions=[Session(0.0, 0.0)])
    for second in range(1, 5001):
        progress.sessions[0].seconds, progress.requests = float(second), second * 1000
        progress.mark()
    assert len(progress.points) <= 1000
    assert progress.points[-1] == (5000.0, 5_000_000)
    pairs = report.curve(progress.points)
    assert len(pairs) <= 61
    assert {rate for _, rate in pairs} == {1000.0}


def test_the_report_tells_what_was_wrong(tmp_path: Path):
    outcome = Outcome(WORK, some_progress(), is_interrupted=True, asked="<somebody>")
    found = report.document(outcome)
    for name in ("r.json", "r.md", "r.html"):
        report.write(tmp_path / name, found)
    assert json.loads((tmp_path / "r.json").read_text()) == found
    assert found["wuhan_soak_failures_total"] == {"answers with code 2": 3}
    assert found["wuhan_soak_rate"] == 500.0
    assert found["wuhan_soak_remaining_seconds"] == 4.0
    assert "x: answers with code 2" in (tmp_path / "r.md").read_text()
    page = (tmp_path / "r.html").read_text()
    assert "497 verified resolutions, of 2,500 so far" in page
    assert "&lt;somebody&gt;" in page
    with pytest.raises(ConfigError, match=r"\.json, \.md, \.html"):
        report.check_form(tmp_path / "r.pdf")


@pytest.mark.slow
def test_the_total_is_exact_after_two_kills(tmp_path: Path):
    checkpoint, total = tmp_path / "soak.json", 1_500_500
    arguments = ["bench", "soak", "--total", str(total), "--config", "minimal", "--json"]
    arguments += ["--save-every", "0.1", "--checkpoint", str(checkpoint)]
    arguments += ["--data", str(tmp_path / "none")]

    def counted() -> int:
        if not checkpoint.exists():
            return 0
        return int(json.loads(checkpoint.read_text())["soak"]["progress"]["requests"])

    try:
        for _ in range(2):
            before = counted()
            running = subprocess.Popen(
                [*command.COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            command.until(lambda known=before: counted() > known, 60)
            running.send_signal(signal.SIGKILL)
            running.wait()
            assert 0 < counted() < total
        done = command.wuhan(*arguments, data=tmp_path / "none")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["wuhan_soak_requests_total"] == total
        assert found["wuhan_soak_successes_total"] == total
        assert found["complete"]
        assert [session["ended_by_itself"] for session in found["sessions"]] == [False, False, True]
        assert sum(session["requests"] for session in found["sessions"]) == total
        assert "goes on after" in done.stderr
        octets = checkpoint.read_bytes()
        again = command.wuhan(*arguments[:3], "7", *arguments[4:], data=tmp_path / "none")
        assert again.returncode == 1
        assert "another workload" in again.stderr
        assert checkpoint.read_bytes() == octets
        assert not (tmp_path / "soak.json.network").exists()
    finally:
        command.wuhan("down", data=tmp_path / "soak.json.network")
