"""Who may change what: the order of checks, the codes, and that what is refused changes nothing."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.security.challenges import LIFETIME_S
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    ChallengeAnswerRequest,
    ErrorAnswer,
    HandleAnswer,
    HandleRequest,
    HandlesAnswer,
    RecordAnswer,
    RecordRequest,
    RemoveRequest,
    ResolveRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.proof import MacProof, challenge_octets, encode_proof
from resolver.wire.typed import encode_admin, encode_vlist
from resolver.wire.values import ValueList
from tests.conformance.prover import mac_of
from tests.support.connection import FLAGS, SECRET, USER, Connection
from tests.support.memory_network import MemoryNetwork, site_value, text_value

GROUPED, WEAK, STRANGER = "88.901.1/GROUPED", "88.901.1/WEAK", "88.901.1/NO"
HANDLE = "88.901.1/pump"


def secret_of(*values: HandleValue) -> list[HandleValue]:
    return [HandleValue(300, "HS_SECKEY", SECRET, permissions=0x0C), *values]


def admin(index: int, handle: str, key: int = 300, rights: int = AdminRight.ALL) -> HandleValue:
    return HandleValue(index, "HS_ADMIN", encode_admin(AdminRecord(rights, handle, key)))


def group(index: int, *members: Reference) -> HandleValue:
    return HandleValue(index, "HS_VLIST", encode_vlist(members))


@pytest.fixture
def network() -> MemoryNetwork:
    """optics describes 88.901.1 and says who administers it; works holds its identifiers."""
    network = MemoryNetwork()
    network.add(
        "optics",
        "secondary",
        delegates=["88.901"],
        records=[
            (
                "0.NA/88.901.1",
                [
                    site_value(1, "HS_SITE", network.site("works")),
                    admin(100, USER),
                    admin(101, "0.NA/88.901.1", 200),
                    admin(102, WEAK, 300, AdminRight.ADD_VALUE),
                    group(200, Reference("88.901.1/GROUP", 1)),
                ],
            )
        ],
    )
    network.add(
        "works",
        "enterprise",
        homes=["88.901.1"],
        hints=[("88.901", "optics")],
        records=[
            *((name, secret_of()) for name in (USER, GROUPED, WEAK, STRANGER)),
            # A group in a group that has the first one as a member: looking must come to an end.
            (
                "88.901.1/GROUP",
                [group(1, Reference("0.NA/88.901.1", 200), Reference(GROUPED, 300))],
            ),
            (
                "88.901.1/old",
                [
                    text_value(1, "URL", "https://example.com/old"),
                    text_value(2, "NOTE", "for administrators", permissions=0x0C),
                    text_value(3, "NOTE", "fixed", permissions=0x02),
                    text_value(4, "NOTE", "for everybody", permissions=0x0F),
                    admin(100, USER),
                    admin(101, WEAK, 300, AdminRight.ADD_VALUE),
                ],
            ),
        ],
    )
    return network


@pytest.fixture
def client(network: MemoryNetwork) -> Connection:
    return Connection(network)


def values(*found: HandleValue) -> ValueList:
    return ValueList.of(found)


def create(handle: str = HANDLE) -> RecordRequest:
    return RecordRequest(handle, values(text_value(1, "URL", "https://example.com/new")))


def stored(network: MemoryNetwork) -> list[tuple[str, bytes]]:
    return [(handle, found.octets) for handle, found in network.states["works"].store.records()]


# The life of a record


def test_a_life(client: Connection, network: MemoryNetwork):
    made = client.do(OpCode.CREATE_HANDLE, create(), GROUPED)
    assert (made.op_code, made.response_code) == (OpCode.CREATE_HANDLE, ResponseCode.SUCCESS)
    assert made.body == HandleAnswer(HANDLE)
    assert made.envelope.session_id == 0

    found = client.send(OpCode.RESOLVE, ResolveRequest(HANDLE))
    assert isinstance(found.body, RecordAnswer)
    assert [(v.index, v.timestamp) for v in found.body.values] == [(1, network.unix_now)]

    again = client.send(OpCode.CREATE_HANDLE, create())
    assert again.response_code == ResponseCode.HANDLE_EXISTS

    own = client.do(OpCode.DELETE_HANDLE, HandleRequest(HANDLE), GROUPED)
    assert own.response_code == ResponseCode.INVALID_ADMIN, "the record names no administrator"
    network.states["works"].administrators = (Reference(USER, 300),)
    gone = client.do(OpCode.DELETE_HANDLE, HandleRequest(HANDLE))
    assert gone.response_code == ResponseCode.SUCCESS
    missing = client.send(OpCode.RESOLVE, ResolveRequest(HANDLE))
    assert missing.response_code == ResponseCode.HANDLE_NOT_FOUND


def test_changing_values(client: Connection, network: MemoryNetwork):
    old = "88.901.1/old"

    def code(op_code: int, body: Body, **options: int) -> int:
        return client.do(op_code, body, **options).response_code

    assert code(OpCode.ADD_VALUE, RecordRequest(old, values(text_value(9, "T", "9")))) == 1
    assert code(OpCode.ADD_VALUE, RecordRequest(old, values(text_value(9, "T", "x")))) == 201
    over = RecordRequest(old, values(text_value(9, "T", "nine")))
    assert code(OpCode.ADD_VALUE, over, flags=FLAGS | OpFlag.OVRW) == 1
    assert code(OpCode.MODIFY_VALUE, RecordRequest(old, values(text_value(1, "URL", "x")))) == 1
    assert code(OpCode.REMOVE_VALUE, RemoveRequest(old, (9,))) == 1
    assert code(OpCode.REMOVE_VALUE, RemoveRequest(old, (9,))) == 200
    record = network.states["works"].store.get(old)
    assert record is not None
    assert [value.index for value in record] == [1, 2, 3, 4, 100, 101]
    assert record[0].text == "x"


def test_a_minted_name(client: Connection):
    made = client.do(OpCode.CREATE_HANDLE, create("88.901.1/M-"), flags=FLAGS | OpFlag.MINT)
    assert isinstance(made.body, HandleAnswer)
    assert made.body.handle is not None
    assert made.body.handle.startswith("88.901.1/M-")
    assert len(made.body.handle) == len("88.901.1/M-") + 36
    found = client.send(OpCode.RESOLVE, ResolveRequest(made.body.handle))
    assert found.response_code == ResponseCode.SUCCESS


def test_reading_restricted_values(client: Connection):
    asked = ResolveRequest("88.901.1/old", (2,))
    reply = client.do(OpCode.RESOLVE, asked, flags=OpFlag.RECU)
    assert isinstance(reply.body, RecordAnswer)
    assert reply.body.values[0].text == "for administrators"
    weak = client.do(OpCode.RESOLVE, asked, WEAK, flags=OpFlag.RECU)
    assert weak.response_code == ResponseCode.INVALID_ADMIN


def test_a_list_comes_in_messages_of_fifty(client: Connection, network: MemoryNetwork):
    store = network.states["works"].store
    store.put_many((f"88.901.1/{n:04d}", values()) for n in range(120))
    first = client.send(OpCode.LIST_HANDLES, HandleRequest("0.NA/88.901.1"))
    octets = encode_message(_listing(first))
    replies = [decode_message(part) for part in network.send_all("works", octets)]
    bodies = [reply.body for reply in replies]
    assert all(isinstance(body, HandlesAnswer) for body in bodies)
    assert [len(body.handles) for body in bodies] == [50, 50, store.count() - 100]
    assert [bool(reply.flags & OpFlag.CONT) for reply in replies] == [True, True, False]


def _listing(challenge: Message) -> Message:
    assert isinstance(challenge.body, ChallengeAnswer)
    assert challenge.digest is not None
    octets = challenge_octets(challenge.body.nonce, challenge.digest)
    proof = encode_proof(MacProof(3, mac_of(3, SECRET, octets)))
    return Message(
        envelope=Envelope(request_id=8, session_id=challenge.envelope.session_id),
        op_code=OpCode.CHALLENGE_ANSWER,
        flags=FLAGS,
        body=ChallengeAnswerRequest("HS_SECKEY", USER, 300, proof),
    )


# What is refused, and changes nothing


@pytest.mark.parametrize(
    ("op_code", "body", "code"),
    [
        (OpCode.CREATE_HANDLE, create("99.1/x"), ResponseCode.NOT_RESPONSIBLE),
        (OpCode.CREATE_HANDLE, create("/x"), ResponseCode.INVALID_HANDLE),
        (OpCode.CREATE_HANDLE, create("0.NA/"), ResponseCode.INVALID_HANDLE),
        (OpCode.CREATE_HANDLE, create("88.901.1/" + "x" * 2048), ResponseCode.INVALID_HANDLE),
        (OpCode.CREATE_HANDLE, create("88.901.1/\udcff"), ResponseCode.INVALID_HANDLE),
        (OpCode.CREATE_HANDLE, create("88.901.1/OLD"), ResponseCode.HANDLE_EXISTS),
        (
            OpCode.CREATE_HANDLE,
            RecordRequest(HANDLE, values(text_value(1, "T", ""), text_value(1, "T", ""))),
            ResponseCode.VALUE_EXISTS,
        ),
        (
            OpCode.CREATE_HANDLE,
            RecordRequest(HANDLE, values(text_value(0, "T", ""))),
            ResponseCode.INVALID_VALUE,
        ),
        (
            OpCode.MODIFY_VALUE,
            RecordRequest("88.901.1/old", values(text_value(77, "T", ""))),
            ResponseCode.VALUES_NOT_FOUND,
        ),
        (
            OpCode.MODIFY_VALUE,
            RecordRequest("88.901.1/old", values(text_value(3, "NOTE", "no"))),
            ResponseCode.INSUFFICIENT_PERMISSION,
        ),
        (OpCode.MODIFY_VALUE, create("88.901.1/none"), ResponseCode.HANDLE_NOT_FOUND),
    ],
)
def test_what_is_refused_before_anybody_is_asked_who_they_are(
    client: Connection, network: MemoryNetwork, op_code: int, body: Body, code: int
):
    before = stored(network)
    reply = client.send(op_code, body)
    assert (reply.op_code, reply.response_code) == (op_code, code)
    assert isinstance(reply.body, ErrorAnswer)
    assert stored(network) == before


CREATE = (OpCode.CREATE_HANDLE, create())
DELETE = (OpCode.DELETE_HANDLE, HandleRequest("88.901.1/old"))
ADD = (OpCode.ADD_VALUE, RecordRequest("88.901.1/old", values(text_value(9, "T", "9"))))
ADD_ADMIN = (OpCode.ADD_VALUE, RecordRequest("88.901.1/old", values(admin(102, STRANGER))))


@pytest.mark.parametrize("request_", [CREATE, DELETE, ADD, ADD_ADMIN], ids=["c", "d", "a", "aa"])
@pytest.mark.parametrize(
    ("user", "key", "code"),
    [
        (STRANGER, {}, ResponseCode.INVALID_ADMIN),
        ("88.901.1/nobody", {}, ResponseCode.INVALID_ADMIN),
        ("77.1/foreign", {}, ResponseCode.INVALID_ADMIN),
        ("", {}, ResponseCode.INVALID_ADMIN),
        (USER, {"index": 301}, ResponseCode.INVALID_ADMIN),
        (USER, {"secret": b"guessed"}, ResponseCode.AUTHENTICATION_FAILED),
        # Who is no administrator learns nothing about the secret.
        (STRANGER, {"secret": b"guessed"}, ResponseCode.INVALID_ADMIN),
    ],
)
def test_who_is_refused(
    client: Connection,
    network: MemoryNetwork,
    request_: tuple[int, Body],
    user: str,
    key: dict,
    code: int,
):
    before = stored(network)
    reply = client.do(*request_, user, **key)
    assert (reply.op_code, reply.response_code) == (request_[0], code)
    assert stored(network) == before


def test_a_missing_right_is_400(client: Connection, network: MemoryNetwork):
    assert client.do(*ADD, WEAK).response_code == ResponseCode.SUCCESS
    before = stored(network)
    for request in (DELETE, ADD_ADMIN, CREATE):
        assert client.do(*request, WEAK).response_code == ResponseCode.INVALID_ADMIN
    assert stored(network) == before


def test_a_challenge_is_answered_once(client: Connection, network: MemoryNetwork):
    challenge = client.send(*CREATE)
    assert client.answer(challenge, USER, secret=b"wrong").response_code == 403
    assert client.answer(challenge, USER).response_code == ResponseCode.AUTHENTICATION_TIMEOUT
    assert network.states["works"].store.get(HANDLE) is None


def test_a_challenge_is_answered_in_time(client: Connection, network: MemoryNetwork):
    challenge = client.send(*CREATE)
    network.now += LIFETIME_S + 1
    assert client.answer(challenge, USER).response_code == ResponseCode.AUTHENTICATION_TIMEOUT


def test_an_answer_to_one_challenge_is_none_to_another(client: Connection):
    first, second = client.send(*CREATE), client.send(*DELETE)
    swapped = replace(first, envelope=second.envelope)
    assert client.answer(swapped, USER).response_code == ResponseCode.AUTHENTICATION_FAILED


@pytest.mark.parametrize("signed", [b"", b"\x22", b"\x02", b"\xff" * 40])
def test_an_answer_that_cannot_be_read(client: Connection, signed: bytes):
    challenge = client.send(*CREATE)
    reply = client.send(
        OpCode.CHALLENGE_ANSWER,
        ChallengeAnswerRequest("HS_SECKEY", USER, 300, signed),
        session_id=challenge.envelope.session_id,
    )
    assert reply.response_code == ResponseCode.AUTHENTICATION_FAILED


def test_what_everybody_may_write_takes_no_key(client: Connection, network: MemoryNetwork):
    changed = RecordRequest("88.901.1/old", values(text_value(4, "NOTE", "by anybody")))
    assert client.send(OpCode.MODIFY_VALUE, changed).response_code == ResponseCode.SUCCESS
    record = network.states["works"].store.get("88.901.1/old")
    assert record is not None
    assert record.select((4,), ())[0].text == "by anybody"


def test_an_unreachable_prefix_record_refuses(client: Connection, network: MemoryNetwork):
    network.down.add("optics")
    assert client.do(*CREATE).response_code == ResponseCode.INVALID_ADMIN
    assert network.states["works"].store.get(HANDLE) is None


def test_the_record_may_not_change_under_the_hands(client: Connection, network: MemoryNetwork):
    """Between the check and the write somebody else changes the record: it is checked again."""
    state = network.states["works"]
    apply, calls = state.store.apply, []

    def late(changes: Iterable, unix_now: int) -> list[bool]:
        if not calls:
            calls.append(1)
            state.store.put_many([("88.901.1/old", values(text_value(1, "URL", "theirs")))])
        return apply(changes, unix_now)

    state.store.apply = late
    reply = client.do(*DELETE)
    assert reply.response_code == ResponseCode.INVALID_ADMIN, "the new record names nobody"
    assert state.store.get("88.901.1/old") is not None


@pytest.mark.parametrize(
    ("handle", "code"),
    [
        ("0.NA/88.902", ResponseCode.AUTHENTICATION_NEEDED),
        ("0.NA/88.901.5", ResponseCode.NOT_RESPONSIBLE),
        ("0.NA/88.901.5.1", ResponseCode.NOT_RESPONSIBLE),
        ("0.NA/88", ResponseCode.NOT_RESPONSIBLE),
        ("0.NA/99", ResponseCode.NOT_RESPONSIBLE),
    ],
)
def test_a_prefix_is_registered_where_it_will_be_looked_for(handle: str, code: int):
    network = MemoryNetwork()
    below = [site_value(2, "HS_SITE.PREFIX", network.site("optics"))]
    network.add("wuhan", "top-level", delegates=["88"], records=[("0.NA/88.901", below)])
    reply = Connection(network, "wuhan").send(OpCode.CREATE_HANDLE, create(handle))
    assert reply.response_code == code
