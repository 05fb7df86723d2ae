"""Authenticated, durable registrations at a real node.

``python -m bench.registrations`` starts a network on free ports, logs in at an enterprise node as
its administrator and registers new identifiers in two ways:

- in bulk: one connection, requests sent by 2,000, the next 2,000 while these are being answered;
- one by one: many connections, each of which waits for its acknowledgement before it goes on.

The node and the clients have a core each; a first round only warms the node up, as its memory
grows. Every acknowledgement is checked, and at the end that the node has as many records more.
What is acknowledged is on disk; how often the node waited for the disk is read from its own
metrics. In the same run, and in the same groups, the same octets are put straight into LMDB: the
peer.
"""

import argparse
import asyncio
import json
import re
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import lmdb
import psutil
import uvloop

from bench.machine import beside_the_clients, keep_on, machine_line, server_core
from resolver.cluster.launch import launch
from resolver.cluster.state import NodeState, data_paths
from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.wire.bodies import RecordRequest, ResolveRequest
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList

GOAL_BULK: Final = 20_000
GOAL_SINGLE: Final = 3_000

_PREFIX: Final = "88.901.1"
_USER, _INDEX = f"{_PREFIX}/ADMIN", 301
_VERSIONS: Final = ((2, 10), (2, 11))
_READ_OCTETS: Final = 1 << 20
_CODE_AT: Final = ENVELOPE_OCTETS + 4


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if both goals are met, 4 if not."""
    parser = argparse.ArgumentParser(prog="bench.registrations", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="of each round, in bulk")
    parser.add_argument("--window", type=int, default=2_000, help="requests sent at once, in bulk")
    parser.add_argument("--connections", type=int, default=64, help="one by one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="wuhan-bench-") as folder:
        report = run(Path(folder), options)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)
    return 0 if report["met"] else 4


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start a network, measure, stop it."""
    topology = expand(load_network("minimal", overrides={"network.base_port": 0}))
    launched = launch(topology, data_paths(folder / "network"), "minimal", detach=True)
    try:
        node = launched.wait_ready(lambda event: None).node(_PREFIX)
        keep_on(node.pid, {server_core()})
        with beside_the_clients():
            return measure(node, folder, options)
    finally:
        launched.stop()


