"""Replies that only count if their server has signed them, from a real node."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.errors import UpstreamError
from resolver.model.site import Interface, Protocol, Purpose, Server, Site
from resolver.model.value import HandleValue
from resolver.node.node import Node
from resolver.resolution import Ask
from resolver.server.clock import SystemClock
from resolver.server.keys import load_or_make_key
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.transport.tcp import serve_tcp
from resolver.upstream.exchange import Upstream
from resolver.wire.bodies import RecordAnswer, ResolveRequest, VerifiedAnswer, VerifyRequest
from resolver.wire.proof import MacProof, encode_proof
from resolver.wire.values import ValueList
from tests.conformance.prover import mac_of
from tests.support.memory_network import text_value
from tests.support.nodes import node_state

USER, SECRET = "88.901.1/USER", b"known to the user"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Of a running node that signs with its key."""
    key = load_or_make_key(tmp_path / "key.pem")
    sock = socket.create_server(("127.0.0.1", 0))
    interface = Interface(Purpose.BOTH, Protocol.TCP, sock.getsockname()[1])
    site = Site((Server(1, ip_address("127.0.0.1"), key.public_record, (interface,)),))
    secret = HandleValue(300, "HS_SECKEY", SECRET, permissions=0x0C)
    values = ValueList.of([text_value(1, "URL", "https://example.com/"), secret])
    state = node_state("works", "enterprise", site, homes=["88.901.1"], records=[(USER, values)])
    upstream = Upstream()
    chain = ROLES["enterprise"].chain
    service = NodeService(Node(state, chain), upstream, SystemClock(), key)
    door = await serve_tcp(service, sock)
    yield site
    await door.close()
    await service.close()
    await upstream.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream(prefer=("tcp",))
    yield upstream
    await upstream.close()


def question(secret: bytes = SECRET) -> VerifyRequest:
    proof = encode_proof(MacProof(3, mac_of(3, secret, b"noncedigest")))
    return VerifyRequest(USER, 300, b"nonce", b"digest", proof)


def ask(site: Site, request: ResolveRequest | VerifyRequest, flags: int = OpFlag.CERT) -> Ask:
    return Ask(site, request, flags | OpFlag.PUBL | OpFlag.RRDG, 0, 5.0)


async def test_a_signed_reply_counts(site: Site, upstream: Upstream):
    reply = await upstream.exchange(ask(site, question()))
    assert reply.message.body == VerifiedAnswer(1)
    reply = await upstream.exchange(ask(site, question(b"guessed")))
    assert reply.message.body == VerifiedAnswer(0)
    reply = await upstream.exchange(ask(site, ResolveRequest(USER)))
    assert isinstance(reply.message.body, RecordAnswer)


async def test_a_refusal_needs_no_signature(site: Site, upstream: Upstream):
    request = replace(question(), user="88.902.1/NOBODY")
    reply = await upstream.exchange(ask(site, request))
    assert reply.message.response_code == ResponseCode.NOT_RESPONSIBLE


async def test_a_signed_reply_says_what_it_answers(site: Site, upstream: Upstream):
    without_digest = replace(ask(site, question()), flags=OpFlag.CERT | OpFlag.PUBL)
    with pytest.raises(UpstreamError, match="another request"):
        await upstream.exchange(without_digest)


async def test_a_reply_signed_with_another_key_does_not_count(
    site: Site, upstream: Upstream, tmp_path: Path
):
    other = load_or_make_key(tmp_path / "other.pem").public_record
    for key in (other, b"", b"no key"):
        elsewhere = replace(site, servers=(replace(site.servers[0], public_key=key),))
        with pytest.raises(UpstreamError, match="did not sign"):
            await upstream.exchange(ask(elsewhere, question()))
        reply = await upstream.exchange(ask(elsewhere, question(), flags=0))
        assert reply.message.body == VerifiedAnswer(1), "unsigned replies were asked for"
