"""Generated messages round-trip, and no octets raise anything but WireError."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.model.handle import fold
from resolver.model.site import AdminRecord, Interface, Server, Site
from resolver.model.value import HandleValue, Permission, Reference, TtlType
from resolver.wire import bodies, typed
from resolver.wire.credential import Credential
from resolver.wire.cursor import Reader, Writer, decode_text, encode_text
from resolver.wire.envelope import MAX_MESSAGE, Envelope, decode_envelope, encode_envelope
from resolver.wire.fragments import Reassembler, fragment
from resolver.wire.message import (
    Digest,
    Message,
    decode_message,
    decode_request,
    encode_message,
)
from resolver.wire.proof import MacProof, Pbkdf2Proof, SignatureProof, decode_proof, encode_proof
from resolver.wire.stream import FrameReader, OversizeError
from resolver.wire.values import ValueList
from resolver.wire.version import code_for, reply_version
from tests.support.recorded import exchanges

u1 = st.integers(0, 0xFF)
u2 = st.integers(0, 0xFFFF)
u4 = st.integers(0, 0xFFFFFFFF)
i4 = st.integers(-(2**31), 2**31 - 1)
octets = st.binary(max_size=40)
# Any octets at all, as the text they decode to: not only what is UTF-8.
texts = st.one_of(st.text(max_size=12), st.binary(max_size=12).map(decode_text)).filter(
    lambda text: _encodes(text)
)
names = st.sampled_from(["URL", "url", "url.mirror", "URL.a.b", "EMAIL", "HS_SITE", "描述", ""])


def _encodes(text: str) -> bool:
    try:
        return decode_text(encode_text(text)) == text
    except WireError:
        return False


references = st.builds(Reference, texts, i4)
values = st.builds(
    HandleValue,
    index=i4,
    type=st.one_of(names, texts),
    data=octets,
    ttl=i4,
    ttl_type=u1,
    timestamp=u4,
    permissions=u1,
    references=st.lists(references, max_size=2).map(tuple),
)
value_lists = st.lists(values, max_size=5).map(ValueList.of)
indexes = st.lists(i4, max_size=4).map(tuple)
some_texts = st.lists(texts, max_size=3).map(tuple)
versions = st.sampled_from([(2, 0), (2, 1), (2, 3), (2, 5), (2, 7), (2, 8), (2, 10), (2, 11)])
envelopes = st.builds(
    Envelope,
    version=versions,
    suggested=st.tuples(st.integers(0, 3), u1),
    session_id=u4,
    request_id=u4,
    sequence=u4,
    length=u4,
    compressed=st.booleans(),
    encrypted=st.booleans(),
    truncated=st.booleans(),
    spare_flags=st.sampled_from([0, 4, 8, 16, 28]),
)

handle_requests = st.builds(bodies.HandleRequest, texts)
record_requests = st.builds(bodies.RecordRequest, texts, value_lists)
session_setups = st.one_of(
    st.builds(
        bodies.SessionSetupRequest, st.sampled_from([1, 4]), u4, texts, i4, public_key=octets
    ),
    st.builds(bodies.SessionSetupRequest, st.just(2), u4, texts, i4),
    st.builds(
        bodies.SessionSetupRequest, st.just(3), u4, texts, i4, key_handle=texts, key_index=i4
    ),
)
raw = st.builds(bodies.RawBody, octets)
REQUESTS = {
    OpCode.RESOLVE: st.builds(bodies.ResolveRequest, texts, indexes, some_texts),
    OpCode.GET_SITE: handle_requests,
    OpCode.CREATE_HANDLE: record_requests,
    OpCode.DELETE_HANDLE: handle_requests,
    OpCode.ADD_VALUE: record_requests,
    OpCode.REMOVE_VALUE: st.builds(bodies.RemoveRequest, texts, indexes),
    OpCode.MODIFY_VALUE: record_requests,
    OpCode.LIST_HANDLES: handle_requests,
    OpCode.CHALLENGE_ANSWER: st.builds(bodies.ChallengeAnswerRequest, texts, texts, i4, octets),
    OpCode.VERIFY_CHALLENGE: st.builds(bodies.VerifyRequest, texts, i4, octets, octets, octets),
    OpCode.HOME_PREFIX: handle_requests,
    OpCode.UNHOME_PREFIX: handle_requests,
    OpCode.LIST_HOMED: handle_requests,
    OpCode.SESSION_SETUP: session_setups,
    OpCode.SESSION_TERMINATE: handle_requests,
    OpCode.SESSION_EXCHANGE_KEY: st.builds(bodies.KeyExchangeRequest, octets),
    OpCode.NEXT_TRANSACTION: handle_requests,
    OpCode.RETRIEVE_TRANSACTIONS: raw,
    OpCode.DUMP_HANDLES: raw,
    OpCode.BACKUP_SERVER: handle_requests,
    OpCode.LOGIN_PASSWORD: st.builds(bodies.ResolveRequest, texts, indexes, some_texts),
    OpCode.LOGIN_KEY: st.builds(bodies.LoginRequest, texts, i4),
}
nothing = st.just(bodies.EmptyBody())
some_handles = st.builds(bodies.HandlesAnswer, some_texts)
SUCCESSES = {
    OpCode.RESOLVE: st.builds(bodies.RecordAnswer, texts, value_lists),
    OpCode.GET_SITE: st.builds(bodies.SiteAnswer, octets),
    OpCode.CREATE_HANDLE: st.builds(bodies.HandleAnswer, st.none() | texts),
    OpCode.DELETE_HANDLE: nothing,
    OpCode.LIST_HANDLES: some_handles,
    OpCode.LIST_HOMED: some_handles,
    OpCode.VERIFY_CHALLENGE: st.builds(bodies.VerifiedAnswer, u1),
    OpCode.SESSION_SETUP: st.builds(bodies.SessionAnswer, u2, octets),
    OpCode.LOGIN_PASSWORD: st.builds(bodies.LoginAnswer, texts, u4),
    OpCode.LOGIN_KEY: nothing,
}
credentials = st.builds(
    Credential,
    type=st.sampled_from(["HS_SIGNED", "X"]),
    hash_algorithm=texts,
    signature=octets,
    session_counter=i4,
    signer=texts,
    version=u1,
    reserved=u1,
    options=u2,
    tail=octets,
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Requests and replies of every operation, in every version."""
    envelope = draw(envelopes)
    envelope.encrypted = False
    common = {
        "envelope": envelope,
        "site_serial": draw(u2),
        "recursion_count": draw(u1),
        "expiration": draw(u4),
        "reserved": draw(u1),
        "credential": draw(st.none() | credentials),
    }
    flags = draw(u4) & ~OpFlag.RRDG & ~OpFlag.RECU_AUTH
    if draw(st.booleans()):
        op_code = draw(st.sampled_from(sorted(REQUESTS)))
        return Message(op_code=op_code, flags=flags, body=draw(REQUESTS[op_code]), **common)
    op_code = draw(st.sampled_from(sorted(SUCCESSES)))
    code = draw(st.sampled_from([1, 2, 100, 200, 301, 302, 303, 402, 601]))
    body = {
        1: SUCCESSES[op_code],
        302: st.builds(bodies.ReferralAnswer, texts, st.none() | value_lists),
        303: st.builds(bodies.ReferralAnswer, texts, st.none() | value_lists),
        402: st.builds(bodies.ChallengeAnswer, octets),
    }.get(code, st.builds(bodies.ErrorAnswer, st.none() | texts))
    digest = None
    if code == 402 or draw(st.booleans()):
        if envelope.version < (2, 1):
            digest = Digest(None, draw(octets))
        else:
            hash_code, length = draw(st.sampled_from([(1, 16), (2, 20), (3, 32)]))
            digest = Digest(hash_code, draw(st.binary(min_size=length, max_size=length)))
        flags |= OpFlag.RRDG
    return Message(
        op_code=op_code, response_code=code, flags=flags, body=draw(body), digest=digest, **common
    )


