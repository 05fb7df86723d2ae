"""teleinfo's id-pointer-sdk, played from docs/protocol.md §15, against our nodes with the recorded
records."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.wire.bodies import (
    HandleRequest,
    RecordAnswer,
    RecordRequest,
    RemoveRequest,
    ResolveRequest,
)
from resolver.wire.message import Message
from resolver.wire.typed import decode_site, encode_admin
from resolver.wire.values import ValueList
from tests.conformance.id_pointer import IdPointer, without_times
from tests.conformance.recorded_network import RecordedNetwork

USER, ADMIN = "88.118.8/USER01", "88.118.8/ADMIN"
RSA, SM2 = (USER, 300, "user_rsa_priv.pem"), (USER, 303, "user_sm2_priv.pem")


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[RecordedNetwork]:
    network = RecordedNetwork()
    async with network.running:
        await network.start(tmp_path)
        # Its index 303 is in no list of administrators; the recorded server let it in all the same.
        network.state(2641).administrators += (Reference(USER, 303),)
        yield network


def resolve(handle: str, *choice: object) -> tuple[int, ResolveRequest]:
    return OpCode.RESOLVE, ResolveRequest(handle, *choice)


def text(index: int, content: str) -> HandleValue:
    return HandleValue(index, "DESC", content.encode())


def codes(replies: list[Message]) -> list[int]:
    return [reply.response_code for reply in replies]


async def test_reading(nodes: RecordedNetwork):
    """Everything in one write: the client does not wait for one answer before it asks on."""
    public = {
        handle: values.public() for handle, values in nodes.state(2641).store.records("88.118.8/")
    }
    asked = [
        resolve("88.118.8/demo"),
        resolve("88.118.8/demo", (1, 3)),
        resolve("88.118.8/demo", (), ("url.",)),
        resolve("88.118.8/测试标识"),
        resolve("88.118.8/big"),
        resolve("88.118.8/three"),
        resolve("88.118.8/kinds"),
        resolve("88.118.8/secret"),
    ]
    async with IdPointer(nodes.port(2641, "tcp")) as client:
        replies = await client.pipelined(*asked)
        for (_, request), reply in zip(asked, replies, strict=True):
            values = public[request.handle].select(request.indexes, request.types)
            assert reply.body == RecordAnswer(request.handle, values)
        other = await client.ask(*resolve("88.118.8/DEMO"))
        assert other.body == RecordAnswer("88.118.8/DEMO", public["88.118.8/demo"])
        others = await client.pipelined(
            resolve("88.118.8/nothing"), resolve("88.118.8/demo", (99,)), resolve("88.119/other")
        )
        assert codes(others) == [
            ResponseCode.HANDLE_NOT_FOUND,
            ResponseCode.VALUES_NOT_FOUND,
            ResponseCode.NOT_RESPONSIBLE,
        ]
        # What it sends when there is nothing to say; any answer will do.
        assert (await client.ask(*resolve("0"))).op_code == OpCode.RESOLVE


async def test_the_recursive_mode(nodes: RecordedNetwork):
    """It asks the recursive node for the prefix, and then the node found there."""
    async with IdPointer(nodes.port(2662, "tcp")) as client:
        reply = await client.ask(*resolve("88.118.8", (), ("HS_SITE",)))
        assert isinstance(reply.body, RecordAnswer)
        server = decode_site(reply.body.values[0].data).servers[0]
        (port,) = {interface.port for interface in server.interfaces} & {2641}
        (whole,) = await client.pipelined(resolve("88.118.8/demo"))
    async with IdPointer(nodes.port(port, "tcp")) as client:
        direct = await client.ask(*resolve("88.118.8/demo"))
    assert direct.body == whole.body


@pytest.mark.parametrize("key", [RSA, SM2], ids=["RSA", "SM2"])
async def test_a_life_after_a_login(nodes: RecordedNetwork, key: tuple[str, int, str]):
    handle = "88.118.8/made"
    admin = HandleValue(100, "HS_ADMIN", encode_admin(AdminRecord(AdminRight.ALL, USER, 0)))
    made = RecordRequest(handle, ValueList.of([text(1, "new"), admin]))
    more = RecordRequest(handle, ValueList.of([text(2, "more")]))
    changed = RecordRequest(handle, ValueList.of([text(1, "changed")]))
    async with IdPointer(nodes.port(2641, "tcp")) as client:
        login = await client.log_in(*key)
        assert (login.op_code, login.response_code) == (OpCode.LOGIN_KEY, ResponseCode.SUCCESS)
        assert codes(
            [
                await client.ask(OpCode.CREATE_HANDLE, made),
                await client.ask(OpCode.CREATE_HANDLE, made),
                await client.ask(OpCode.ADD_VALUE, more),
                await client.ask(OpCode.MODIFY_VALUE, changed),
            ]
        ) == [1, ResponseCode.HANDLE_EXISTS, 1, 1]
        found = await client.ask(*resolve(handle))
        assert without_times(found) == [text(1, "changed"), admin, text(2, "more")]
        assert codes(
            [
                await client.ask(OpCode.REMOVE_VALUE, RemoveRequest(handle, (2,))),
                await client.ask(OpCode.DELETE_HANDLE, HandleRequest(handle)),
                await client.ask(*resolve(handle)),
            ]
        ) == [1, 1, ResponseCode.HANDLE_NOT_FOUND]


async def test_restricted_values_after_a_login(nodes: RecordedNetwork):
    asked = resolve("88.118.8/secret", (2,))
    async with IdPointer(nodes.port(2641, "tcp")) as client:
        assert (await client.ask(*asked, flags=0)).response_code in (400, 402)
        await client.log_in(ADMIN, 300, "admin_rsa_priv.pem")
        reply = await client.ask(*asked, flags=0)
        assert isinstance(reply.body, RecordAnswer)
        assert reply.body.values[0].text == "admin read only"


async def test_who_has_not_logged_in(nodes: RecordedNetwork):
    made = RecordRequest("88.118.8/made", ValueList.of([text(1, "new")]))
    async with IdPointer(nodes.port(2641, "tcp")) as client:
        refused = await client.ask(OpCode.CREATE_HANDLE, made)
        assert refused.response_code == ResponseCode.INVALID_ADMIN
        login = await client.log_in(USER, 300, "admin_rsa_priv.pem")
        assert login.response_code == ResponseCode.AUTHENTICATION_FAILED
        refused = await client.ask(OpCode.CREATE_HANDLE, made)
        assert refused.response_code == ResponseCode.INVALID_ADMIN
    assert nodes.state(2641).store.get("88.118.8/made") is None


async def test_homing(nodes: RecordedNetwork):
    prefix = HandleRequest("0.NA/88.118.77")
    async with IdPointer(nodes.port(2641, "tcp")) as client:
        await client.log_in(ADMIN, 300, "admin_rsa_priv.pem")
        before = await client.ask(*resolve("88.118.77/x"))
        assert before.response_code == ResponseCode.NOT_RESPONSIBLE
        assert (await client.ask(OpCode.HOME_PREFIX, prefix)).response_code == 1
        after = await client.ask(*resolve("88.118.77/x"))
        assert after.response_code == ResponseCode.HANDLE_NOT_FOUND
