"""Ready answers equal those that are made in the ordinary way, and are given no longer than those.

Every request goes both ways: through the endpoint, which decides, and through ``Ready``, which
repeats. Whatever the second answers has to be octet for octet what the first says.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache import EntryTable
from resolver.cache.policies import POLICIES
from resolver.model.codes import OpCode, OpFlag
from resolver.model.value import HandleValue, Permission
from resolver.node.endpoint import Endpoint, Replied
from resolver.node.state import NodeState
from resolver.storage.base import Change
from resolver.transport.batches import SLOT_OCTETS
from resolver.transport.ready import MAX_SHAPES, READY_S, Ready
from resolver.transport.udp import SLOTS
from resolver.wire.answer import Client
from resolver.wire.bodies import ResolveRequest
from resolver.wire.credential import Credential
from resolver.wire.envelope import MAX_DATAGRAM, Envelope
from resolver.wire.message import Message, encode_message
from resolver.wire.values import ValueList
from tests.support.memory_network import MemoryNetwork, four_tiers, text_value

CLIENT = Client("udp", "127.0.0.1", 40000)
USUAL = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL

HELD = "88.901.1/motor"
HANDLES = [
    HELD,
    "88.901.1/MOTOR",
    "88.901.1/Motor",
    "88.901.1/secret",
    "88.901.1/none",
    "88.901.1/nada",
    "88.901.1/zähler",
    "88.901.1/Z\u00c4HLER",
    "88.901.1",
    "0.NA/88.901.1",
    "0.na/88.901.1",
    "88.901.9/hosted",
    "88.901.9/HOSTED",
    "88.902/x",
    "0",
    "",
]
SELECTIONS: list[tuple[tuple[int, ...], tuple[str, ...]]] = [
    ((), ()),
    ((), ()),
    ((1,), ()),
    ((2,), ()),
    ((0x61,), ()),
    ((0x41,), ()),
    ((0,), ()),
    ((), ("URL",)),
    ((), ("url",)),
    ((), ("HS_SITE",)),
    ((1, 3), ("DESC",)),
]
FLAGS = [
    USUAL,
    0,
    OpFlag.PUBL,
    OpFlag.RECU,
    OpFlag.AUTH | USUAL,
    OpFlag.CERT | USUAL,
    OpFlag.RRDG | USUAL,
    OpFlag.ENCR | USUAL,
    OpFlag.DNRF | USUAL,
    OpFlag.KPAL | USUAL,
    OpFlag.TRUSTED_QUERY | USUAL,
]
VERSIONS = [(2, 11), (2, 10), (2, 3), (2, 0), (3, 0), (0, 0)]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that a ready answer may fit, or one that is a little different."""
    handle = draw(st.sampled_from(HANDLES))
    indexes, types = draw(st.sampled_from(SELECTIONS))
    version = draw(st.sampled_from(VERSIONS[:-1]))
    odd = draw(st.integers(0, 15))
    message = Message(
        envelope=Envelope(
            version=version,
            suggested=draw(st.sampled_from(VERSIONS)),
            request_id=draw(st.integers(0, 2**32 - 1)),
            session_id=77 if odd == 1 else 0,
            sequence=1 if odd == 2 else 0,
            truncated=odd == 3,
            spare_flags=0x04 if odd == 4 else 0,
        ),
        op_code=OpCode.GET_SITE if odd == 5 else OpCode.RESOLVE,
        flags=draw(st.sampled_from(FLAGS)),
        recursion_count=draw(st.sampled_from([0, 0, 1, 11])),
        expiration=draw(st.integers(0, 2**32 - 1)),
        body=ResolveRequest(handle, indexes, types),
        credential=Credential("HS_MAC", "HMAC-SHA256", b"x" * 32) if odd == 6 else None,
        tail=bytes(4) if odd in (7, 8) else b"\0\0a\0" if odd == 9 else b"",
        slack=bytes(2) if odd == 10 else b"",
        has_credential_length=odd != 11,
    )
    octets = encode_message(message)
    if odd == 12:
        at = draw(st.integers(0, len(octets) - 1))
        octets = octets[:at] + bytes([draw(st.integers(0, 255))]) + octets[at + 1 :]
    return octets + bytes(3) if odd == 13 else octets


