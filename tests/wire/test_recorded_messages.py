"""Every recorded clear message decodes, and encodes to the octets it came from."""

from collections import Counter

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.model.site import Site
from resolver.wire.bodies import (
    ChallengeAnswerRequest,
    EmptyBody,
    RawBody,
    RecordAnswer,
    ResolveRequest,
    SiteAnswer,
)
from resolver.wire.credential import SIGNED, signed_octets
from resolver.wire.envelope import decode_envelope, encode_envelope
from resolver.wire.fragments import fragment
from resolver.wire.message import decode_message, decode_request, digest_of, encode_message
from resolver.wire.proof import decode_proof, encode_proof
from resolver.wire.typed import (
    RsaPublicKey,
    decode_admin,
    decode_public_key,
    decode_site,
    decode_vlist,
    encode_admin,
    encode_public_key,
    encode_site,
    encode_vlist,
)
from tests.support.recorded import VECTORS, Exchange, exchanges

MALFORMED = {
    "opcode_zero": 4,
    "unknown_opcode": 2,
    "length_below_header": 4,
    "length_too_big": 2,
    "length_negative": 2,
    "truncated_body": 4,
    "half_close": 4,
    "bad_string_length": 2,
    "encrypted_no_session": 501,
    "encrypted_bad_session": 500,
    "response_code_in_request": 2,
    "udp_opcode_zero": 4,
    "udp_unknown_opcode": 2,
    "udp_short_packet": 4,
    # Handle.Net reads such a string as empty and answers 100; here a length past the end is damage.
    "handle_length_past_end": 2,
    # No message at all: HTTP text where an envelope should be.
    "http_on_handle_port": 4,
    # Its server cuts the datagram to 512 octets and finds no message; the codec sees a good one.
    "udp_big_single_datagram": None,
    # The fragment that never came.
    "udp_fragment_missing": None,
}
"""Requests recorded to see a server refuse them → the code that WireError carries."""

ALL = [
    (exchange, side, octets)
    for exchange in exchanges()
    for side, messages in (("request", exchange.requests), ("reply", exchange.replies))
    for octets in messages
]
CLEAR = [
    (exchange, side, octets)
    for exchange, side, octets in ALL
    if not (side == "request" and MALFORMED.get(exchange.name))
    and not decode_envelope(octets).encrypted
]


def test_the_recordings_are_there() -> None:
    assert len(CLEAR) >= 700
    assert sum(decode_envelope(octets).encrypted for _, _, octets in ALL if len(octets) >= 20) >= 10
    assert Counter(side for _, side, _ in CLEAR)["reply"] >= 300


@pytest.mark.parametrize("exchange", exchanges(), ids=lambda exchange: exchange.id)
def test_messages_round_trip(exchange: Exchange) -> None:
    for other, _, octets in CLEAR:
        if other is exchange:
            assert encode_message(decode_message(octets)) == octets


def test_every_octet_of_a_body_is_understood() -> None:
    """Nothing but what the notes tell of is left in tails, and no body of a known operation is
    kept as raw octets."""
    tails = Counter()
    for _, _, octets in CLEAR:
        message = decode_message(octets)
        if message.op_code in OpCode.__members__.values() and message.op_code < 1000:
            assert not isinstance(message.body, RawBody)
        if message.tail:
            tails[message.op_code, bytes(message.tail)] += 1
        assert not message.slack
    # Session setup leaves two octets more than it fills; one recorded client adds its own.
    assert {op for op, _ in tails} <= {OpCode.RESOLVE, OpCode.SESSION_SETUP}
    assert all(tail == bytes(2) for op, tail in tails if op == OpCode.SESSION_SETUP)


@pytest.mark.parametrize(("name", "code"), MALFORMED.items())
def test_malformed_requests_are_refused(name: str, code: int | None) -> None:
    exchange = next(exchange for exchange in exchanges() if exchange.name == name)
    if code is None:
        return
    with pytest.raises(WireError) as refused:
        decode_request(b"".join(exchange.request_parts))
    assert refused.value.code == code


def test_typed_data_round_trips() -> None:
    pairs = {
        "HS_SITE": (decode_site, encode_site),
        "HS_SITE.PREFIX": (decode_site, encode_site),
        "HS_ADMIN": (decode_admin, encode_admin),
        "HS_VLIST": (decode_vlist, encode_vlist),
    }
    seen = Counter()
    for _, _, octets in CLEAR:
        body = decode_message(octets).body
        for value in getattr(body, "values", None) or ():
            if value.type in pairs:
                decode, encode = pairs[value.type]
                assert encode(decode(value.data)) == value.data
                seen[value.type] += 1
    assert set(seen) == set(pairs)
    keys = [*(VECTORS / "keys").glob("*pub.bin"), *(VECTORS / "keys").glob("*pubkey.bin")]
    assert len(keys) >= 8
    for path in keys:
        octets = path.read_bytes()
        assert encode_public_key(decode_public_key(octets)) == octets


