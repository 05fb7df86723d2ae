"""What only a node's administrators may ask: prefixes come, go and are listed; backups."""

from pathlib import Path

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import StoreError
from resolver.model.value import HandleValue, Reference
from resolver.registry.homing import ELSEWHERE, HERE, HOMES
from resolver.storage import open_store
from resolver.wire.bodies import ErrorAnswer, HandleRequest, HandlesAnswer, ResolveRequest
from tests.support.connection import SECRET, USER, Connection
from tests.support.memory_network import MemoryNetwork, site, text_value
from tests.support.nodes import node_state

STRANGER = "88.901.1/STRANGER"
NEW = "88.901.2"
HOME = (OpCode.HOME_PREFIX, HandleRequest(f"0.NA/{NEW}"))
UNHOME = (OpCode.UNHOME_PREFIX, HandleRequest(f"0.na/{NEW}"))
LIST = (OpCode.LIST_HOMED, HandleRequest("/"))
BACKUP = (OpCode.BACKUP_SERVER, HandleRequest("/"))


@pytest.fixture
def network() -> MemoryNetwork:
    network = MemoryNetwork()
    key = HandleValue(300, "HS_SECKEY", SECRET, permissions=0x0C)
    network.add(
        "works",
        "enterprise",
        homes=["88.901.1"],
        records=[(USER, [key]), (STRANGER, [key]), (f"{NEW}/x", [text_value(1, "URL", "x")])],
        administrators=[Reference(USER, 300)],
    )
    return network


def listed(client: Connection) -> tuple[str, ...]:
    reply = client.do(*LIST)
    assert reply.response_code == ResponseCode.SUCCESS
    assert isinstance(reply.body, HandlesAnswer)
    return reply.body.handles


def test_a_prefix_comes_and_goes(network: MemoryNetwork):
    client = Connection(network)
    question = ResolveRequest(f"{NEW}/x")
    assert network.send("works", question).response_code == ResponseCode.NOT_RESPONSIBLE
    assert client.do(*HOME).response_code == ResponseCode.SUCCESS
    assert network.send("works", question).response_code == ResponseCode.SUCCESS
    assert listed(client) == ("0.NA/88.901.1", "0.NA/88.901.2")
    assert client.do(*UNHOME).response_code == ResponseCode.SUCCESS
    assert network.send("works", question).response_code == ResponseCode.NOT_RESPONSIBLE
    assert listed(client) == ("0.NA/88.901.1",)
    notes = [(entry.user, entry.handle) for entry in network.states["works"].store.entries()]
    assert notes == [(f"300:{USER}", f"home {NEW}"), (f"300:{USER}", f"unhome {NEW}")]


@pytest.mark.parametrize("request_", [HOME, UNHOME, LIST, BACKUP])
def test_others_may_not(network: MemoryNetwork, request_):
    client = Connection(network)
    assert client.do(*request_, STRANGER).response_code == ResponseCode.INVALID_ADMIN
    wrong = client.do(*request_, USER, secret=b"guessed")
    assert wrong.response_code == ResponseCode.AUTHENTICATION_FAILED
    assert network.states["works"].homes == {"88.901.1"}


@pytest.mark.parametrize("handle", ["88.901.2/x", "0.NA/", "", "88.901.2"])
def test_what_is_no_prefix(network: MemoryNetwork, handle: str):
    for op_code in (OpCode.HOME_PREFIX, OpCode.UNHOME_PREFIX):
        reply = Connection(network).send(op_code, HandleRequest(handle))
        assert reply.response_code == ResponseCode.INVALID_HANDLE
        assert reply.body == ErrorAnswer("Handle is not a prefix handle")


def test_a_store_that_cannot_do_it_says_so(network: MemoryNetwork):
    reply = Connection(network).do(*BACKUP)
    assert reply.response_code == ResponseCode.ERROR
    assert reply.body == ErrorAnswer("a store in memory cannot be backed up")

    def refuse(kind: str, changed: object, **_) -> None:
        raise StoreError("the disk is full")

    network.states["works"].store.put_documents = refuse  # type: ignore[method-assign]
    assert Connection(network).do(*HOME).response_code == ResponseCode.ERROR
    assert network.states["works"].homes == {"88.901.1"}


def test_a_restart_forgets_no_prefix(tmp_path: Path):
    store = open_store("lmdb", tmp_path / "records.mdb")
    store.put_documents(HOMES, {"88.3": HERE, "88.2": ELSEWHERE})
    store.close()
    store = open_store("lmdb", tmp_path / "records.mdb")
    state = node_state("w", "enterprise", site("w", 1), homes=["88.1", "88.2"], store=store)
    assert state.homes == {"88.1", "88.3"}
    store.close()