def network() -> MemoryNetwork:
    tree = four_tiers()
    odd = [text_value(index, "URL", f"https://e.com/{index}") for index in (0x61, 0x41)]
    tree.states["works"].store.put_many(
        [
            ("88.901.1/zähler", ValueList.of(odd)),
            ("88.901.1/large", ValueList.of([text_value(1, "NOTE", "x" * 600)])),
            ("88.901.1/nada", ValueList.of([])),
        ]
    )
    return tree


def ready_of(state: NodeState, transport: str = "udp") -> Ready:
    return Ready(
        state.own,
        state.records.entries,
        record=state.public_record,
        refresh=state.refresh,
        prefixes=state.prefixes,
        counters=state.counters,
        transport=transport,
    )


class Both:
    """A node that is asked in both ways."""

    def __init__(self, tree: MemoryNetwork, name: str, transport: str = "udp") -> None:
        self.tree, self.name = tree, name
        self.endpoint: Endpoint = tree.endpoints[name]
        self.ready = ready_of(tree.states[name], transport)
        self.answered = 0

    def slow(self, octets: bytes) -> bytes:
        """The reply that the node makes, from which the other way learns."""
        tree = self.tree
        handled = self.endpoint.receive(octets, CLIENT, tree.now, tree.unix_now)
        if isinstance(handled, Replied) and handled.answer.ready:
            (reply,) = handled.messages
            self.ready.learn(octets, handled.request, handled.answer, reply, tree.now)
            return reply
        return tree.send_octets(self.name, octets, CLIENT)

    def fast(self, *requests: bytes) -> list[bytes | None]:
        """What the other way answers to a batch of datagrams."""
        octets = b"".join(request.ljust(SLOT_OCTETS, b"\xee") for request in requests)
        replies, missed = self.ready.datagrams(
            octets, [*map(len, requests)], SLOTS, self.tree.now, self.tree.unix_now
        )
        found = iter(replies)
        self.answered += len(replies)
        return [None if n in missed else next(found) for n in range(len(requests))]

    def assert_equal(self, octets: bytes) -> None:
        (ready,) = self.fast(octets)
        made = self.slow(octets)
        assert ready in (None, made)


def request(
    handle: str = HELD,
    request_id: int = 5,
    flags: int = USUAL,
    selection: tuple[tuple[int, ...], tuple[str, ...]] = ((), ()),
    tail: bytes = b"",
) -> bytes:
    return encode_message(
        Message(
            envelope=Envelope(request_id=request_id),
            op_code=OpCode.RESOLVE,
            flags=flags,
            expiration=1_800_000_000,
            body=ResolveRequest(handle, *selection),
            tail=tail,
        )
    )


# Equal


@pytest.mark.parametrize("name", ["works", "optics", "recursive"])
@given(asked=st.lists(st.tuples(requests(), st.sampled_from([0.0, 0.0, 0.7, 61.0])), max_size=25))
def test_whatever_is_asked(name: str, asked: list[tuple[bytes, float]]) -> None:
    both = Both(network(), name)
    for octets, later in asked:
        if len(octets) <= MAX_DATAGRAM:
            both.assert_equal(octets)
            both.tree.now += later


@pytest.mark.parametrize("name", ["works", "recursive"])
@given(asked=st.lists(requests(), min_size=1, max_size=12), cut=st.integers(0, 2000))
def test_a_stream(name: str, asked: list[bytes], cut: int) -> None:
    both = Both(network(), name, "tcp")
    for octets in asked * 2:
        both.slow(octets)
    whole = b"".join(asked)
    replies, stop = both.ready.stream(
        whole[: len(whole) - cut], 0, both.tree.now, both.tree.unix_now
    )
    read = 0
    for octets, reply in zip(asked, replies, strict=False):
        assert reply == both.slow(octets)
        read += len(octets)
    assert stop == read


