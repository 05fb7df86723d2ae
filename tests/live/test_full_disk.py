"""A node whose disk is full: it refuses changes and says why, answers questions, and goes on as
soon as there is room.

The disk is full for one process only: its files may not grow past a limit (RLIMIT_FSIZE), the log
neither.
"""

import asyncio
import base64
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from resolver.client import Client, ResolutionError
from resolver.client.keys import Secret
from resolver.client.registrar import Registrar
from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.wire.bodies import ErrorAnswer, RecordRequest
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList
from tests.support.command import network, node_of, wuhan

pytestmark = pytest.mark.slow

ADMIN, INDEX = "88.901.1/ADMIN", 301
SECRET = "SAMPLE-NOT-SECRET-88.901.1"
WHY = "the file may not grow further; nothing was changed"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("full"), "--config", "minimal") as folder:
        yield folder


@contextmanager
def full(pid: int) -> Iterator[None]:
    """Within it, no file that the process writes may grow, and none may be written further on."""
    process = psutil.Process(pid)
    soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))


def values(text: str) -> ValueList:
    admin = encode_admin(AdminRecord(AdminRight.ALL, ADMIN, INDEX))
    return ValueList.of([HandleValue(1, "URL", text.encode()), HandleValue(100, "HS_ADMIN", admin)])


async def register(node: dict[str, Any], handle: str) -> tuple[int, str]:
    """Create a record over the Handle protocol; the response code, and what was said."""
    secret = Secret(SECRET.encode())
    server = f"127.0.0.1:{node['port']}"
    async with Registrar(server, Reference(ADMIN, INDEX), secret) as registrar:
        body = RecordRequest(handle, values(handle))
        reply = await registrar.ask(OpCode.CREATE_HANDLE, body)
    said = reply.body.message if isinstance(reply.body, ErrorAnswer) else None
    return reply.response_code, said or ""


def put(node: dict[str, Any], handle: str) -> tuple[int, dict[str, Any]]:
    """Create a record over HTTPS; the status, and what was said."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    user = base64.b64encode(f"{INDEX}%3A{ADMIN}:{SECRET}".encode()).decode()
    request = urllib.request.Request(
        f"https://127.0.0.1:{node['http_port']}/api/handles/{handle}",
        method="PUT",
        data=json.dumps({"values": [{"index": 1, "type": "URL", "data": handle}]}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Basic {user}"},
    )
    try:
        with urllib.request.urlopen(request, context=context) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def failures(node: dict[str, Any]) -> float:
    """What the node counts of transactions that could not be written."""
    url = f"http://127.0.0.1:{node['http_port']}/metrics"
    with urllib.request.urlopen(url) as response:
        text = response.read().decode()
    name = re.escape(f'wuhan_store_write_failures_total{{node="{node["name"]}",role="enterprise"}}')
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


async def resolved(node: dict[str, Any], handle: str) -> str:
    async with Client(f"127.0.0.1:{node['port']}") as client:
        return (await client.resolve(handle)).values[0].text


async def test_a_full_disk_stops_changes_only_and_only_while_it_is_full(data: Path):
    node = node_of(data, "88.901.1")
    assert await register(node, "88.901.1/before") == (ResponseCode.SUCCESS, "")
    assert failures(node) == 0
    with full(node["pid"]):
        for number in range(1, 4):
            code, said = await register(node, f"88.901.1/full-{number}")
            assert (code, WHY in said) == (ResponseCode.ERROR, True), said
            assert str(data) not in said
            status, document = await asyncio.to_thread(put, node, f"88.901.1/full-{number}")
            assert (status, document["responseCode"]) == (500, ResponseCode.ERROR)
            assert document["message"] == said
            assert failures(node) == 2 * number
        # A change and a deletion are changes too.
        async with Registrar(
            f"127.0.0.1:{node['port']}", Reference(ADMIN, INDEX), Secret(SECRET.encode())
        ) as registrar:
            for changing in (
                registrar.put("88.901.1/before", values("changed")),
                registrar.delete("88.901.1/before"),
            ):
                with pytest.raises(ResolutionError, match=WHY):
                    await changing
        assert await resolved(node, "88.901.1/before") == "88.901.1/before"
        assert await resolved(node_of(data, "recursive"), "88.901.1/000001")
    after = node_of(data, "88.901.1")
    assert (after["pid"], after["restarts"]) == (node["pid"], 0)
    assert await register(node, "88.901.1/after") == (ResponseCode.SUCCESS, "")
    status, document = await asyncio.to_thread(put, node, "88.901.1/full-1")
    assert (status, document["responseCode"]) == (201, ResponseCode.SUCCESS)
    assert failures(node) == 8
    assert await resolved(node, "88.901.1/after") == "88.901.1/after"
    # What was refused is in neither the store nor the journal.
    audit = wuhan("audit", "88.901.1", "--json", data=data)
    assert audit.returncode == 0, audit.stderr
    changed = {entry["handle"] for entry in json.loads(audit.stdout)}
    assert {"88.901.1/before", "88.901.1/after", "88.901.1/full-1"} <= changed
    assert "88.901.1/full-2" not in changed
    log = "".join(path.read_text() for path in (data / "logs").glob("*.log"))
    assert "changes are written again, after 8 that could not be" in log