def test_fragments_are_cut_as_recorded() -> None:
    """The fragments we cut are those of the recorded server but for TRUNC, which it leaves out."""
    checked = 0
    for exchange in exchanges():
        if exchange.name not in ("resolve_large_udp", "resolve_three_packets_udp"):
            continue
        (reply,) = exchange.replies
        datagrams = fragment(reply)
        assert len(datagrams) == -(-(len(reply) - 20) // 492)
        for number, datagram in enumerate(datagrams):
            envelope = decode_envelope(datagram)
            assert (envelope.sequence, envelope.truncated) == (number, True)
            envelope.truncated = False
            envelope.sequence = 0
            assert encode_envelope(envelope) == reply[:20]
            assert len(datagram) <= 512
            checked += 1
        assert b"".join(datagram[20:] for datagram in datagrams) == reply[20:]
    assert checked > 40


def test_request_digests() -> None:
    checked = Counter()
    for exchange in exchanges():
        for request, reply in zip(exchange.requests, exchange.replies, strict=False):
            if len(reply) < 44 or decode_envelope(reply).encrypted:
                continue
            message = decode_message(reply)
            if message.digest is not None and not decode_envelope(request).encrypted:
                version = message.envelope.version
                assert digest_of(request, version) == message.digest, exchange.id
                checked[message.digest.code] += 1
    # SHA-1 in old versions, SHA-256, and the form of 2.0.
    assert set(checked) == {2, 3, None}


def test_server_signatures() -> None:
    """Replies to CERT are signed with the key of the server's own HS_SITE."""
    key = server_key()
    checked = Counter()
    for exchange in exchanges():
        for reply in exchange.replies:
            if exchange.port != 2641 or decode_envelope(reply).encrypted:
                continue
            message = decode_message(reply)
            credential = message.credential
            if credential is None or credential.type != SIGNED:
                continue
            algorithm = hashes.SHA256() if credential.hash_algorithm == "SHA-256" else hashes.SHA1()
            key.verify(
                credential.signature,
                signed_octets(reply, credential.session_counter),
                padding.PKCS1v15(),
                algorithm,
            )
            checked[message.envelope.version] += 1
    assert checked[2, 11] >= 4


def server_key() -> rsa.RSAPublicKey:
    record = decode_public_key((VECTORS / "keys" / "ent.pubkey.bin").read_bytes())
    assert isinstance(record, RsaPublicKey)
    numbers = [int.from_bytes(number, "big") for number in (record.exponent, record.modulus)]
    return rsa.RSAPublicNumbers(*numbers).public_key()


def test_challenge_proofs_round_trip() -> None:
    kinds = Counter()
    for _, _, octets in CLEAR:
        message = decode_message(octets)
        body = message.body
        if isinstance(body, ChallengeAnswerRequest):
            # The form belongs to the version in which the challenge was given.
            version = min(message.envelope.version, message.envelope.wanted)
            if len(body.signed_response) < 16:
                continue  # recorded to see a server refuse it
            proof = decode_proof(body.auth_type, body.signed_response, version)
            assert encode_proof(proof) == body.signed_response
            kinds[type(proof).__name__] += 1
    assert set(kinds) == {"SignatureProof", "MacProof", "Pbkdf2Proof"}


def test_the_worked_example() -> None:
    """docs/protocol.md §2: indexes 1 and 3 of 88.118.8/demo."""
    octets = bytes.fromhex(
        "020b020b000000001fe95158000000000000003d"
        "000000010000000019000000000100006b04df63000000210000000d38382e3131382e382f64656d6f"
        "00000002000000010000000300000000"
        "00000000"
    )
    message = decode_message(octets)
    assert message.envelope.request_id == 0x1FE95158
    assert message.op_code == OpCode.RESOLVE
    assert message.flags == OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
    assert message.site_serial == 1
    assert message.body == ResolveRequest("88.118.8/demo", (1, 3), ())
    assert encode_message(message) == octets


def test_a_recorded_answer_reads_as_its_client_saw_it() -> None:
    exchange = next(e for e in exchanges() if e.name == "resolve_all_udp")
    message = decode_message(exchange.replies[0])
    assert message.response_code == ResponseCode.SUCCESS
    assert isinstance(message.body, RecordAnswer)
    values = message.body.values
    assert [(value.index, value.type) for value in values] == [
        (100, "HS_ADMIN"),
        (1, "URL"),
        (2, "EMAIL"),
        (3, "DESC"),
        (4, "url.mirror"),
    ]
    assert values[1].text == "http://www.example.com/88.118.8/demo"
    assert decode_admin(values[0].data).handle == "88.118.8/ADMIN"


def test_sites_of_the_recorded_servers() -> None:
    sites: set[Site] = set()
    for _, _, octets in CLEAR:
        message = decode_message(octets)
        if isinstance(message.body, SiteAnswer):
            sites.add(decode_site(message.body.octets))
        assert not isinstance(message.body, EmptyBody) or message.tail == b""
    assert {site.attribute("desc") for site in sites} >= {"ent node"}
