"""CAICT's ID-SDK where no recording shows it: what it speaks (docs/protocol.md §15), over TCP and,
as far as it goes there, over UDP; against our nodes with the recorded records."""

import pytest

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.wire.bodies import (
    Body,
    HandleRequest,
    LoginRequest,
    RecordAnswer,
    RecordRequest,
    ResolveRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.values import EMPTY
from tests.conformance.recorded_network import RecordedNetwork, over_tcp, over_udp

pytestmark = pytest.mark.asyncio(loop_scope="session")

both = pytest.mark.parametrize("transport", ["tcp", "udp"])


async def ask(
    nodes: RecordedNetwork, transport: str, op_code: int, body: Body, flags: int = 0
) -> Message:
    envelope = Envelope((2, 3), (2, 10), request_id=7)
    octets = encode_message(Message(envelope, op_code, flags=flags, body=body))
    port = nodes.port(2641, transport)
    if transport == "tcp":
        return decode_message(await over_tcp(port, octets))
    (reply,) = await over_udp(port, [octets], 1)
    return decode_message(reply)


@both
@pytest.mark.parametrize("handle", ["88.118.8/DEMO", "88.118.8/kinds", "88.118.8/测试标识"])
async def test_case_and_kinds_of_values(nodes: RecordedNetwork, transport: str, handle: str):
    reply = await ask(nodes, transport, OpCode.RESOLVE, ResolveRequest(handle))
    values = nodes.state(2641).store.get(handle)
    assert values is not None
    assert reply.body == RecordAnswer(handle, values.public())
    assert reply.envelope.version == (2, 10)


@both
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (ResolveRequest("88.118.8/nothing"), ResponseCode.HANDLE_NOT_FOUND),
        (ResolveRequest("88.118.8/demo", (99,)), ResponseCode.VALUES_NOT_FOUND),
        (ResolveRequest("88.119/other"), ResponseCode.NOT_RESPONSIBLE),
    ],
)
async def test_what_is_not_there(
    nodes: RecordedNetwork, transport: str, body: ResolveRequest, code: int
):
    assert (await ask(nodes, transport, OpCode.RESOLVE, body)).response_code == code


@both
async def test_a_trusted_query(nodes: RecordedNetwork, transport: str):
    """What no trusted answer is known for is answered all the same, and not called trusted."""
    body = ResolveRequest("88.118.8/demo")
    reply = await ask(nodes, transport, OpCode.RESOLVE, body, OpFlag.TRUSTED_QUERY)
    assert isinstance(reply.body, RecordAnswer)
    assert not reply.flags & OpFlag.TRUSTED_RESULT


async def test_over_udp_nothing_is_changed(nodes: RecordedNetwork):
    record = RecordRequest("88.118.8/made", EMPTY)
    login = await ask(nodes, "udp", OpCode.LOGIN_KEY, LoginRequest("88.118.8/USER01", 300))
    assert login.response_code == ResponseCode.NOT_SUPPORTED
    for op_code, body in (
        (OpCode.CREATE_HANDLE, record),
        (OpCode.DELETE_HANDLE, HandleRequest("88.118.8/demo")),
    ):
        refused = await ask(nodes, "udp", op_code, body)
        assert refused.response_code == ResponseCode.LOGIN_FIRST
    store = nodes.state(2641).store
    assert store.get("88.118.8/made") is None
    assert store.get("88.118.8/demo") is not None