@pytest.mark.parametrize("name", ["works", "recursive"])
def test_most_of_what_clients_ask_is_answered_so(name: str) -> None:
    both = Both(network(), name)
    asked = [
        request(HELD),
        request("88.901.1/MoTor"),
        request(HELD, selection=((), ("URL",))),
        request(HELD, selection=((2,), ())),
        request(HELD, tail=bytes(4)),
    ]
    for octets in asked * 2:
        both.slow(octets)
    assert None not in both.fast(*asked)
    for octets, reply in zip(asked, both.fast(*asked), strict=True):
        assert reply == both.slow(octets)


def test_a_node_that_holds_and_caches_tells_them_apart() -> None:
    both = Both(network(), "optics")
    own, foreign = request("88.901.9/hosted"), request("88.901.1/motor1")
    both.tree.states["works"].store.put_many(
        [("88.901.1/motor1", ValueList.of([text_value(1, "URL", "https://e.com/1")]))]
    )
    assert len(own) == len(foreign)
    for octets in (own, foreign, foreign, own):
        both.slow(octets)
    fast = both.fast(own, foreign)
    assert fast == [both.slow(own), both.slow(foreign)]
    assert None not in fast


def test_indexes_that_differ_by_the_case_of_an_octet() -> None:
    both = Both(network(), "works")
    lower = request("88.901.1/zähler", selection=((0x61,), ()))
    upper = request("88.901.1/zähler", selection=((0x41,), ()))
    for octets in (lower, upper):
        both.slow(octets)
    assert both.fast(lower, upper) == [both.slow(lower), both.slow(upper)]


# No longer than that


def test_a_change_is_seen_at_once() -> None:
    both = Both(network(), "works")
    store = both.tree.states["works"].store
    both.slow(request())
    assert both.fast(request()) == [both.slow(request())]
    before = store.get(HELD)
    after = ValueList.of([text_value(1, "URL", "https://example.com/changed")])
    assert store.apply([Change(HELD, before, after)], 0) == [True]
    (reply,) = both.fast(request())
    assert reply is not None
    assert b"changed" in reply
    store.delete(HELD)
    assert both.fast(request()) == [None]


def test_a_record_that_is_no_longer_for_everybody() -> None:
    both = Both(network(), "works")
    both.slow(request())
    hidden = replace(text_value(1, "URL", "x"), permissions=Permission.ADMIN_READ)
    both.tree.states["works"].store.put_many([(HELD, ValueList.of([hidden]))])
    assert both.fast(request()) == [None]


def test_a_prefix_that_moves() -> None:
    both = Both(network(), "works")
    both.slow(request())
    both.tree.states["works"].adopt("88.901.1", lives_here=False)
    assert both.fast(request()) == [None]


def test_own_records_are_looked_at_again_now_and_then() -> None:
    both = Both(network(), "works")
    both.slow(request())
    own = both.tree.states["works"].own
    (first,) = own.table.values()
    both.tree.now += READY_S + 1
    assert both.fast(request()) == [both.slow(request())]
    assert next(iter(own.table.values())) != first


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_an_own_record_is_kept_when_it_is_asked_for_again(policy: str) -> None:
    tree = network()
    state = tree.states["works"]
    state.own = EntryTable(1 << 20, policy)
    handles = [f"88.901.1/{number:04d}" for number in range(20)]
    state.store.put_many([(h, ValueList.of([text_value(1, "URL", h)])) for h in handles])
    both = Both(tree, "works")
    both.slow(request(handles[0]))
    found = []
    for kept in (1, 20, 20):
        found.append(both.fast(*map(request, handles)))
        assert len(state.own) == kept
    made = [both.slow(request(handle)) for handle in handles]
    assert found == [made] * 3


def test_what_is_cached_expires() -> None:
    both = Both(network(), "recursive")
    for _ in range(2):
        both.slow(request())
    assert both.fast(request()) == [both.slow(request())]
    both.tree.now += 601  # the shortest TTL of its values
    assert both.fast(request()) == [None]