def measure(node: NodeState, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The medians of all rounds, and the peer's."""
    count, window = options.records, options.window
    singles = max(options.connections, count // 10)
    rounds: dict[str, list[dict[str, float]]] = {
        "bulk": [], "single": [], "raw_bulk": [], "raw_single": [],
    }  # fmt: skip
    machine = machine_line()
    before = _metric(node, "wuhan_store_records")
    _bulk(node, list(_requests("warm", count)), window)
    for number in range(options.rounds):
        requests = list(_requests(f"b{number}", count))
        rounds["bulk"].append(_measured(node, count, partial(_bulk, node, requests, window)))
        requests = list(_requests(f"s{number}", singles))
        rounds["single"].append(
            _measured(node, singles, partial(_one_by_one, node, requests, options.connections))
        )
        group = round(singles / max(1.0, rounds["single"][-1]["commits"]))
        raw = folder / f"raw-{number}.mdb"
        rounds["raw_bulk"].append(_raw(raw, "b", count, window))
        rounds["raw_single"].append(_raw(raw, "s", singles, max(1, group)))
    report: dict[str, Any] = {name: _medians(found) for name, found in rounds.items()}
    made = _metric(node, "wuhan_store_records") - before
    assert made == count + options.rounds * (count + singles), f"{made} records are there"
    for name in ("bulk", "single"):
        report[name]["ratio"] = report[name]["rate"] / report[f"raw_{name}"]["rate"]
    return {
        "machine": machine,
        "rounds": options.rounds,
        "window": window,
        "connections": options.connections,
        **report,
        "met": report["bulk"]["rate"] >= GOAL_BULK and report["single"]["rate"] >= GOAL_SINGLE,
    }


def _requests(tag: str, count: int) -> Iterator[bytes]:
    """Requests to create so many records, numbered from 2 on."""
    admin = encode_admin(AdminRecord(AdminRight.ALL, _USER, _INDEX))
    for number in range(count):
        values = ValueList.of(
            [
                HandleValue(1, "URL", f"https://example.com/products/{number:08d}".encode()),
                HandleValue(2, "DESC", b"pump, 3 kW"),
                HandleValue(100, "HS_ADMIN", admin),
            ]
        )
        yield _message(number + 2, OpCode.CREATE_HANDLE, RecordRequest(_name(tag, number), values))


def _name(tag: str, number: int) -> str:
    return f"{_PREFIX}/{tag}-{number:08d}"


def _message(number: int, op_code: int, body: RecordRequest | ResolveRequest) -> bytes:
    envelope = Envelope(*_VERSIONS, request_id=number)
    return encode_message(Message(envelope, op_code, flags=0x19000000, body=body))


def _login() -> bytes:
    body = ResolveRequest(_USER, (_INDEX,), (f"SAMPLE-NOT-SECRET-{_PREFIX}",))
    return _message(1, OpCode.LOGIN_PASSWORD, body)


def _bulk(node: NodeState, requests: list[bytes], window: int) -> None:
    with socket.create_connection((node.address, node.port), timeout=60) as connection:
        acknowledged = _acknowledged(connection)
        connection.sendall(_login())
        assert next(acknowledged) == 1
        windows = [
            b"".join(requests[start : start + window]) for start in range(0, len(requests), window)
        ]
        connection.sendall(windows[0])
        expected = 2
        for position in range(len(windows)):
            if position + 1 < len(windows):
                connection.sendall(windows[position + 1])
            for _ in range(min(window, len(requests) + 2 - expected)):
                assert next(acknowledged) == expected
                expected += 1


def _acknowledged(connection: socket.socket) -> Iterator[int]:
    """The numbers of the requests that succeeded, as the replies come; any other ends the run."""
    buffer = b""
    while data := connection.recv(_READ_OCTETS):
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= ENVELOPE_OCTETS:
            stop = at + ENVELOPE_OCTETS + int.from_bytes(buffer[at + 16 : at + 20], "big")
            if stop > end:
                break
            _check(buffer[at:stop])
            yield int.from_bytes(buffer[at + 8 : at + 12], "big")
            at = stop
        buffer = buffer[at:]


def _check(reply: bytes) -> None:
    if int.from_bytes(reply[_CODE_AT : _CODE_AT + 4], "big") != ResponseCode.SUCCESS:
        message = decode_message(reply)
        raise SystemExit(f"refused: {message.response_code} {message.body}")


def _one_by_one(node: NodeState, requests: list[bytes], connections: int) -> None:
    async def work() -> None:
        waiting = iter(requests)
        await asyncio.gather(*(_client(node, waiting) for _ in range(connections)))

    uvloop.run(work())


async def _client(node: NodeState, waiting: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection(node.address, node.port)
    for request in _with_login(waiting):
        writer.write(request)
        head = await reader.readexactly(ENVELOPE_OCTETS)
        reply = head + await reader.readexactly(int.from_bytes(head[16:20], "big"))
        assert reply[8:12] == request[8:12]
        _check(reply)
    writer.close()


def _with_login(waiting: Iterator[bytes]) -> Iterator[bytes]:
    yield _login()
    yield from waiting


def _raw(path: Path, tag: str, count: int, group: int) -> dict[str, float]:
    """The same keys and values straight into LMDB, so many in a transaction."""
    requests = list(_requests(tag, count))
    items = [
        (_name(tag, number).upper().encode(), request[-240:])
        for number, request in enumerate(requests)
    ]
    with lmdb.open(str(path), subdir=False, map_size=1 << 30) as env:
        started = time.perf_counter()
        for start in range(0, count, group):
            with env.begin(write=True) as txn:
                txn.cursor().putmulti(items[start : start + group])
        seconds = time.perf_counter() - started
    return {"rate": count / seconds, "commits_per_s": -(-count // group) / seconds}


def _measured(node: NodeState, count: int, work: Callable[[], None]) -> dict[str, float]:
    process = psutil.Process(node.pid)
    commits = _metric(node, "wuhan_store_commit_duration_seconds_count")
    before, started = sum(process.cpu_times()[:2]), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    spent = sum(process.cpu_times()[:2]) - before
    commits = _metric(node, "wuhan_store_commit_duration_seconds_count") - commits
    return {
        "rate": count / seconds,
        "cpu_us": spent / count * 1e6,
        "commits": commits,
        "commits_per_s": commits / seconds,
    }


def _metric(node: NodeState, name: str) -> float:
    with urllib.request.urlopen(f"http://{node.address}:{node.http_port}/metrics") as response:
        text = response.read().decode()
    found = re.search(rf"^{name}\{{.*\}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}


def print_report(report: dict[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    print(f"medians of {report['rounds']} rounds; every acknowledgement checked")
    print(f"{'':38} {'records/s':>10} {'CPU µs':>7} {'commits/s':>10} {'of LMDB':>8}")
    titles = {
        "bulk": f"one session, by {report['window']:,}",
        "raw_bulk": "  LMDB alone",
        "single": f"{report['connections']} sessions, one by one",
        "raw_single": "  LMDB alone, in groups of that size",
    }
    for name, title in titles.items():
        row = report[name]
        cpu = f"{row['cpu_us']:.0f}" if "cpu_us" in row else ""
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        print(f"{title:38} {row['rate']:10,.0f} {cpu:>7} {row['commits_per_s']:10,.0f} {ratio:>8}")
    verdict = "met" if report["met"] else "MISSED"
    print(f"goals {GOAL_BULK:,}/s and {GOAL_SINGLE:,}/s: {verdict}")


if __name__ == "__main__":
    sys.exit(main())
