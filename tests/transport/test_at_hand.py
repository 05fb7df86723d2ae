"""What is at hand as octets is what the node would answer, and no longer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache import EntryTable
from resolver.model.codes import OpFlag, ResponseCode
from resolver.node.state import NodeState
from resolver.transport.at_hand import AtHand
from resolver.transport.ready import READY_S
from resolver.wire.bodies import RecordAnswer
from resolver.wire.cursor import decode_text
from resolver.wire.values import ValueList
from tests.support.memory_network import MemoryNetwork, four_tiers, text_value

USUAL = OpFlag.PUBL | OpFlag.RECU
HELD = b"88.901.1/motor"
HANDLES = [
    HELD,
    HELD,
    b"88.901.1/MoToR",
    b"88.901.1/secret",
    b"88.901.1/none",
    b"88.901.1/empty",
    "88.901.1/zähler".encode(),
    "88.901.1/Z\u00c4HLER".encode(),
    b"88.901.1/\xff\xfe",
    b"88.901.1/" + b"x" * 2040,
    b"88.901.1",
    b"0.na/88.901.1",
    b"88.901.9/hosted",
    b"88.902/x",
    b"0",
    b"",
    b"/",
]


def network() -> MemoryNetwork:
    tree = four_tiers()
    record = ValueList.of([text_value(1, "URL", "https://e.com/")])
    tree.states["works"].store.put_many(
        [
            ("88.901.1/zähler", record),
            ("88.901.1/empty", ValueList.of([])),
            ("88.901.1/\udcff\udcfe", record),
        ]
    )
    tree.states["root"].store.put_many([("0.NA/0", record)])
    return tree


def at_hand(state: NodeState) -> AtHand:
    return AtHand(
        state.own,
        state.records.entries,
        record=state.public_record,
        refresh=state.refresh,
        prefixes=state.prefixes,
        counters=state.counters,
    )


@pytest.mark.parametrize("name", ["works", "optics", "recursive", "root"])
@given(
    asked=st.lists(
        st.tuples(
            st.lists(st.sampled_from(HANDLES), max_size=10),
            st.sampled_from([0.0, 0.7, 61.0, 601.0]),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_whatever_is_asked(name: str, asked: list[tuple]) -> None:
    tree = network()
    here = at_hand(tree.states[name])
    for handles, later, change in asked:
        found = here.values_of_all(handles, tree.now)
        assert len(found.values) == len(handles)
        for handle, octets in zip(handles, found.values, strict=True):
            answer = tree.ask(name, decode_text(handle), flags=USUAL)
            if octets is not None:
                assert answer.code == ResponseCode.SUCCESS
                assert isinstance(answer.body, RecordAnswer)
                assert answer.body.values.octets == octets
        tree.now += later
        if change:
            values = ValueList.of([text_value(1, "URL", f"https://e.com/{tree.now}")])
            tree.states["works"].store.put_many([("88.901.1/motor", values)])


def test_most_of_it_is_there():
    for name in ("works", "recursive"):
        tree = network()
        here = at_hand(tree.states[name])
        tree.ask(name, "88.901.1/motor", flags=USUAL)
        for handles in ([HELD], [HELD, b"88.901.1/MOTOR"] * 50, [b"88.901.1/\xff\xfe", HELD]):
            values, cached = here.values_of_all(handles, tree.now)
            assert values[-1] is not None
            assert cached == (len(handles) - values.count(None) if name == "recursive" else 0)


def test_one_that_has_expired_among_others():
    tree = network()
    tree.states["works"].store.put_many(
        [("88.901.1/short", ValueList.of([text_value(1, "URL", "x", ttl=10)]))]
    )
    for handle in ("88.901.1/motor", "88.901.1/short"):
        tree.ask("recursive", handle, flags=USUAL)
    here, handles = at_hand(tree.states["recursive"]), [HELD, b"88.901.1/short", HELD]
    assert None not in here.values_of_all(handles, tree.now).values
    values = here.values_of_all(handles, tree.now + 11).values
    assert [octets is None for octets in values] == [False, True, False]


def test_of_each_found_the_table_is_told():
    tree = network()
    record = ValueList.of([text_value(1, "URL", "https://e.com/")])
    tree.states["works"].store.put_many([(f"88.901.1/{name}", record) for name in "abc"])
    state = tree.states["recursive"]
    tree.ask("recursive", "88.901.1/a", flags=USUAL)
    room_for_two = 2 * state.records.statistics().bytes
    state.records.entries = EntryTable(room_for_two, "lru")
    here = at_hand(state)
    for name in "ab":
        tree.ask("recursive", f"88.901.1/{name}", flags=USUAL)
    here.values_of_all([b"88.901.1/a"], tree.now)
    tree.ask("recursive", "88.901.1/c", flags=USUAL)
    names = [b"88.901.1/a", b"88.901.1/b", b"88.901.1/c"]
    values = here.values_of_all(names, tree.now).values
    assert [octets is None for octets in values] == [False, True, False]


def test_an_own_record_is_kept_once_for_all_its_spellings():
    tree = network()
    state = tree.states["works"]
    here = at_hand(state)
    here.begin(tree.now)
    answer = tree.ask("works", "88.901.1/motor", flags=USUAL)
    kept = here.keep(answer, tree.now)
    assert kept is not None
    body = RecordAnswer("88.901.1/MOTOR", answer.body.values)
    other = here.keep(replace(answer, body=body), tree.now)
    assert other is not None
    assert other.entry is kept.entry
    assert kept.is_own
    assert kept.stands(here.begin(tree.now))
    assert not kept.stands(here.begin(tree.now + READY_S + 0.1))
    state.store.put_many([("88.901.1/motor", ValueList.of([text_value(1, "URL", "changed")]))])
    assert not kept.stands(here.begin(tree.now))


def test_what_is_not_kept():
    tree = network()
    here = at_hand(tree.states["works"])
    for handle, flags in (
        ("88.901.1/none", USUAL),
        ("88.901.1/empty", USUAL),
        ("88.901.1/secret", USUAL),
        ("88.901.9/hosted", USUAL),
    ):
        assert here.keep(tree.ask("works", handle, flags=flags), tree.now) is None
    answer = tree.ask("works", "88.901.1/motor", flags=USUAL)
    assert here.keep(replace(answer, ready=""), tree.now) is None
