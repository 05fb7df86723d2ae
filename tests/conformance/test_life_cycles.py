"""Recorded life cycles, replayed with fresh nonces: records come, change and go as they did there.

The requests are the recorded ones; only what answers a challenge is made anew, with the recorded
user's key. All run one after the other against the same nodes, as they were recorded.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.value import Reference
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    ChallengeAnswerRequest,
    EmptyBody,
    ErrorAnswer,
    HandleAnswer,
    RecordAnswer,
)
from resolver.wire.envelope import ENVELOPE_OCTETS, decode_envelope
from resolver.wire.message import Message, decode_message, decode_request, encode_message
from resolver.wire.proof import challenge_octets, decode_proof, encode_proof
from tests.conformance.prover import prove
from tests.conformance.recorded_network import RecordedNetwork, over_tcp, over_udp
from tests.conformance.test_replay import _cut
from tests.support.recorded import Exchange, exchanges

NOT_OFFERED = (
    "auto_session", "session_", "verify_", "home_na", "unhome_na", "resolve_after_home", "backup",
    "list_",
)  # fmt: skip
"""Scenarios with operations that are not offered, and the list, whose length is another."""


def life_cycles() -> Iterator[Exchange]:
    """The exchanges of scenarios that change records, in order."""
    for exchange in exchanges():
        if exchange.file != "handle_net_java_client" or exchange.port not in (2641, 8000):
            continue
        if exchange.name.startswith(NOT_OFFERED) or not exchange.requests or not exchange.replies:
            continue
        yield exchange


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[RecordedNetwork]:
    network = RecordedNetwork()
    async with network.running:
        await network.start(tmp_path)
        yield network


def content(body: Body) -> object:
    """What of a body two runs have in common."""
    match body:
        case ErrorAnswer() | EmptyBody():
            return None
        case ChallengeAnswer():
            return "a challenge"
        case RecordAnswer():
            return (body.handle, [replace(value, timestamp=0) for value in body.values])
        case HandleAnswer(handle) if handle is not None and len(handle) > 40:
            return handle[:-36]  # a minted name ends in random
    return body


def meaning(message: Message) -> tuple[object, ...]:
    return message.op_code, message.response_code, message.flags, content(message.body)


def answered(recorded: Message, challenge: Message, *, right: bool) -> Message:
    """The recorded challenge answer, with a proof for our own challenge: a right one, or one for
    another."""
    body, asked = recorded.body, challenge.body
    assert isinstance(body, ChallengeAnswerRequest)
    assert isinstance(asked, ChallengeAnswer)
    assert challenge.digest is not None
    like = decode_proof(body.auth_type, body.signed_response, challenge.envelope.version)
    octets = challenge_octets(asked.nonce, challenge.digest)
    proof = prove(like, body.user, body.user_index, octets if right else octets[::-1])
    envelope = replace(recorded.envelope, session_id=challenge.envelope.session_id)
    return replace(
        recorded, envelope=envelope, body=replace(body, signed_response=encode_proof(proof))
    )


async def ask(nodes: RecordedNetwork, exchange: Exchange, octets: bytes) -> Message:
    port = nodes.port(exchange.port, "tcp")
    if exchange.transport == "udp":
        port = nodes.port(exchange.port, "udp")
        return decode_message((await over_udp(port, exchange.request_parts, 1))[0])
    (reply,) = _cut(await over_tcp(port, octets))
    return decode_message(reply)


async def test_recorded_life_cycles(nodes: RecordedNetwork):
    challenges: dict[str, Message] = {}
    compared, differing = 0, []
    for exchange in life_cycles():
        scenario = exchange.name.partition("#")[0]
        request, octets = decode_request(exchange.requests[0]), exchange.requests[0]
        if request.op_code == OpCode.CHALLENGE_ANSWER and scenario in challenges:
            code = decode_message(exchange.replies[0]).response_code
            right = code != ResponseCode.AUTHENTICATION_FAILED
            octets = encode_message(answered(request, challenges[scenario], right=right))
            exchange = replace(exchange, transport="tcp")
        reply = await ask(nodes, exchange, octets)
        if reply.response_code == ResponseCode.AUTHENTICATION_NEEDED:
            challenges[scenario] = reply
        here, there = meaning(reply), meaning(decode_message(exchange.replies[0]))
        compared += 1
        if here != there:
            differing.append((exchange.name, here, there))
    assert differing == []
    assert compared == 180


LOGINS = (OpCode.LOGIN_KEY, OpCode.LOGIN_PASSWORD, OpCode.CHALLENGE_ANSWER)


async def test_recorded_logins_of_the_id_sdk(nodes: RecordedNetwork):
    """CAICT's ID-SDK: a login, then requests on the same connection that are not challenged.

    Its recorded server let everybody change everything, so here its user may. The flags of login
    replies and of code 408 are not compared: they are not the real server's.
    """
    nodes.state(2641).administrators += (Reference("88.118.8/USER01", 0),)
    port = nodes.port(2641, "tcp")
    challenge: Message | None = None
    compared, differing, connections = 0, [], []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for exchange in exchanges():
        if exchange.file != "idsdk_keepalive":
            continue
        if exchange.name.startswith("idsdk_login") and exchange.name.endswith("#1"):
            connections.append(writer)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        there = decode_message(exchange.replies[0])
        request, octets = decode_request(exchange.requests[0]), exchange.requests[0]
        if request.op_code == OpCode.CHALLENGE_ANSWER:
            assert challenge is not None
            right = there.response_code == ResponseCode.SUCCESS
            octets = encode_message(answered(request, challenge, right=right))
        writer.write(octets)
        envelope = await reader.readexactly(ENVELOPE_OCTETS)
        body = await reader.readexactly(decode_envelope(envelope).length)
        here = decode_message(envelope + body)
        challenge = here
        compared += 1
        both = [meaning(here), meaning(there)]
        if request.op_code in LOGINS or there.response_code == ResponseCode.LOGIN_FIRST:
            both = [one[:2] + one[3:] for one in both]
        if both[0] != both[1]:
            differing.append((exchange.name, *both))
    for open_ in (*connections, writer):
        open_.close()
    assert differing == []
    assert compared == 45