@given(messages())
def test_messages_round_trip(message: Message) -> None:
    encoded = encode_message(message)
    decoded = decode_message(encoded)
    assert encode_message(decoded) == encoded
    decoded.envelope.length = message.envelope.length
    assert decoded == message
    if not message.response_code:
        decode_request(encoded)


@given(st.data())
def test_octets_behind_a_body_are_kept(data: st.DataObject) -> None:
    """id-pointer sends four of them, CNRI two; recursive identity transfer reads them."""
    body = bodies.ResolveRequest("88.901.1/x", (1,), ("URL",))
    tail = data.draw(st.binary(min_size=1, max_size=6))
    message = Message(Envelope(), OpCode.RESOLVE, body=body, tail=tail)
    decoded = decode_message(encode_message(message))
    assert (decoded.body, decoded.tail) == (body, tail)
    auth = Message(
        Envelope(),
        OpCode.RESOLVE,
        flags=OpFlag.RECU_AUTH,
        body=bodies.ResolveRequest("88.901.1/x", auth="token"),
    )
    assert decode_message(encode_message(auth)).body == auth.body


@given(envelopes)
def test_envelopes_round_trip(envelope: Envelope) -> None:
    assert decode_envelope(encode_envelope(envelope)) == envelope


RECORDED = [
    octets for exchange in exchanges() for octets in (*exchange.requests, *exchange.replies)
]


