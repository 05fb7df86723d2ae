"""Recorded requests, sent to our nodes with the recorded records, get the recorded answers.

Equal means: the same operation, response code and flags, the same values in the same order, the
same site, referral or digest. Error texts, nonces and signatures are not compared. What differs on
purpose stands in docs/conformance.md, which these tests hold to be complete and true.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from resolver.model.errors import WireError
from resolver.wire.bodies import Body, ChallengeAnswer, EmptyBody, ErrorAnswer
from resolver.wire.envelope import ENVELOPE_OCTETS, decode_envelope
from resolver.wire.message import decode_message
from tests.conformance.listed import (
    CACHED,
    DOCUMENT,
    NOT_COMPARED,
    differs_on_purpose,
    listed,
    matches,
)
from tests.conformance.recorded_network import RecordedNetwork, over_tcp, over_udp
from tests.support.recorded import Exchange, exchanges, http_exchanges

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMPARED = [
    pytest.param(exchange, id=exchange.id)
    for exchange in exchanges()
    if exchange.request_parts and exchange.name not in NOT_COMPARED
]
HTTP_COMPARED = [
    pytest.param(exchange, id=exchange["name"])
    for exchange in http_exchanges()
    if exchange["response_hex"]
]


def meaning(octets: bytes) -> tuple[object, ...]:
    """What a reply says, without what no two replies share."""
    try:
        message = decode_message(octets)
    except WireError as error:
        return ("sealed", error.code)
    return (
        message.op_code,
        message.response_code,
        message.flags,
        _content(message.body),
        message.digest,
    )


def _content(body: Body) -> object:
    match body:
        case ErrorAnswer() | EmptyBody():
            return None
        case ChallengeAnswer():
            return "a challenge"
    return body


def _cut(octets: bytes) -> Iterator[bytes]:
    while octets:
        end = ENVELOPE_OCTETS + decode_envelope(octets).length
        yield octets[:end]
        octets = octets[end:]


async def _answers(nodes: RecordedNetwork, exchange: Exchange) -> list[bytes]:
    port = nodes.port(exchange.port, exchange.transport)
    if exchange.transport == "udp":
        return await over_udp(port, exchange.request_parts, max(1, len(exchange.replies)))
    octets = b"".join(exchange.request_parts)
    if exchange.transport == "tcp":
        return list(_cut(await over_tcp(port, octets)))
    octets = octets.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    return list(_cut((await over_tcp(port, octets, end=False)).partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("exchange", COMPARED)
async def test_a_recorded_request_gets_the_recorded_answer(
    nodes: RecordedNetwork, exchange: Exchange
):
    if exchange.name in CACHED:
        await _answers(nodes, exchange)
    here = [meaning(reply) for reply in await _answers(nodes, exchange)]
    there = [meaning(reply) for reply in exchange.replies]
    if differs_on_purpose(exchange.id):
        assert here
        assert here != there, f"{exchange.id} no longer differs: mend docs/conformance.md"
    else:
        assert here == there


@pytest.mark.parametrize("exchange", HTTP_COMPARED)
async def test_a_recorded_http_request_gets_the_recorded_answer(
    nodes: RecordedNetwork, exchange: dict[str, Any]
):
    port = nodes.port(exchange["port"], exchange["transport"])
    request = bytes.fromhex(exchange["request_hex"])
    here = http_meaning(await over_tcp(port, request, end=False))
    there = http_meaning(bytes.fromhex(exchange["response_hex"]))
    if differs_on_purpose(exchange["name"]):
        assert here != there, f"{exchange['name']} no longer differs: mend docs/conformance.md"
    else:
        assert here == there


ID_SDK_LOOKUPS = [
    pytest.param(exchange, id=exchange.name)
    for exchange in exchanges()
    if exchange.file == "idsdk_keepalive"
    and exchange.name.startswith("idsdk_lookup_")
    # Over UDP the client takes no answer that needs more than a datagram.
    and not exchange.name.startswith(("idsdk_lookup_large", "idsdk_lookup_certify"))
    and "after" not in exchange.name
]


@pytest.mark.parametrize("exchange", ID_SDK_LOOKUPS)
async def test_the_id_sdk_is_answered_over_udp_too(nodes: RecordedNetwork, exchange: Exchange):
    """Recorded over TCP: over UDP the client sends the same octets."""
    port = nodes.port(exchange.port, "udp")
    (octets,) = exchange.requests
    (reply,) = await over_udp(port, [octets], 1)
    assert meaning(reply) == meaning(exchange.replies[0])
    assert len(reply) <= 512


def http_meaning(octets: bytes) -> tuple[object, ...]:
    """Status, where it redirects to, and the JSON without the text for people."""
    head, _, body = octets.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(body))
    code = int(status.split()[1])
    if not headers.get("content-type", "").startswith("application/json") or not body:
        return code, headers.get("location"), headers.get("allow")
    content = json.loads(body)
    content.pop("message", None)
    return code, content


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        yield body[:length]
        body = body[length + 2 :]


async def test_what_the_document_lists_was_recorded():
    known = [exchange.id for exchange in exchanges()]
    known += [f"http_rest:{exchange['name']}" for exchange in http_exchanges()]
    assert [p for p in listed() if not any(matches(exchange, p) for exchange in known)] == []
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in NOT_COMPARED if f"`{name}`" not in text] == []
