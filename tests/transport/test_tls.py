"""TLS and plain HTTP on one port, and who says over it who they are."""

import asyncio
import base64
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from resolver.model.codes import ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.node.node import Node
from resolver.server.clock import SystemClock
from resolver.server.keys import load_or_make_key
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.transport import http_sessions, tls
from resolver.transport.http import serve_http
from resolver.transport.http_sessions import HttpSessions
from resolver.upstream.exchange import Upstream
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList
from tests.support.certificates import server_files
from tests.support.memory_network import site, text_value
from tests.support.nodes import node_state

USER, OTHER, SECRET = "88.901.1/USER", "88.901.1/OTHER", b"known to the user"
OLD = "88.901.1/old"


@dataclass
class Door:
    """A node's HTTP port, and a client that trusts its certificate."""

    service: NodeService
    sessions: HttpSessions
    port: int
    client: aiohttp.ClientSession
    trusted: ssl.SSLContext

    async def ask(
        self, method: str, path: str, authorization: str | None = None, *, scheme: str = "https"
    ) -> aiohttp.ClientResponse:
        headers = {} if authorization is None else {"Authorization": authorization}
        url = f"{scheme}://127.0.0.1:{self.port}{path}"
        context: Any = self.trusted if scheme == "https" else True
        async with self.client.request(method, url, headers=headers, ssl=context) as response:
            await response.read()
        return response


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    admin = HandleValue(100, "HS_ADMIN", encode_admin(AdminRecord(AdminRight.ALL, USER, 300)))
    key = HandleValue(300, "HS_SECKEY", SECRET, permissions=0x0C)
    records = {
        USER: [key],
        OTHER: [key],
        OLD: [text_value(1, "URL", "https://example.com/"), admin],
    }
    state = node_state(
        "works",
        "enterprise",
        site("works", 1),
        homes=["88.901.1"],
        records=[(handle, ValueList.of(values)) for handle, values in records.items()],
    )
    upstream, sessions = Upstream(), HttpSessions()
    network_key = load_or_make_key(tmp_path / "key.pem")
    chain = ROLES["enterprise"].chain
    service = NodeService(Node(state, chain), upstream, SystemClock(), network_key)
    sock = socket.create_server(("127.0.0.1", 0))
    files = server_files(tmp_path)
    opened = await serve_http(service, sock, tls=files, sessions=sessions)
    trusted = ssl.create_default_context(cafile=str(files.certificate))
    async with aiohttp.ClientSession() as client:
        yield Door(service, sessions, sock.getsockname()[1], client, trusted)
    await opened.close()
    await service.close()
    await upstream.close()


def proof(challenge: dict[str, str], user: str = USER, secret: bytes = SECRET, **more: str) -> str:
    """The header that answers a challenge."""
    cnonce = b"c" * 16
    octets = base64.b64decode(challenge["nonce"]) + cnonce
    signature = hashlib.sha256(secret + octets + secret).digest()
    parameters = {
        "version": "0",
        "sessionId": challenge["sessionId"],
        "cnonce": base64.b64encode(cnonce).decode(),
        "id": f"300:{user}",
        "type": "HS_SECKEY",
        "alg": "SHA256",
        "signature": base64.b64encode(signature).decode(),
        **more,
    }
    return "Handle " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


async def challenge(door: Door) -> dict[str, str]:
    response = await door.ask("POST", "/api/sessions")
    assert response.status == 201
    return json.loads(await response.text())


async def test_one_port_for_both(door: Door):
    for scheme in ("http", "https", "http"):
        assert (await door.ask("GET", f"/api/handles/{OLD}", scheme=scheme)).status == 200


async def test_a_challenge_is_answered(door: Door):
    asked = await door.ask("DELETE", f"/api/handles/{OLD}")
    assert asked.status == 401
    basic, handle = asked.headers.getall("WWW-Authenticate")
    assert basic == 'Basic realm="handle"'
    parameters = dict(part.split("=", 1) for part in handle.removeprefix("Handle ").split(", "))
    told = {name: text.strip('"') for name, text in parameters.items()}
    done = await door.ask("DELETE", f"/api/handles/{OLD}", proof(told))
    assert done.status == 200


async def test_a_session_is_whose_it_is(door: Door):
    mine, theirs = await challenge(door), await challenge(door)
    assert (await door.ask("PUT", "/api/sessions/this", proof(mine))).status == 200
    assert (await door.ask("PUT", "/api/sessions/this", proof(theirs, OTHER))).status == 200
    headers = [f'Handle sessionId="{each["sessionId"]}"' for each in (theirs, mine)]
    assert (await door.ask("DELETE", f"/api/handles/{OLD}", headers[0])).status == 403
    assert (await door.ask("DELETE", f"/api/handles/{OLD}", headers[1])).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"signature": base64.b64encode(b"x" * 32).decode()},
        {"signature": "no base64!"},
        {"cnonce": base64.b64encode(b"d" * 16).decode()},
        {"id": "300:88.901.1/NOBODY"},
        {"id": f"301:{USER}"},
        {"id": "nonsense"},
        {"type": "HS_PUBKEY"},
        {"alg": "ROT13"},
        {"alg": "PBKDF2WithHmacSHA1"},
        {"sessionId": "made up"},
    ],
)
async def test_what_proves_nothing(door: Door, change: dict[str, str]):
    header = proof(await challenge(door), **change)
    for method, path in (("DELETE", f"/api/handles/{OLD}"), ("GET", f"/api/handles/{OLD}")):
        assert (await door.ask(method, path, header)).status == 401
    found = await door.ask("GET", f"/api/handles/{OLD}")
    assert found.status == 200


