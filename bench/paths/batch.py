"""Many identifiers in one HTTP request: ``POST /api/resolve`` with a msgpack array of up to 10,000,
answered as a stream of msgpack objects, one for each.

One answer is read and looked through; the others must be HTTP 200 of the same length.
"""

import http.client
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgpack

from bench.goals import Goal
from bench.machine import client_core
from bench.native import HTTP, Load, Request, run_load, write_requests
from bench.network import handle, minimal_network, url_records
from bench.paths.common import Options, Report, fill, numbered, rounds

GOAL: Final = 1_000_000
MOST: Final = 10_000
"""Identifiers of one request."""
CONNECTIONS: Final = 4

_PATH: Final = "/api/resolve"
_TYPE: Final = "application/msgpack"


def measure(folder: Path, options: Options) -> Report:
    """Identifiers that the recursive node answers from its cache."""
    report = Report()
    count = min(MOST, options.names)
    with minimal_network(folder, url_records(options.names)) as network:
        node = network.recursive
        pids = network.measure(node)
        fill(node, numbered(folder / "requests", options.names))
        wanted = [handle(number) for number in range(count)]
        body = msgpack.packb(wanted)
        port = node.http_port
        status, answer = _post(port, body)
        if status != http.client.OK:
            return Report(left_out=f"POST {_PATH} answers with status {status} at this version")
        items = _items(answer)
        if len(items) != count:
            report.troubles.append(f"{len(items):,} answers to {count:,} identifiers")
        report.notes.append(
            f"{count:,} identifiers a request of {len(body):,} octets, answered in {len(answer):,};"
            f" the first: {str(items[0])[:120] if items else 'nothing'}"
        )
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {_TYPE}\r\n"
            f"Accept: {_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        last = wanted[-1].encode()
        requests = write_requests(folder / "posts", [Request(head.encode() + body, last)])
        load = Load(
            HTTP, seconds=options.seconds, flows=CONNECTIONS, timeout=10.0, core=client_core()
        )
        ask = partial(run_load, "http", ("127.0.0.1", port), requests, load)
        title = f"HTTP POST by {count:,}, msgpack"
        row = rounds(report, title, pids, [ask] * options.rounds, unit="identifiers", units=count)
    report.goals.append(Goal("identifiers a core-second", row.work, GOAL, at_least=True))
    return report


def _post(port: int, body: bytes) -> tuple[int, bytes]:
    """Status and body of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": _TYPE, "Accept": _TYPE}
        connection.request("POST", _PATH, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _items(octets: bytes) -> list[Any]:
    """The objects of a stream; those of its one array, if it is one."""
    unpacker = msgpack.Unpacker(raw=False, max_buffer_size=len(octets) + 1)
    unpacker.feed(octets)
    items = list(unpacker)
    return items[0] if len(items) == 1 and isinstance(items[0], list) else items