@given(st.binary(max_size=300))
@example(bytes(20))
@example(bytes(19) + b"\x18" + bytes(24))
def test_any_octets_decode_or_are_refused(noise: bytes) -> None:
    decode_or_refuse(noise)


@given(st.data())
def test_damaged_messages_decode_or_are_refused(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from(RECORDED)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(octets) - 1))
        octets[position] = data.draw(u1)
    if data.draw(st.booleans()):
        del octets[data.draw(st.integers(0, len(octets))) :]
    decode_or_refuse(bytes(octets))


def decode_or_refuse(octets: bytes) -> None:
    for decode in (decode_message, decode_request, ValueList.parse, decode_envelope):
        try:
            decoded = decode(octets)
        except WireError:
            continue
        if isinstance(decoded, Message):
            encode_message(decoded)
    for decode in (
        typed.decode_site,
        typed.decode_admin,
        typed.decode_vlist,
        typed.decode_public_key,
    ):
        try:
            decode(octets)
        except WireError:
            continue
    for version in ((2, 0), (2, 11)):
        try:
            decode_proof("HS_SECKEY", octets, version)
        except WireError:
            continue
    reassembler = Reassembler()
    try:
        reassembler.feed(octets, "peer", 0.0)
        FrameReader().feed(octets)
    except WireError:
        pass


@pytest.mark.parametrize("count", [3, 100, 0x7FFFFFFF, 0xFFFFFFFF])
def test_counts_are_checked_before_anything_is_made(count: int) -> None:
    octets = Writer().u4(count).raw(bytes(60)).octets()
    for read in (Reader.texts, Reader.numbers, ValueList.read):
        if count > 2 and not (read is not ValueList.read and count == 3):
            with pytest.raises(WireError):
                read(Reader(octets))


@given(st.binary(min_size=1, max_size=6000), st.randoms(use_true_random=False), st.integers(0, 3))
def test_fragments_in_any_order_make_the_message(
    payload: bytes, order: object, duplicates: int
) -> None:
    message = encode_envelope(Envelope(request_id=7), len(payload)) + payload
    datagrams = fragment(message)
    assert all(len(datagram) <= 512 for datagram in datagrams)
    shuffled = datagrams + datagrams[:duplicates]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    reassembler = Reassembler()
    whole = [reassembler.feed(datagram, "peer", 0.0) for datagram in shuffled]
    found = [octets for octets in whole if octets is not None]
    assert found
    assert all(octets[20:] == payload for octets in found)


def test_fragments_wait_five_seconds_and_take_bounded_memory() -> None:
    reassembler = Reassembler(max_partial=4, max_octets=10_000)
    message = encode_envelope(Envelope(request_id=1), 900) + bytes(900)
    first, second = fragment(message)
    assert reassembler.feed(first, "a", 0.0) is None
    assert reassembler.feed(second, "b", 1.0) is None, "another peer's fragment is no help"
    assert reassembler.feed(second, "a", 4.9) is not None
    assert len(reassembler) == 1
    assert reassembler.expire(6.0) == 1
    assert reassembler.feed(first, "a", 10.0) is None
    assert reassembler.feed(second, "a", 15.1) is None, "too late"
    for number in range(1000):
        big = encode_envelope(Envelope(request_id=number), MAX_MESSAGE) + bytes(492)
        assert reassembler.feed(big, number % 3, 20.0) is None
        assert len(reassembler) <= 15
    for bad in (
        encode_envelope(Envelope(sequence=600), 1000) + bytes(492),
        encode_envelope(Envelope(sequence=1), 1000) + bytes(100),
        encode_envelope(Envelope(), MAX_MESSAGE + 1) + bytes(492),
        b"short",
    ):
        with pytest.raises(WireError):
            reassembler.feed(bad, "c", 20.0)


@given(st.lists(st.binary(max_size=80), max_size=6), st.data())
def test_frames_come_out_of_any_chunks(payloads: list[bytes], data: st.DataObject) -> None:
    frames = [encode_envelope(Envelope(), len(payload)) + payload for payload in payloads]
    stream = b"".join(frames)
    reader, found = FrameReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == frames
    assert reader.buffered == 0


def test_too_long_a_frame_ends_the_stream_but_not_what_came_before() -> None:
    good = encode_envelope(Envelope(request_id=1), 4) + b"good"
    bad = encode_envelope(Envelope(request_id=2), MAX_MESSAGE + 1)
    with pytest.raises(OversizeError) as refused:
        FrameReader().feed(good + bad + b"rest")
    assert refused.value.messages == [good]
    assert refused.value.envelope == bad


