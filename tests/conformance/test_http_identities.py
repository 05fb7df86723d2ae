"""The recorded requests over HTTPS of somebody who says who they are by a key, a session or a
certificate: replayed in their order, over TLS, with our own sessions and proofs in their place."""

import asyncio
import base64
import hashlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resolver.transport.http import serve_http
from resolver.transport.tls import TlsFiles
from tests.conformance.prover import KEYS, PRIVATE, SECRETS
from tests.conformance.recorded_network import ANSWER_S, RecordedNetwork
from tests.conformance.test_replay import http_meaning
from tests.support.certificates import client_files, server_files
from tests.support.recorded import http_exchanges

SCENARIOS = (
    "rest_sessions", "rest_session", "rest_challenge", "rest_list", "rest_prefixes", "rest_cert",
)  # fmt: skip
ADMIN = ("88.118.8/ADMIN", 300)
DIFFERENT = (
    "rest_prefixes_get_one",  # the status is the recorded one; we say in the body what is wrong
    "rest_cert_cleanup",  # deletes what an earlier run of the recorder had left
)
OURS = ("sessionId", "nonce", "serverSignature", "totalCount", "handles", "message")
"""What no two runs have in common."""


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[RecordedNetwork]:
    network = RecordedNetwork()
    async with network.running:
        await network.start(tmp_path)
        yield network


class Client:
    """Sends recorded requests, and knows which of our sessions stands for which recorded one."""

    def __init__(self, ports: dict[str, int], trusted: str, own: TlsFiles) -> None:
        self._ports = ports
        self._trusted = trusted
        self._own = own
        self._sessions: dict[str, tuple[str, bytes]] = {}

    async def send(self, exchange: dict[str, Any]) -> bytes:
        request = bytes.fromhex(exchange["request_hex"])
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [self._mended(line, exchange["name"]) for line in head.decode().split("\r\n")]
        octets = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        context = None
        if exchange["transport"] == "https":
            context = ssl.create_default_context(cafile=self._trusted)
            if "certificate" in exchange["notes"] and "no certificate" not in exchange["notes"]:
                context.load_cert_chain(self._own.certificate, self._own.key)
        port = self._ports[exchange["transport"]]
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(octets)
            reply = await reader.read()
            writer.close()
        self._learn(bytes.fromhex(exchange["response_hex"]), reply)
        return reply

    def _mended(self, line: str, name: str) -> str:
        """``line`` with our session, and our proof over its nonce."""
        found = re.search(r'sessionId="([^"]*)"', line)
        if found is None or found[1] not in self._sessions:
            return line
        number, nonce = self._sessions[found[1]]
        line = line.replace(found[1], number)
        parameters = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if "signature" not in parameters:
            return line
        octets = nonce + base64.b64decode(parameters["cnonce"])
        index, _, handle = parameters["id"].partition(":")
        key = (handle, int(index))
        if parameters["type"] == "HS_PUBKEY":
            path = KEYS / "user_rsa_priv.pem" if "wrong_key" in name else PRIVATE[key]
            private = load_pem_private_key(path.read_bytes(), None)
            proof = private.sign(octets, padding.PKCS1v15(), hashes.SHA256())  # type: ignore
        else:
            proof = hashlib.sha256(SECRETS[key] + octets + SECRETS[key]).digest()
        return line.replace(parameters["signature"], base64.b64encode(proof).decode())

    def _learn(self, there: bytes, here: bytes) -> None:
        pattern = rb'sessionId"?[=:]"([^"]*)",? *"?nonce"?[=:]"([^"]*)"'
        recorded, ours = re.search(pattern, there), re.search(pattern, here)
        if recorded and ours:
            self._sessions[recorded[1].decode()] = (ours[1].decode(), base64.b64decode(ours[2]))


def comparable(response: bytes) -> tuple[object, ...]:
    status, *rest = http_meaning(response)
    shown = rest[0] if rest else None
    if isinstance(shown, dict):
        shown = {key: value for key, value in shown.items() if key not in OURS}
    return status, shown


async def test_recorded_identities(nodes: RecordedNetwork, tmp_path: Path):
    sock = socket.create_server(("127.0.0.1", 0))
    files = server_files(tmp_path / "tls")
    door = await serve_http(nodes.service(2641), sock, tls=files)
    nodes.running.push_async_callback(door.close)
    ports = dict.fromkeys(("http", "https"), sock.getsockname()[1])
    private = load_pem_private_key(PRIVATE[ADMIN].read_bytes(), None)
    own = client_files(tmp_path / "tls", private, f"{ADMIN[1]}:{ADMIN[0]}")  # type: ignore[arg-type]
    client = Client(ports, str(files.certificate), own)
    compared, differing = [], []
    for exchange in http_exchanges():
        if not exchange["name"].startswith(SCENARIOS) or not exchange["response_hex"]:
            continue
        here = comparable(await client.send(exchange))
        there = comparable(bytes.fromhex(exchange["response_hex"]))
        compared.append(exchange["name"])
        if here != there:
            differing.append((exchange["name"], here, there))
    assert [name for name, _, _ in differing] == list(DIFFERENT), differing
    assert len(compared) > 35