def test_the_expiration_of_a_reply_goes_with_the_time() -> None:
    both = Both(network(), "works")
    both.slow(request())
    replies = set()
    for _ in range(3):
        replies.update(both.fast(request()))
        assert both.fast(request()) == [both.slow(request())]
        both.tree.now += 1
    assert len(replies) == 3


# What goes another way


def test_a_long_answer_is_for_streams_only() -> None:
    octets = request("88.901.1/large")
    for transport, expected in (("udp", 0), ("tcp", 1)):
        both = Both(network(), "works", transport)
        both.slow(request("88.901.1/motor"))
        both.slow(octets)
        replies, _ = both.ready.stream(octets, 0, both.tree.now, both.tree.unix_now)
        assert len(replies) == expected


def test_replies_and_misses_of_a_batch_keep_their_places() -> None:
    both = Both(network(), "works")
    both.slow(request())
    batch = [request(HELD if n % 3 else "88.901.1/none", request_id=n) for n in range(9)]
    found = both.fast(*batch)
    assert [reply is None for reply in found] == [n % 3 == 0 for n in range(9)]
    for n, reply in enumerate(found):
        assert reply is None or int.from_bytes(reply[8:12], "big") == n


def test_short_datagrams_see_nothing_of_what_lay_in_their_slot() -> None:
    both = Both(network(), "works")
    whole = request()
    both.slow(whole)
    slot = whole.ljust(SLOT_OCTETS, b"\0")
    for size in range(len(whole)):
        assert both.ready.datagrams(slot, [size], SLOTS, both.tree.now, both.tree.unix_now) == (
            [],
            [0],
        )


def test_looks_that_a_client_makes_up_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(network(), "works")
    for serial in range(MAX_SHAPES + 10):
        octets = bytearray(request())
        octets[32:34] = serial.to_bytes(2, "big")
        both.slow(bytes(octets))
    assert both.fast(request()) == [None]
    both.slow(request())
    assert both.fast(request()) == [both.slow(request())]


# Counted


def test_answers_are_counted() -> None:
    for name, hits in (("works", 0), ("recursive", 4)):
        both = Both(network(), name)
        state = both.tree.states[name]
        for _ in range(2):
            both.slow(request())
        before = state.counters.cache_lookups.get(("leaf", "hit"), 0)
        asked: Sequence[bytes] = [request(), request("88.901.1/none"), request(), request()]
        both.fast(*asked)
        both.fast(request())
        both.ready.sent(4, 0.00003)
        assert state.counters.requests == {(1, "udp", 1): 4}
        assert state.counters.durations["udp", "ready"].counts[2] == 4
        assert state.counters.cache_lookups.get(("leaf", "hit"), 0) - before == hits
        assert dict(state.prefixes.take_answered()) == {state.prefixes.known(HELD): 4}
        assert state.prefixes.names[state.prefixes.known(HELD)] == "88.901.1"


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_table_without_room(policy: str) -> None:
    tree = network()
    table = tree.states["works"].own = EntryTable(400, policy)
    both = Both(tree, "works")
    both.slow(request("88.901.1/MOTOR"))
    first = len(table)
    for _ in range(3):
        assert both.fast(request("88.901.1/zähler")) in (
            [None],
            [both.slow(request("88.901.1/zähler"))],
        )
        assert both.fast(request()) in ([None], [both.slow(request())])
    assert len(table) == first <= 1


def test_values_of_any_size() -> None:
    both = Both(network(), "works")
    for octets in range(300, 420):
        handle = f"88.901.1/{octets:04d}"
        value = HandleValue(1, "NOTE", b"x" * octets)
        both.tree.states["works"].store.put_many([(handle, ValueList.of([value]))])
        made = both.slow(request(handle))
        (fast,) = both.fast(request(handle))
        assert fast == (made if len(made) <= MAX_DATAGRAM else None)
