"""Records that are changed at a live node, over the protocol, and what a crash leaves of them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resolver.client import Client
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.value import HandleValue
from resolver.wire.bodies import Body, ChallengeAnswer, ChallengeAnswerRequest, RecordRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.proof import MacProof, challenge_octets, encode_proof
from resolver.wire.values import ValueList
from tests.conformance.prover import mac_of
from tests.conformance.recorded_network import over_tcp
from tests.support.command import network, node_of, status_of, until

pytestmark = pytest.mark.slow

ADMIN, INDEX = "88.901.1/ADMIN", 301
SECRET = b"SAMPLE-NOT-SECRET-88.901.1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("changes"), "--config", "minimal") as folder:
        yield folder


async def send(port: int, op_code: int, body: Body, session_id: int = 0) -> Message:
    message = Message(
        envelope=Envelope(request_id=7, session_id=session_id),
        op_code=op_code,
        flags=OpFlag.PUBL | OpFlag.CACR | OpFlag.RECU,
        body=body,
    )
    return decode_message(await over_tcp(port, encode_message(message)))


async def create(node: dict[str, Any], handle: str, secret: bytes = SECRET) -> int:
    """Register ``handle`` as the sample administrator; the response code."""
    record = RecordRequest(handle, ValueList.of([HandleValue(1, "URL", b"https://example.com/")]))
    asked = await send(node["port"], OpCode.CREATE_HANDLE, record)
    if asked.response_code != ResponseCode.AUTHENTICATION_NEEDED:
        return asked.response_code
    assert isinstance(asked.body, ChallengeAnswer)
    assert asked.digest is not None
    mac = mac_of(3, secret, challenge_octets(asked.body.nonce, asked.digest))
    answer = ChallengeAnswerRequest("HS_SECKEY", ADMIN, INDEX, encode_proof(MacProof(3, mac)))
    done = await send(
        node["port"], OpCode.CHALLENGE_ANSWER, answer, session_id=asked.envelope.session_id
    )
    return done.response_code


async def test_what_is_registered_is_resolved(data: Path):
    node = node_of(data, "88.901.1")
    assert await create(node, "88.901.1/live-1") == ResponseCode.SUCCESS
    assert await create(node, "88.901.1/LIVE-1") == ResponseCode.HANDLE_EXISTS
    assert await create(node, "88.901.1/live-2", b"guess") == ResponseCode.AUTHENTICATION_FAILED
    async with Client(f"127.0.0.1:{node_of(data, 'recursive')['port']}") as client:
        record = await client.resolve("88.901.1/live-1")
    assert record.values[0].text == "https://example.com/"


async def test_what_was_acknowledged_survives_a_crash(data: Path):
    """Four clients register without a pause; the node is killed; every acknowledged record is
    there afterwards."""
    acknowledged: list[str] = []

    async def register(client: int) -> None:
        for number in range(10_000):
            handle = f"88.901.1/crash-{client}-{number}"
            if await create(node, handle) == ResponseCode.SUCCESS:
                acknowledged.append(handle)
            if len(acknowledged) >= before + 20:
                enough.set()

    for _ in range(3):
        node = node_of(data, "88.901.1")
        before, enough = len(acknowledged), asyncio.Event()
        clients = [asyncio.create_task(register(before + n)) for n in range(4)]
        await enough.wait()
        os.kill(node["pid"], signal.SIGKILL)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await asyncio.to_thread(
            until, lambda: {n["health"] for n in status_of(data)["nodes"]} == {"ok"}
        )
        async with Client(f"127.0.0.1:{node['port']}") as reader:
            found = [outcome async for outcome in reader.resolve_many(acknowledged)]
        assert [one.handle for one in found if one.error is not None] == []
    assert len(acknowledged) >= 60
