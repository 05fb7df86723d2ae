"""A node with several processes is one node to its clients."""

import asyncio
import os
import re
import signal
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from resolver.cli.running import RunningNetwork
from resolver.client import Client
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.value import HandleValue
from resolver.wire.bodies import RecordRequest, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.values import ValueList
from tests.live.test_changes import ADMIN, INDEX, SECRET, create
from tests.support.command import health_of, network, node_of, until, wuhan
from tests.transport.echo import next_message

pytestmark = pytest.mark.slow

NETWORK = """
[network]
name = "crew"
workers = 2

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
WORKS, RECURSIVE = "88.901.1", "recursive"
TRIES = 24
"""Connections or sockets, that the kernel deals out to two processes: all to one of them once in
eight million times."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("workers")
    source = folder / "crew.toml"
    source.write_text(NETWORK, encoding="utf-8")
    with network(folder / "data", "--config", str(source)) as running:
        yield running


def message(op_code: int, body: Any, request_id: int = 1, flags: int = 0x19000000) -> bytes:
    envelope = Envelope((2, 10), (2, 11), request_id=request_id)
    return encode_message(Message(envelope, op_code, flags=flags, body=body))


def processes(node: dict[str, Any]) -> list[psutil.Process]:
    found = [psutil.Process(pid) for pid in node["pids"]]
    assert len(found) == 2
    return found


def connections_of(process: psutil.Process, port: int) -> int:
    return sum(
        connection.laddr.port == port and connection.status == psutil.CONN_ESTABLISHED
        for connection in process.net_connections("tcp")
    )


def metric(node: dict[str, Any], name: str, **labels: str) -> float:
    url = f"http://127.0.0.1:{node['http_port']}/metrics"
    with urllib.request.urlopen(url) as response:
        text = response.read().decode()
    total = 0.0
    for found in re.finditer(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE):
        told = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
        total += float(found[2]) if labels.items() <= told.items() else 0.0
    return total


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def test_both_answer(data: Path) -> None:
    node = node_of(data, RECURSIVE)
    opened = [await connected(node["port"]) for _ in range(TRIES)]
    for reader, writer in opened:
        writer.write(message(OpCode.RESOLVE, ResolveRequest("88.901.1/000001")))
        reply = decode_message(await next_message(reader))
        assert reply.response_code == ResponseCode.SUCCESS
    held = [connections_of(process, node["port"]) for process in processes(node)]
    assert sum(held) == TRIES
    assert all(held)
    for _, writer in opened:
        writer.close()


async def test_a_challenge_is_answered_on_whatever_connection(data: Path) -> None:
    """``create`` opens a connection for the request, and another one for the answer."""
    node = node_of(data, WORKS)
    codes = {await create(node, f"88.901.1/crew-{number}") for number in range(TRIES)}
    assert codes == {ResponseCode.SUCCESS}


