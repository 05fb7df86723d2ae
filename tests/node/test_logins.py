"""Clients of the national system log in once; their connection is theirs from then on."""

import pytest

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.security.sm2 import sm2_public, sm2_public_pem, sm2_sign, sm3
from resolver.wire.answer import Client
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    ChallengeAnswerRequest,
    HandleRequest,
    LoginAnswer,
    LoginRequest,
    RecordAnswer,
    RecordRequest,
    ResolveRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.proof import MacProof, SignatureProof, challenge_octets, encode_proof
from resolver.wire.typed import PemPublicKey, encode_admin, encode_public_key
from resolver.wire.values import ValueList
from tests.conformance.prover import mac_of
from tests.support.memory_network import MemoryNetwork, text_value

USER, SECRET, OLD = "88.901.1/USER", "known to the user", "88.901.1/old"
ID_SDK, ID_POINTER, HDLLIB = ((2, 3), (2, 10)), ((2, 10), (2, 11)), ((2, 11), (2, 11))
SM2_KEY = b"\x07" * 32
SM2_PUBLIC = PemPublicKey("SM2_PUB_KEY", sm2_public_pem(sm2_public(SM2_KEY)))
DELETE = (OpCode.DELETE_HANDLE, HandleRequest(OLD))


class Socket:
    """Stands for a TCP connection."""


class Sdk:
    """A client on a connection of its own, or on none."""

    def __init__(self, network: MemoryNetwork, versions=ID_SDK, transport: str = "tcp") -> None:
        self.network = network
        self.version, self.suggested = versions
        self.connection = Socket() if transport == "tcp" else None
        self.client = Client(transport, "127.0.0.1", 1, connection=self.connection)

    def send(self, op_code: int, body: Body, *, session_id: int = 0, flags: int = 0) -> Message:
        envelope = Envelope(self.version, self.suggested, session_id=session_id, request_id=7)
        octets = encode_message(Message(envelope, op_code, flags=flags, body=body))
        return decode_message(self.network.send_octets("works", octets, self.client))

    def log_in(self, *, secret: str = SECRET) -> Message:
        asked = self.send(OpCode.LOGIN_KEY, LoginRequest(USER, 300), flags=OpFlag.RRDG)
        assert asked.response_code == ResponseCode.AUTHENTICATION_NEEDED
        assert isinstance(asked.body, ChallengeAnswer)
        assert asked.digest is not None
        octets = challenge_octets(asked.body.nonce, asked.digest)
        proof = encode_proof(MacProof(3, mac_of(3, secret.encode(), octets)))
        return self.send(
            OpCode.CHALLENGE_ANSWER,
            ChallengeAnswerRequest("HS_SECKEY", USER, 300, proof),
            session_id=asked.envelope.session_id,
            flags=OpFlag.RRDG,
        )

    def log_in_with(self, password: str) -> Message:
        return self.send(OpCode.LOGIN_PASSWORD, ResolveRequest(USER, (), (password,)))


@pytest.fixture
def network() -> MemoryNetwork:
    network = MemoryNetwork()
    admin = encode_admin(AdminRecord(AdminRight.ALL, USER, 0))
    network.add(
        "works",
        "enterprise",
        homes=["88.901.1"],
        records=[
            (
                USER,
                [
                    HandleValue(300, "HS_SECKEY", SECRET.encode(), permissions=0x0C),
                    HandleValue(303, "HS_PUBKEY", encode_public_key(SM2_PUBLIC)),
                ],
            ),
            (
                OLD,
                [
                    text_value(1, "URL", "https://example.com/"),
                    text_value(2, "NOTE", "restricted", permissions=0x0C),
                    HandleValue(100, "HS_ADMIN", admin),
                ],
            ),
        ],
    )
    return network


@pytest.mark.parametrize("versions", [ID_SDK, ID_POINTER])
def test_a_login_with_a_key(network: MemoryNetwork, versions):
    sdk = Sdk(network, versions)
    done = sdk.log_in()
    assert (done.op_code, done.response_code) == (OpCode.LOGIN_KEY, ResponseCode.SUCCESS)
    assert not done.flags & OpFlag.RRDG
    assert sdk.send(*DELETE).response_code == ResponseCode.SUCCESS
    assert network.states["works"].store.get(OLD) is None


def test_a_login_with_an_sm2_key(network: MemoryNetwork):
    sdk, session_id = Sdk(network, ID_POINTER), 10001
    asked = sdk.send(
        OpCode.LOGIN_KEY, LoginRequest(USER, 303), flags=OpFlag.RRDG, session_id=session_id
    )
    assert isinstance(asked.body, ChallengeAnswer)
    assert asked.digest is not None
    message = sm3(challenge_octets(asked.body.nonce, asked.digest))
    proof = SignatureProof("SM3", sm2_sign(SM2_KEY, message, USER.encode()))
    done = sdk.send(
        OpCode.CHALLENGE_ANSWER,
        ChallengeAnswerRequest("HS_PUBKEY", USER, 303, encode_proof(proof)),
        session_id=asked.envelope.session_id,
    )
    assert (done.op_code, done.response_code) == (OpCode.LOGIN_KEY, ResponseCode.SUCCESS)
    deleted = sdk.send(*DELETE, session_id=session_id)
    assert (deleted.response_code, deleted.envelope.session_id) == (1, session_id)


