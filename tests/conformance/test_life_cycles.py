"""Recorded life cycles, replayed with fresh nonces: records come, change and go as they did there.

The requests are the recorded ones; only what answers a challenge is made anew, with the recorded
user's key. All run one after the other against the same nodes, as they were recorded.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from resolver.model.codes import OpCode, OpFlag, ResponseCode
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
from tests.conformance.session_client import SessionClient
from tests.conformance.test_replay import _cut, http_meaning
from tests.support.recorded import Exchange, exchanges, http_exchanges

LEFT_OUT = (
    "auto_session", "session_", "list_handles",
)  # fmt: skip
"""Sessions have a test of their own; the list of handles has another length here."""


def life_cycles() -> Iterator[Exchange]:
    """The exchanges of scenarios that change records, in order."""
    for exchange in exchanges():
        if exchange.file != "handle_net_java_client" or exchange.port not in (2641, 8000):
            continue
        if exchange.name.startswith(LEFT_OUT) or not exchange.requests or not exchange.replies:
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
    assert compared == 194


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


SESSIONS = {"auto_session": 4, "session_dh_tcp": 6}
"""Scenarios in a session, and how many exchanges they have."""


@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "encrypted"])
@pytest.mark.parametrize("scenario", SESSIONS)
async def test_recorded_sessions(nodes: RecordedNetwork, scenario: str, sealed: bool):
    """CNRI's tools: a Diffie-Hellman session, one challenge in it, then none.

    The same once more with everything encrypted: the recorded encrypted scenario cannot be
    replayed, as its key is not known, but it is this one.
    """
    client, challenge, compared = SessionClient(), None, 0
    port = nodes.port(2641, "tcp")
    for exchange in exchanges():
        if exchange.file != "handle_net_java_client" or not exchange.name.startswith(scenario):
            continue
        request, there = decode_request(exchange.requests[0]), decode_message(exchange.replies[0])
        if request.op_code == OpCode.SESSION_SETUP:
            (octets,) = _cut(await over_tcp(port, client.set_up(request)))
            here = decode_message(octets)
            client.begin(here)
            assert (here.op_code, here.response_code, here.flags) == (400, 1, there.flags)
            assert here.credential is not None
            assert here.credential.type == "HS_SIGNED"
            assert here.digest is not None
        else:
            if sealed:
                request = replace(request, flags=request.flags | OpFlag.ENCR)
            if request.op_code == OpCode.CHALLENGE_ANSWER:
                assert challenge is not None
                octets = client.unsigned(answered(request, challenge, right=True), sealed=sealed)
            else:
                octets = client.signed(request, sealed=sealed)
            (octets,) = _cut(await over_tcp(port, octets))
            ended = request.op_code == OpCode.SESSION_TERMINATE
            assert decode_envelope(octets).encrypted == (sealed and not ended)
            here = client.heard(octets)
            expected = replace(there, flags=there.flags | (OpFlag.ENCR if sealed else 0))
            assert meaning(here) == meaning(expected), exchange.name
            assert here.envelope.session_id == client.number
            assert (here.credential is None) == (there.credential is None)
            if here.credential is not None and there.credential is not None:
                assert here.credential.type == there.credential.type
            challenge = here
        compared += 1
    assert compared == SESSIONS[scenario]


async def test_what_is_wrong_in_a_session(nodes: RecordedNetwork):
    """Nothing without a MAC, nothing twice, nothing of another session; and it changes nothing."""
    port = nodes.port(2641, "tcp")
    (setup,) = (e for e in exchanges() if e.name == "session_dh_tcp#1")
    (asked,) = (e for e in exchanges() if e.name == "resolve_all_tcp")
    request = decode_request(asked.requests[0])

    async def code(octets: bytes) -> int:
        (reply,) = _cut(await over_tcp(port, octets))
        return client.heard(reply).response_code

    async def opened() -> SessionClient:
        client = SessionClient()
        octets = client.set_up(decode_request(setup.requests[0]))
        (reply,) = _cut(await over_tcp(port, octets))
        client.begin(decode_message(reply))
        return client

    client, other = await opened(), await opened()
    assert await code(client.signed(request)) == ResponseCode.SUCCESS
    once = client.signed(request)
    assert await code(once) == ResponseCode.SUCCESS
    assert await code(once) == ResponseCode.MESSAGE_REJECTED
    assert await code(client.signed(request, counter=1)) == ResponseCode.MESSAGE_REJECTED
    assert await code(client.unsigned(request)) == ResponseCode.MESSAGE_REJECTED
    forged = bytearray(client.signed(request, counter=50))
    forged[-1] ^= 1
    assert await code(bytes(forged)) == ResponseCode.MESSAGE_REJECTED
    foreign = bytearray(other.signed(request))
    foreign[4:8] = client.number.to_bytes(4, "big")
    assert await code(bytes(foreign)) == ResponseCode.MESSAGE_REJECTED
    sealed = bytearray(other.signed(request, sealed=True))
    sealed[4:8] = client.number.to_bytes(4, "big")
    assert await code(bytes(sealed)) in (
        ResponseCode.INVALID_SESSION_KEY,
        ResponseCode.ERROR,
        ResponseCode.PROTOCOL_ERROR,
    )
    assert await code(client.signed(request, counter=60)) == ResponseCode.SUCCESS


OTHER_IDENTITIES = (
    "rest_sessions", "rest_challenge", "rest_session_", "rest_verif", "rest_cert", "rest_prefixes",
    "rest_list",
)  # fmt: skip
"""Scenarios over HTTP with other ways to say who asks than a password."""

DIFFERENT = ("rest_get_kinds", "rest_put_empty")
"""The first reads what another recording had changed; why the second, docs/conformance.md says."""


async def test_recorded_life_cycles_over_http(nodes: RecordedNetwork):
    """The requests with a name and a password, in their order."""
    compared, differing = 0, []
    for exchange in http_exchanges():
        name = exchange["name"]
        if name.startswith(OTHER_IDENTITIES) or not exchange["response_hex"]:
            continue
        port = nodes.port(exchange["port"], exchange["transport"])
        request = bytes.fromhex(exchange["request_hex"])
        here = http_meaning(await over_tcp(port, request, end=False))
        there = http_meaning(bytes.fromhex(exchange["response_hex"]))
        compared += 1
        if comparable(here) != comparable(there):
            differing.append((name, here, there))
    assert [name for name, _, _ in differing] == list(DIFFERENT)
    assert compared > 70


def comparable(meaning: tuple[object, ...]) -> tuple[object, ...]:
    """Without the times at which values were written, their order, and the random in names."""
    status, *content = meaning
    shown = content[0]
    if isinstance(shown, dict) and "values" in shown:
        values = [{**value, "timestamp": ""} for value in shown["values"]]
        shown = {**shown, "values": sorted(values, key=lambda value: value["index"])}
    elif isinstance(shown, dict) and len(shown.get("handle", "")) > 40:
        shown = {**shown, "handle": shown["handle"][:-36]}
    return status, shown