async def test_a_login_holds_for_its_connection(data: Path) -> None:
    node = node_of(data, WORKS)
    for number in range(TRIES // 2):
        reader, writer = await connected(node["port"])
        login = ResolveRequest(ADMIN, (INDEX,), (SECRET.decode(),))
        record = ValueList.of([HandleValue(1, "URL", b"https://example.com/")])
        handle = f"88.901.1/login-{number}"
        replies = []
        for pipelined in (
            [(OpCode.RESOLVE, ResolveRequest("88.901.1/000001")), (OpCode.LOGIN_PASSWORD, login)],
            [(OpCode.CREATE_HANDLE, RecordRequest(handle, record))],
            [(OpCode.RESOLVE, ResolveRequest(handle))],
        ):
            first = len(replies) + 1
            writer.write(
                b"".join(message(op, body, n) for n, (op, body) in enumerate(pipelined, first))
            )
            replies += [decode_message(await next_message(reader)) for _ in pipelined]
        assert [reply.envelope.request_id for reply in replies] == [1, 2, 3, 4]
        assert {reply.response_code for reply in replies} == {ResponseCode.SUCCESS}
        writer.close()


async def test_what_was_registered_is_there_at_once_whoever_is_asked(data: Path) -> None:
    node = node_of(data, WORKS)
    opened = [await connected(node["port"]) for _ in range(TRIES)]
    for round_ in range(4):
        handle = f"88.901.1/now-{round_}"
        for expected in (ResponseCode.HANDLE_NOT_FOUND, ResponseCode.SUCCESS):
            for reader, writer in opened * 2:
                writer.write(message(OpCode.RESOLVE, ResolveRequest(handle)))
                assert decode_message(await next_message(reader)).response_code == expected
            if expected == ResponseCode.HANDLE_NOT_FOUND:
                assert await create(node, handle) == ResponseCode.SUCCESS
    for _, writer in opened:
        writer.close()


def test_administration_over_udp(data: Path) -> None:
    """The reply comes from the port that was asked."""
    node = node_of(data, WORKS)
    for number in range(TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", node["port"]))
            sock.settimeout(5)
            record = ValueList.of([HandleValue(1, "URL", b"x")])
            body = RecordRequest(f"88.901.1/udp-{number}", record)
            sock.send(
                encode_message(
                    Message(
                        Envelope(request_id=number + 1),
                        OpCode.CREATE_HANDLE,
                        flags=OpFlag.PUBL,
                        body=body,
                    )
                )
            )
            reply = decode_message(sock.recv(2000))
            assert reply.envelope.request_id == number + 1
            assert reply.response_code == ResponseCode.AUTHENTICATION_NEEDED


def test_https_goes_on_where_its_sessions_are(data: Path) -> None:
    node = node_of(data, WORKS)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for _ in range(TRIES // 2):
        url = f"https://127.0.0.1:{node['http_port']}/api/handles/88.901.1/000001"
        with urllib.request.urlopen(url, context=context) as response:
            assert response.status == 200
    # What the other process has counted is known after a second.
    until(
        lambda: metric(node, "wuhan_requests_total", transport="http", op="resolve") >= TRIES // 2
    )


async def test_failures_of_both_are_told(data: Path) -> None:
    assert wuhan("fault", "add", WORKS, "error=3", data=data).returncode == 0
    port = node_of(data, RECURSIVE)["port"]
    asked = [f"88.901.1/trouble-{number}" for number in range(TRIES)]
    for handle in asked:
        reader, writer = await connected(port)
        writer.write(message(OpCode.RESOLVE, ResolveRequest(handle)))
        reply = decode_message(await next_message(reader))
        assert reply.response_code == ResponseCode.SERVER_BUSY
        writer.close()
    assert wuhan("fault", "clear", WORKS, data=data).returncode == 0
    running = RunningNetwork(str(data))
    (node,) = running.of_role(RECURSIVE)
    told = await asyncio.to_thread(running.call, node, "figures.recent", 0)
    assert [row["handle"] for row in told] == asked[::-1]
    assert all(WORKS in [hop["node"] for hop in row["path"]] for row in told)
    assert await asyncio.to_thread(running.call, node, "figures.recent", told[0]["at"]) == []


async def test_counts_are_of_both_and_outlive_a_process(data: Path) -> None:
    node = node_of(data, RECURSIVE)
    before = metric(node, "wuhan_requests_total", transport="tcp", op="get_site")
    for _ in range(TRIES):
        async with Client(f"127.0.0.1:{node['port']}", transport="tcp") as client:
            await client.get_site()
    asked = partial_sum(node, before)
    until(lambda: asked() >= TRIES)
    second = node["pids"][1]
    os.kill(second, signal.SIGKILL)
    until(lambda: node_of(data, RECURSIVE)["pids"][1] not in (0, second))
    until(lambda: health_of(data, RECURSIVE) == "ok")
    assert asked() >= TRIES
    assert node_of(data, RECURSIVE)["restarts"] == 1
    for _ in range(TRIES):
        async with Client(f"127.0.0.1:{node['port']}", transport="tcp") as client:
            assert (await client.resolve("88.901.1/000002")).first("URL") is not None


def partial_sum(node: dict[str, Any], before: float):
    return lambda: metric(node, "wuhan_requests_total", transport="tcp", op="get_site") - before
