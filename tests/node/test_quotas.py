"""Limits that an operator sets: requests of a client, identifiers of a prefix, prefixes."""

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.node import daily
from resolver.node.state import NodeState
from resolver.registry.quotas import Quotas
from resolver.storage.base import Change
from resolver.storage.memory import MemoryStore
from resolver.wire.bodies import ErrorAnswer, HandleRequest, RecordRequest, ResolveRequest
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList
from tests.support.connection import SECRET, USER, Connection
from tests.support.memory_network import MemoryNetwork, text_value

VALUES = ValueList.of([text_value(1, "URL", "https://example.com/")])


@pytest.fixture
def network() -> MemoryNetwork:
    network = MemoryNetwork()
    admin = HandleValue(100, "HS_ADMIN", encode_admin(AdminRecord(AdminRight.ALL, USER, 300)))
    key = HandleValue(300, "HS_SECKEY", SECRET, permissions=0x0C)
    network.add(
        "works",
        "secondary",
        homes=["88.901", "88.901.1"],
        delegates=["88.901"],
        records=[(USER, [key]), ("0.NA/88.901.1", [admin]), ("0.NA/88.901", [admin])],
        administrators=[Reference(USER, 300)],
    )
    return network


def limited(network: MemoryNetwork, **limits: int) -> NodeState:
    state = network.states["works"]
    state.quotas = Quotas(state.store, **limits)
    return state


def create(network: MemoryNetwork, handle: str):
    return Connection(network).do(OpCode.CREATE_HANDLE, RecordRequest(handle, VALUES))


def test_identifiers_of_a_prefix(network: MemoryNetwork):
    limited(network, registrations=3)  # the user's own record is one
    assert create(network, "88.901.1/a").response_code == ResponseCode.SUCCESS
    assert create(network, "88.901.1/b").response_code == ResponseCode.SUCCESS
    refused = create(network, "88.901.1/c")
    assert refused.response_code == ResponseCode.REGISTRATION_LIMIT
    assert refused.body == ErrorAnswer("88.901.1 may not have more than 3 identifiers")
    deleted = Connection(network).do(OpCode.DELETE_HANDLE, HandleRequest("88.901.1/a"))
    assert deleted.response_code == ResponseCode.SUCCESS
    assert create(network, "88.901.1/c").response_code == ResponseCode.SUCCESS


def test_prefixes(network: MemoryNetwork):
    limited(network, prefixes=3)
    assert create(network, "0.NA/88.901.2").response_code == ResponseCode.SUCCESS
    refused = create(network, "0.NA/88.901.3")
    assert refused.response_code == ResponseCode.PREFIX_LIMIT
    assert create(network, "88.901.1/a").response_code == ResponseCode.SUCCESS


def test_what_was_not_made_takes_no_room():
    quotas = Quotas(MemoryStore(), registrations=1)
    change = Change("88.901.1/a", None, VALUES)
    assert quotas.refusal("88.901.1/a") is None
    quotas.count(change)
    assert quotas.refusal("88.901.1/b") is not None
    quotas.discount(change)
    assert quotas.refusal("88.901.1/b") is None


def test_requests_of_a_day(network: MemoryNetwork):
    network = MemoryNetwork()
    network.add("works", "enterprise", homes=["88.901.1"], max_daily_requests=2)
    question = ResolveRequest("88.901.1/x")
    codes = [network.send("works", question).response_code for _ in range(3)]
    assert codes == [100, 100, ResponseCode.DAILY_REQUEST_LIMIT]
    network.now += 86_400
    assert network.send("works", question).response_code == ResponseCode.HANDLE_NOT_FOUND


def test_addresses_beyond_the_bound_count_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(daily, "MAX_CLIENTS", 2)
    requests = daily.DailyRequests(1)
    assert [requests.exceeded(host, 0) for host in ("a", "b", "c", "d", "a")] == [
        False,
        False,
        False,
        True,
        True,
    ]