async def test_a_proof_is_of_its_own_session(door: Door):
    first, second = await challenge(door), await challenge(door)
    stolen = proof(first).replace(first["sessionId"], second["sessionId"])
    assert (await door.ask("DELETE", f"/api/handles/{OLD}", stolen)).status == 401


async def test_sessions_end(door: Door, monkeypatch: pytest.MonkeyPatch):
    session = await challenge(door)
    header = f'Handle sessionId="{session["sessionId"]}"'
    assert (await door.ask("PUT", "/api/sessions/this", proof(session))).status == 200
    monkeypatch.setattr(http_sessions, "IDLE_S", -1.0)
    assert (await door.ask("GET", "/api/sessions/this", header)).status == 403
    assert (await door.ask("DELETE", f"/api/handles/{OLD}", header)).status == 401
    late = await challenge(door)
    monkeypatch.setattr(http_sessions, "PENDING_S", -1.0)
    assert (await door.ask("PUT", "/api/sessions/this", proof(late))).status == 403


async def test_who_asks_for_many_challenges_ends_nobody_s_session(
    door: Door, monkeypatch: pytest.MonkeyPatch
):
    session = await challenge(door)
    assert (await door.ask("PUT", "/api/sessions/this", proof(session))).status == 200
    monkeypatch.setattr(http_sessions, "MAX_SESSIONS", 3)
    for _ in range(5):
        await challenge(door)
    header = f'Handle sessionId="{session["sessionId"]}"'
    assert (await door.ask("GET", "/api/sessions/this", header)).status == 200


async def test_nothing_of_it_over_plain_http(door: Door):
    session = await challenge(door)
    basic = "Basic " + base64.b64encode(b"300%3A" + USER.encode() + b":" + SECRET).decode()
    for header in (proof(session), basic, f'Handle sessionId="{session["sessionId"]}"'):
        refused = await door.ask("DELETE", f"/api/handles/{OLD}", header, scheme="http")
        assert refused.status == 403
    assert (await door.ask("POST", "/api/sessions", scheme="http")).status == 403
    assert (await door.ask("GET", "/api/sessions/this", scheme="http")).status == 403


async def test_bad_headers(door: Door):
    for header in ("Basic", "Basic !!!", "Basic " + base64.b64encode(b"x").decode(), "Bearer x"):
        assert (await door.ask("DELETE", f"/api/handles/{OLD}", header)).status == 401
    for method, path in (("PUT", "/api/sessions"), ("POST", "/api/sessions/this")):
        assert (await door.ask(method, path)).status == 501
    assert (await door.ask("OPTIONS", "/api/sessions")).status == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", ResponseCode.PROTOCOL_ERROR),
        ("?nonce=AA&cnonce=AA==&alg=SHA256&signature=AA==", ResponseCode.PROTOCOL_ERROR),
        ("?nonce=AA==&cnonce=AA==&alg=X&signature=AA==", ResponseCode.PROTOCOL_ERROR),
        ("?nonce=AA==&cnonce=AA==&alg=SHA256&signature=AA==&type=HS_PUBKEY", 4),
    ],
)
async def test_verifications_that_cannot_be_made(door: Door, query: str, code: int):
    response = await door.ask("GET", f"/api/verifications/300:{USER}{query}")
    assert response.status == 400
    assert json.loads(await response.text())["responseCode"] == code


async def test_a_user_that_is_not_there(door: Door):
    query = "?nonce=AA==&cnonce=AA==&alg=SHA256&signature=AA=="
    response = await door.ask("GET", f"/api/verifications/300:88.901.1/NOBODY{query}")
    assert response.status == 404


async def test_rubbish_instead_of_a_handshake(door: Door):
    for octets in (b"\x16", b"\x16\x03\x01\x00\x05hello", b"\x16" * 500):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(octets)
        writer.write_eof()
        await reader.read()
        writer.close()
    assert (await door.ask("GET", f"/api/handles/{OLD}")).status == 200


async def test_who_says_nothing_is_not_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.02)
    for octets in (b"", b"\x16\x03\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(octets)
        assert await reader.read() == b""
        writer.close()


async def test_long_answers_and_many_requests_on_one_connection(door: Door):
    long = ValueList.of([text_value(n, "NOTE", "x" * 1000) for n in range(1, 201)])
    door.service._state.store.put_many([("88.901.1/long", long)])
    for _ in range(3):
        response = await door.ask("GET", "/api/handles/88.901.1/long")
        assert len(json.loads(await response.text())["values"]) == 200


async def test_a_client_that_leaves_in_the_middle(door: Door):
    _, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=door.trusted)
    writer.write(b"GET /api/handles/88.901.1/old HTTP/1.1\r\nHost: x\r\n")
    writer.transport.abort()
    assert (await door.ask("GET", f"/api/handles/{OLD}")).status == 200
