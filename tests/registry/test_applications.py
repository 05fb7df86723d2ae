"""Prefixes: applied for, approved, rejected."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from resolver.model.codes import OpCode
from resolver.model.errors import RefusedError, StoreError
from resolver.model.handle import prefix_handle
from resolver.model.site import AdminRight
from resolver.model.value import Reference
from resolver.node.state import NodeState
from resolver.registry.applications import (
    Application,
    PrefixRow,
    Stage,
    application_from,
    applied,
    approved,
    prefixes,
    rejected,
)
from resolver.registry.quotas import Quotas
from resolver.storage import open_store
from resolver.wire.typed import (
    PemPublicKey,
    decode_admin,
    decode_vlist,
    encode_public_key,
    encode_site,
)
from resolver.wire.values import ValueList
from tests.support.memory_network import site, text_value
from tests.support.nodes import node_state

NOW = 1_700_000_000
KEY = encode_public_key(PemPublicKey("SM2_PUB_KEY", b"-----BEGIN PUBLIC KEY-----"))
SITE = encode_site(site("works", 2801))
HOSTED = Application("88.901.7", "某厂", "HS_PUBKEY", KEY)
OWN = replace(HOSTED, prefix="88.901.8", site=SITE, key_type="HS_SECKEY", key=b"secret")
OPERATOR = "operator"


def new(store=None) -> NodeState:
    below = ValueList.of([text_value(3, "DESC", "a factory")])
    return node_state(
        "optics",
        "secondary",
        site("optics", 2701),
        homes=["88.901"],
        delegates=["88.901"],
        records=[("0.NA/88.901.1", below)] if store is None else [],
        store=store,
    )


@pytest.fixture
def optics() -> NodeState:
    return new()


def test_a_prefix_that_the_node_hosts(optics: NodeState):
    applied(optics, HOSTED, NOW)
    assert prefixes(optics)[1] == PrefixRow("88.901.7", Stage.PENDING, "某厂", "", NOW)
    row = approved(optics, "88.901.7", OPERATOR, NOW + 60)
    assert row == PrefixRow("88.901.7", Stage.HOSTED, "某厂", "127.0.0.1:2701")
    assert prefixes(optics)[1] == row
    assert "88.901.7" in optics.homes
    record = optics.store.get("0.NA/88.901.7")
    assert record is not None
    assert [(value.index, value.type) for value in record] == [
        (1, "HS_SITE"),
        (3, "DESC"),
        (100, "HS_ADMIN"),
        (200, "HS_VLIST"),
        (300, "HS_PUBKEY"),
    ]
    assert {value.timestamp for value in record} == {NOW + 60}
    assert record[4].data == KEY
    assert decode_vlist(record[3].data) == (Reference("0.NA/88.901.7", 300),)
    admin = decode_admin(record[2].data)
    assert (admin.handle, admin.index) == ("0.NA/88.901.7", 200)
    assert admin.permissions == AdminRight.ALL
    (entry,) = optics.store.entries()
    assert (entry.user, entry.operation, entry.handle) == (
        OPERATOR,
        OpCode.CREATE_HANDLE,
        "0.NA/88.901.7",
    )


def test_a_prefix_with_a_node_of_its_own(optics: NodeState):
    applied(optics, OWN, NOW)
    row = approved(optics, "88.901.8", OPERATOR, NOW)
    assert row == PrefixRow("88.901.8", Stage.DELEGATED, "某厂", "127.0.0.1:2801")
    assert optics.homes == {"88.901"}
    record = optics.store.get("0.NA/88.901.8")
    assert record is not None
    assert record[0].data == SITE
    assert (record[4].index, record[4].type) == (301, "HS_SECKEY")
    assert [value.type for value in record.public()] == ["HS_SITE", "DESC", "HS_ADMIN", "HS_VLIST"]


def test_a_rejected_application_may_come_again(optics: NodeState):
    applied(optics, HOSTED, NOW)
    rejected(optics, "88.901.7", "no contract", NOW + 1)
    assert prefixes(optics)[1] == PrefixRow(
        "88.901.7", Stage.REJECTED, "某厂", "", NOW, "no contract"
    )
    with pytest.raises(RefusedError, match="nobody waits"):
        approved(optics, "88.901.7", OPERATOR, NOW)
    applied(optics, HOSTED, NOW + 2)
    assert prefixes(optics)[1].stage == Stage.PENDING


@pytest.mark.parametrize(
    ("application", "reason"),
    [
        (replace(HOSTED, prefix="88.902.1"), "not below a prefix that this node delegates"),
        (replace(HOSTED, prefix="88.901"), "not below a prefix"),
        (replace(HOSTED, prefix="88.901.1"), "registered already"),
        (replace(HOSTED, prefix="88.901./x"), "not a prefix"),
        (replace(HOSTED, prefix="88.901." + "9" * 64), "not a prefix"),
        (replace(HOSTED, title="x" * 201), "title"),
        (replace(HOSTED, key=b""), "key is empty"),
        (replace(HOSTED, key=b"\0\0\0\xff"), "cannot be read"),
        (replace(HOSTED, key_type="URL"), "no type of key"),
        (replace(HOSTED, site=b"\0\1"), "site cannot be read"),
        (replace(HOSTED, site=encode_site(replace(site("x", 1), servers=()))), "no server"),
    ],
)
def test_what_cannot_be_applied_for(optics: NodeState, application: Application, reason: str):
    with pytest.raises(RefusedError, match=reason):
        applied(optics, application, NOW)
    assert len(prefixes(optics)) == 1


def test_nobody_applies_twice(optics: NodeState):
    applied(optics, HOSTED, NOW)
    with pytest.raises(RefusedError, match="somebody has applied"):
        applied(optics, replace(HOSTED, title="another"), NOW)


def test_what_was_registered_meanwhile(optics: NodeState):
    applied(optics, HOSTED, NOW)
    optics.store.put_many([("0.NA/88.901.7", ValueList.of([text_value(1, "DESC", "theirs")]))])
    with pytest.raises(RefusedError, match="registered already"):
        approved(optics, "88.901.7", OPERATOR, NOW)


def test_only_so_many_prefixes(optics: NodeState):
    optics.quotas = Quotas(optics.store, prefixes=2)
    applied(optics, HOSTED, NOW)
    applied(optics, OWN, NOW)
    approved(optics, "88.901.7", OPERATOR, NOW)
    with pytest.raises(RefusedError, match="more than 2 prefixes"):
        approved(optics, "88.901.8", OPERATOR, NOW)


def test_an_approval_is_whole_or_not_at_all(optics: NodeState, monkeypatch: pytest.MonkeyPatch):
    applied(optics, HOSTED, NOW)

    def full(*_: object) -> list[bool]:
        raise StoreError("the disk is full")

    monkeypatch.setattr(optics.store, "apply", full)
    with pytest.raises(StoreError):
        approved(optics, "88.901.7", OPERATOR, NOW)
    monkeypatch.undo()
    assert prefixes(optics)[1].stage == Stage.PENDING
    assert optics.store.get(prefix_handle("88.901.7")) is None
    assert "88.901.7" not in optics.homes


def test_a_restart_forgets_nothing(tmp_path: Path):
    store = open_store("lmdb", tmp_path / "records.mdb")
    optics = new(store)
    applied(optics, HOSTED, NOW)
    applied(optics, OWN, NOW)
    approved(optics, "88.901.7", OPERATOR, NOW)
    store.close()
    store = open_store("lmdb", tmp_path / "records.mdb")
    optics = new(store)
    assert [(row.prefix, row.stage) for row in prefixes(optics)] == [
        ("88.901.7", Stage.HOSTED),
        ("88.901.8", Stage.PENDING),
    ]
    store.close()


def test_numbers_sort_as_numbers(optics: NodeState):
    for number in ("10", "9", "x"):
        applied(optics, replace(HOSTED, prefix=f"88.901.{number}"), NOW)
    assert [row.prefix for row in prefixes(optics)] == [
        "88.901.1",
        "88.901.9",
        "88.901.10",
        "88.901.x",
    ]


def test_an_application_as_it_travels():
    document = {key: asdict(OWN)[key] for key in ("prefix", "title", "key_type", "key", "site")}
    assert application_from(document) == OWN
    for wrong in (None, [], {}, {**document, "key": "text"}, {**document, "prefix": 5}):
        with pytest.raises(RefusedError):
            application_from(wrong)