def test_a_login_with_a_password(network: MemoryNetwork):
    sdk = Sdk(network)
    done = sdk.log_in_with(SECRET)
    assert (done.op_code, done.response_code) == (OpCode.LOGIN_PASSWORD, ResponseCode.SUCCESS)
    assert done.body == LoginAnswer(USER, 0)
    assert sdk.send(*DELETE).response_code == ResponseCode.SUCCESS


@pytest.mark.parametrize("way", ["log_in", "log_in_with"])
def test_a_login_that_fails_changes_nothing(network: MemoryNetwork, way: str):
    sdk = Sdk(network)
    failed = sdk.log_in(secret="guess") if way == "log_in" else sdk.log_in_with("guess")
    assert failed.response_code == ResponseCode.AUTHENTICATION_FAILED
    assert sdk.send(*DELETE).response_code == ResponseCode.LOGIN_FIRST
    assert network.states["works"].store.get(OLD) is not None


@pytest.mark.parametrize(
    ("versions", "code"),
    [
        (ID_SDK, ResponseCode.LOGIN_FIRST),
        (ID_POINTER, ResponseCode.INVALID_ADMIN),
        (HDLLIB, ResponseCode.AUTHENTICATION_NEEDED),
    ],
)
def test_each_generation_is_told_what_it_understands(network: MemoryNetwork, versions, code: int):
    assert Sdk(network, versions).send(*DELETE).response_code == code


def test_a_login_is_for_one_connection(network: MemoryNetwork):
    first, second = Sdk(network), Sdk(network)
    first.log_in()
    assert second.send(*DELETE).response_code == ResponseCode.LOGIN_FIRST


def test_a_login_ends_with_its_connection(network: MemoryNetwork):
    sdk = Sdk(network)
    sdk.log_in()
    assert len(network.states["works"].logins) == 1
    del sdk
    assert len(network.states["works"].logins) == 0


def test_there_is_no_login_without_a_connection(network: MemoryNetwork):
    sdk = Sdk(network, transport="udp")
    for reply in (
        sdk.send(OpCode.LOGIN_KEY, LoginRequest(USER, 300)),
        sdk.log_in_with(SECRET),
    ):
        assert reply.response_code == ResponseCode.NOT_SUPPORTED


def test_a_password_is_one(network: MemoryNetwork):
    reply = Sdk(network).send(OpCode.LOGIN_PASSWORD, ResolveRequest(USER, (), ("a", "b")))
    assert reply.response_code == ResponseCode.PROTOCOL_ERROR


def test_restricted_values_are_read_after_a_login(network: MemoryNetwork):
    sdk = Sdk(network, HDLLIB)
    asked = (OpCode.RESOLVE, ResolveRequest(OLD, (2,)))
    assert sdk.send(*asked).response_code == ResponseCode.AUTHENTICATION_NEEDED
    sdk.log_in()
    reply = sdk.send(*asked)
    assert isinstance(reply.body, RecordAnswer)
    assert reply.body.values[0].text == "restricted"
    public = sdk.send(*asked, flags=OpFlag.PUBL)
    assert public.response_code == ResponseCode.VALUES_NOT_FOUND


def test_who_has_logged_in_is_still_no_administrator_of_everything(network: MemoryNetwork):
    sdk = Sdk(network)
    sdk.log_in()
    own = (OpCode.DELETE_HANDLE, HandleRequest(USER))
    assert sdk.send(*own).response_code == ResponseCode.INVALID_ADMIN


@pytest.mark.parametrize(
    ("versions", "code"),
    [
        (ID_SDK, ResponseCode.LOGIN_AGAIN),
        (ID_POINTER, ResponseCode.INVALID_ADMIN),
        (HDLLIB, ResponseCode.AUTHENTICATION_NEEDED),
    ],
)
def test_a_login_does_not_last_for_ever(network: MemoryNetwork, versions, code):
    sdk = Sdk(network, versions)
    sdk.log_in()
    network.now += network.states["works"].login_lifetime_s
    asked = (OpCode.CREATE_HANDLE, RecordRequest(OLD, ValueList.of([])))
    assert sdk.send(*asked).response_code == ResponseCode.HANDLE_EXISTS, "still logged in"
    network.now += 1
    assert sdk.send(*DELETE).response_code == code
    sdk.log_in()
    assert sdk.send(*DELETE).response_code == ResponseCode.SUCCESS