@given(value_lists, indexes, st.lists(names | st.just("url."), max_size=3).map(tuple))
def test_selection_is_that_of_the_plain_definition(
    record: ValueList, wanted: tuple[int, ...], types: tuple[str, ...]
) -> None:
    def selected(value: HandleValue) -> bool:
        if value.index in wanted or not (wanted or types):
            return True
        own = fold(value.type)
        return any(
            own == fold(type_.removesuffix("."))
            or (type_.endswith(".") and own.startswith(fold(type_)))
            for type_ in types
        )

    assert list(record.select(wanted, types)) == [value for value in record if selected(value)]


@given(value_lists, st.integers(0, 2**31))
def test_value_lists_know_their_values(record: ValueList, unix_now: int) -> None:
    plain = list(record)
    assert ValueList.of(plain) == record
    assert ValueList.parse(record.octets) == record
    public = [value for value in plain if value.permissions & Permission.PUBLIC_READ]
    assert list(record.public()) == public
    assert record.restricted == (len(public) < len(plain))
    assert record.readable_by_admin() == all(
        value.permissions & (Permission.PUBLIC_READ | Permission.ADMIN_READ) for value in plain
    )
    left = [
        value.ttl - unix_now if value.ttl_type == TtlType.ABSOLUTE else value.ttl for value in plain
    ]
    assert record.lifetime(unix_now) == max(0, min(left, default=86400))


@given(
    st.builds(
        Site,
        servers=st.lists(
            st.builds(
                Server,
                u4,
                st.one_of(
                    st.integers(256, 2**32 - 1).map(IPv4Address),
                    st.integers(2**32, 2**128 - 1).map(IPv6Address),
                ),
                octets,
                st.lists(st.builds(Interface, u1, u1, u4), max_size=3).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
        version=u2,
        protocol=st.tuples(u1, u1),
        serial=u2,
        flags=u1,
        hash_option=u1,
        hash_filter=octets,
        attributes=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    )
)
def test_sites_round_trip(site: Site) -> None:
    assert typed.decode_site(typed.encode_site(site)) == site


@given(st.builds(AdminRecord, u2, texts, i4))
def test_administrators_round_trip(admin: AdminRecord) -> None:
    encoded = typed.encode_admin(admin)
    assert typed.decode_admin(encoded) == admin
    assert typed.decode_admin(encoded + b"\0\0") == admin, "old records have two octets more"


@given(st.lists(references, max_size=4).map(tuple))
def test_lists_round_trip(members: tuple[Reference, ...]) -> None:
    assert typed.decode_vlist(typed.encode_vlist(members)) == members


@given(
    st.one_of(
        st.builds(typed.RsaPublicKey, octets, octets, octets),
        st.builds(typed.DsaPublicKey, octets, octets, octets, octets, octets),
        st.builds(typed.DhPublicKey, octets, octets, octets, octets),
        st.builds(
            typed.PemPublicKey, st.sampled_from(["SM2_PUB_KEY", "SM9_PUB_KEY"]), octets, octets
        ),
        st.builds(typed.UnknownKey, st.just("ED_PUB_KEY"), octets),
    )
)
def test_public_keys_round_trip(key: typed.PublicKey) -> None:
    assert typed.decode_public_key(typed.encode_public_key(key)) == key


@given(
    st.one_of(
        st.builds(SignatureProof, texts, octets),
        st.builds(MacProof, st.sampled_from([1, 2, 3, 0x12, 0x13]), octets),
        st.builds(Pbkdf2Proof, octets, u4, u4, octets),
    )
)
def test_proofs_round_trip(proof: SignatureProof | MacProof | Pbkdf2Proof) -> None:
    kind = "HS_PUBKEY" if isinstance(proof, SignatureProof) else "HS_SECKEY"
    assert decode_proof(kind, encode_proof(proof), (2, 11)) == proof


@pytest.mark.parametrize(
    ("suggested", "version"),
    [
        ((2, 11), (2, 11)),
        ((2, 12), (2, 11)),
        ((3, 0), (2, 11)),
        ((2, 3), (2, 3)),
        ((2, 0), (2, 0)),
        ((1, 0), (1, 0)),
        ((5, 0), (1, 0)),
    ],
)
def test_reply_versions(suggested: tuple[int, int], version: tuple[int, int]) -> None:
    assert reply_version(suggested) == version


def test_old_clients_get_old_codes() -> None:
    assert code_for(ResponseCode.SERVER_BACKUP, (2, 3)) == ResponseCode.PREFIX_REFERRAL
    assert code_for(ResponseCode.INVALID_VALUE, (2, 3)) == ResponseCode.VALUE_EXISTS
    assert code_for(ResponseCode.INVALID_VALUE, (2, 5)) == ResponseCode.INVALID_VALUE
    assert code_for(ResponseCode.SUCCESS, (2, 0)) == ResponseCode.SUCCESS
