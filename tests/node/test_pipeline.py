"""What nodes of each role answer, octets in and octets out, without a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import StoreError
from resolver.model.site import Site
from resolver.wire.bodies import (
    ChallengeAnswer,
    ErrorAnswer,
    HandleRequest,
    RecordAnswer,
    ReferralAnswer,
    ResolveRequest,
    SiteAnswer,
)
from resolver.wire.envelope import Envelope, decode_envelope
from resolver.wire.message import Message, decode_message, digest_of, encode_message
from resolver.wire.typed import decode_site
from tests.support.memory_network import MemoryNetwork, four_tiers, text_value

ITERATIVE = OpFlag.PUBL | OpFlag.CACR


@pytest.fixture(scope="module")
def network() -> MemoryNetwork:
    return four_tiers()


def ask(network: MemoryNetwork, node: str, handle: str, **options: int) -> Message:
    request = ResolveRequest(handle, (), ())
    return network.send(node, request, **{"flags": ITERATIVE, **options})  # type: ignore[arg-type]


def referred_to(reply: Message) -> list[str | None]:
    assert isinstance(reply.body, ReferralAnswer)
    assert reply.body.handle == ""
    assert reply.body.values is not None
    sites: list[Site] = [decode_site(value.data) for value in reply.body.values]
    return [site.attribute("name") for site in sites]


def test_enterprise_answers_with_authority(network: MemoryNetwork) -> None:
    reply = ask(network, "works", "88.901.1/Motor")
    assert reply.response_code == ResponseCode.SUCCESS
    assert reply.flags == OpFlag.AUTH | OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
    assert isinstance(reply.body, RecordAnswer)
    assert reply.body.handle == "88.901.1/Motor"
    assert len(reply.body.values) == 3


@pytest.mark.parametrize(
    ("indexes", "types", "found"),
    [
        ((), (), [1, 2, 3]),
        ((2,), (), [2]),
        ((2,), ("URL",), [1, 2]),
        ((), ("url.",), [1, 3]),
        ((), ("desc",), [2]),
        ((-1, 2, 2), (), [2]),
    ],
)
def test_selection(
    network: MemoryNetwork, indexes: tuple[int, ...], types: tuple[str, ...], found: list[int]
) -> None:
    reply = network.send("works", ResolveRequest("88.901.1/motor", indexes, types))
    assert isinstance(reply.body, RecordAnswer)
    assert [value.index for value in reply.body.values] == found


@pytest.mark.parametrize(
    ("node", "handle", "code"),
    [
        ("works", "88.901.1/none", ResponseCode.HANDLE_NOT_FOUND),
        ("works", "88.901.2/x", ResponseCode.NOT_RESPONSIBLE),
        ("works", "0.NA/88.901.1", ResponseCode.NOT_RESPONSIBLE),
        ("wuhan", "88.901.1/motor", ResponseCode.NOT_RESPONSIBLE),
        ("wuhan", "0.NA/88.990", ResponseCode.HANDLE_NOT_FOUND),
        ("wuhan", "88.901", ResponseCode.SUCCESS),
        ("optics", "88.901.1", ResponseCode.SUCCESS),
        ("optics", "0.na/88.901.1", ResponseCode.SUCCESS),
        ("root", "0.NA/99", ResponseCode.HANDLE_NOT_FOUND),
        ("recursive", "0", ResponseCode.HANDLE_NOT_FOUND),
        ("works", "0", ResponseCode.HANDLE_NOT_FOUND),
        ("works", "", ResponseCode.NOT_RESPONSIBLE),
        ("recursive", "/x", ResponseCode.INVALID_HANDLE),
        ("works", "88.901.1/" + "x" * 2048, ResponseCode.INVALID_HANDLE),
    ],
)
def test_response_codes(network: MemoryNetwork, node: str, handle: str, code: int) -> None:
    assert ask(network, node, handle).response_code == code


def test_prefix_below_a_delegation_is_a_prefix_referral(network: MemoryNetwork) -> None:
    reply = ask(network, "wuhan", "0.NA/88.901.1")
    assert reply.response_code == ResponseCode.PREFIX_REFERRAL
    assert referred_to(reply) == ["optics"]
    assert referred_to(ask(network, "root", "88.901.1.5")) == ["wuhan"]


def test_do_not_refer(network: MemoryNetwork) -> None:
    reply = ask(network, "wuhan", "0.NA/88.901.1", flags=ITERATIVE | OpFlag.DNRF)
    assert reply.response_code == ResponseCode.HANDLE_NOT_FOUND
    assert reply.flags & OpFlag.DNRF
    reply = ask(network, "optics", "88.901.1/motor", flags=ITERATIVE | OpFlag.DNRF)
    assert reply.response_code == ResponseCode.NOT_RESPONSIBLE


def test_identifier_served_elsewhere_is_a_service_referral(network: MemoryNetwork) -> None:
    reply = ask(network, "optics", "88.901.1/motor")
    assert reply.response_code == ResponseCode.SERVICE_REFERRAL
    assert referred_to(reply) == ["works"]


def test_service_handle_is_named_in_the_referral(network: MemoryNetwork) -> None:
    reply = ask(network, "wuhan", "88.902/x")
    assert reply.response_code == ResponseCode.SERVICE_REFERRAL
    assert isinstance(reply.body, ReferralAnswer)
    assert reply.body.handle == "88.901/SERVICE"


def test_recursion_on_request_at_every_tier(network: MemoryNetwork) -> None:
    for node in ("wuhan", "optics", "recursive"):
        reply = ask(network, node, "88.901.1/motor", flags=ITERATIVE | OpFlag.RECU)
        assert reply.response_code == ResponseCode.SUCCESS
        assert reply.recursion_count == 1
    reply = ask(network, "works", "88.901.9/hosted", flags=ITERATIVE | OpFlag.RECU)
    assert reply.response_code == ResponseCode.SUCCESS


def test_recursion_count_is_bounded(network: MemoryNetwork) -> None:
    reply = ask(
        network, "recursive", "88.901.1/motor", recursion_count=11, flags=ITERATIVE | OpFlag.RECU
    )
    assert reply.response_code == ResponseCode.RECURSION_TOO_HIGH
    # A node that has the record does not care how far the question came.
    assert ask(network, "works", "88.901.1/motor", recursion_count=200).response_code == 1


def test_restricted_values(network: MemoryNetwork) -> None:
    def code(indexes: tuple[int, ...], flags: int, suggested: tuple[int, int] = (2, 11)) -> int:
        request = ResolveRequest("88.901.1/secret", indexes, ())
        return network.send("works", request, flags=flags, suggested=suggested).response_code

    assert code((), OpFlag.PUBL) == ResponseCode.SUCCESS
    assert code((2,), OpFlag.PUBL) == ResponseCode.VALUES_NOT_FOUND
    assert code((1,), 0) == ResponseCode.SUCCESS
    assert code((2,), 0) == ResponseCode.AUTHENTICATION_NEEDED
    assert code((3,), 0) == ResponseCode.INSUFFICIENT_PERMISSION
    # CAICT's ID-SDK sends no flags and cannot answer a challenge: it gets what is public.
    assert code((), 0, (2, 10)) == ResponseCode.SUCCESS
    # Through the recursive node nobody can answer the holder's challenge.
    reply = network.send("recursive", ResolveRequest("88.901.1/secret", (2,), ()), flags=0)
    assert reply.response_code == ResponseCode.UNABLE_TO_AUTHENTICATE


def test_challenge_carries_nonce_and_digest_of_the_request(network: MemoryNetwork) -> None:
    request = encode_message(
        Message(
            envelope=Envelope(request_id=9),
            op_code=OpCode.RESOLVE,
            body=ResolveRequest("88.901.1/secret", (2,), ()),
        )
    )
    reply = decode_message(network.send_octets("works", request))
    assert reply.flags & OpFlag.RRDG
    assert reply.digest == digest_of(request, (2, 11))
    assert reply.envelope.session_id != 0
    assert isinstance(reply.body, ChallengeAnswer)
    assert len(reply.body.nonce) == 16


def test_request_digest_on_demand(network: MemoryNetwork) -> None:
    for version in ((2, 11), (2, 3), (2, 0)):
        request = encode_message(
            Message(
                envelope=Envelope(version=version, suggested=version, request_id=9),
                op_code=OpCode.RESOLVE,
                flags=ITERATIVE | OpFlag.RRDG,
                body=ResolveRequest("88.901.1/motor", (), ()),
            )
        )
        reply = decode_message(network.send_octets("works", request))
        assert reply.envelope.version == version
        assert reply.digest == digest_of(request, version)


def test_site_info_for_any_handle(network: MemoryNetwork) -> None:
    reply = network.send("optics", HandleRequest("/"), op_code=OpCode.GET_SITE)  # type: ignore[arg-type]
    assert reply.response_code == ResponseCode.SUCCESS
    assert isinstance(reply.body, SiteAnswer)
    assert decode_site(reply.body.octets).attribute("name") == "optics"


@pytest.mark.parametrize(
    ("op_code", "code"),
    [
        (OpCode.NEXT_TRANSACTION, ResponseCode.NOT_SUPPORTED),
        (OpCode.DUMP_HANDLES, ResponseCode.NOT_SUPPORTED),
    ],
)
def test_operations_that_are_not_offered(network: MemoryNetwork, op_code: int, code: int) -> None:
    reply = network.send("works", HandleRequest("88.901.1/x"), op_code=op_code)  # type: ignore[arg-type]
    assert reply.op_code == op_code
    assert reply.response_code == code
    assert isinstance(reply.body, ErrorAnswer)
    assert reply.body.message


def test_session_ids(network: MemoryNetwork) -> None:
    def reply_to(version: tuple[int, int], session_id: int) -> Message:
        message = Message(
            envelope=Envelope(version=version, request_id=9, session_id=session_id),
            op_code=OpCode.RESOLVE,
            flags=ITERATIVE,
            body=ResolveRequest("88.901.1/motor", (), ()),
        )
        message.envelope.suggested = (2, 11)
        return decode_message(network.send_octets("works", encode_message(message)))

    assert reply_to((2, 11), 12345).response_code == ResponseCode.SESSION_TIMEOUT
    # The id-pointer SDK picks its own session ids and expects them back.
    reply = reply_to((2, 10), 12345)
    assert reply.response_code == ResponseCode.SUCCESS
    assert reply.envelope.session_id == 12345


@given(st.binary(max_size=200))
def test_any_octets_get_an_error_reply(octets: bytes) -> None:
    network = NOISE
    reply = decode_message(network.send_octets("works", octets))
    assert reply.response_code != ResponseCode.SUCCESS
    if len(octets) >= 20:
        assert reply.envelope.request_id == decode_envelope(octets).request_id


NOISE = four_tiers()


def test_fresh_values_are_seen_at_once(network: MemoryNetwork) -> None:
    from resolver.wire.values import ValueList

    assert ask(network, "works", "88.901.1/new").response_code == ResponseCode.HANDLE_NOT_FOUND
    network.states["works"].store.put_many(
        [("88.901.1/new", ValueList.of([text_value(1, "URL", "https://example.com/new")]))]
    )
    assert ask(network, "works", "88.901.1/new").response_code == ResponseCode.SUCCESS


def test_looks_into_the_caches_are_counted() -> None:
    network = four_tiers()
    network.ask("recursive", "88.901.1/motor")
    network.ask("recursive", "88.901.1/motor")
    network.ask("recursive", "88.901.1/secret")
    network.ask("recursive", "88.901.1/nothing")
    network.ask("recursive", "88.901.1/nothing")

    lookups = network.states["recursive"].counters.cache_lookups
    assert lookups["leaf", "hit"] == 1
    assert lookups["leaf", "miss"] == 3
    assert lookups["negative", "hit"] == 1
    assert lookups["route", "hit"] == 2, "the second and third identifier knew the way"
    assert lookups["route", "miss"] == 2


def test_a_question_that_counts_is_not_multiplied() -> None:
    """A recursive node that another resolution comes to does not begin one of its own."""
    network = four_tiers()
    iterative = OpFlag.PUBL | OpFlag.CACR
    asked = ResolveRequest("88.901.1/motor")
    first = network.send("recursive", asked, flags=iterative)
    assert first.response_code == ResponseCode.SUCCESS
    network.asked.clear()
    other = ResolveRequest("88.901.1/secret")
    reply = network.send("recursive", other, flags=iterative, recursion_count=1)
    assert (reply.response_code, network.asked) == (ResponseCode.NOT_RESPONSIBLE, [])


def test_a_record_that_cannot_be_read_is_an_answer() -> None:
    network = four_tiers()

    def damaged(handle: str) -> None:
        raise StoreError("the file is damaged")

    network.states["works"].store.get = damaged  # type: ignore[method-assign]
    reply = network.send("works", ResolveRequest("88.901.1/motor"))
    assert reply.response_code == ResponseCode.ERROR
    assert isinstance(reply.body, ErrorAnswer)
    assert reply.body.message == "the file is damaged"
