"""Users whose keys live at another node: public keys are read there, secret ones checked there."""

import pytest

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.wire.answer import Client
from resolver.wire.bodies import (
    HandleRequest,
    LoginAnswer,
    ResolveRequest,
    VerifiedAnswer,
    VerifyRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.proof import MacProof, encode_proof
from resolver.wire.typed import encode_admin
from tests.conformance.prover import mac_of
from tests.support.connection import SECRET, USER, Connection
from tests.support.memory_network import MemoryNetwork, site_value, text_value

OLD = "88.902.1/old"
DELETE = (OpCode.DELETE_HANDLE, HandleRequest(OLD))


@pytest.fixture
def network() -> MemoryNetwork:
    """The user's key is at works; the record they administer is at mill."""
    network = MemoryNetwork()
    prefixes = [
        (f"0.NA/{prefix}", [site_value(1, "HS_SITE", network.site(name))])
        for prefix, name in (("88.901.1", "works"), ("88.902.1", "mill"))
    ]
    network.add("optics", "secondary", delegates=["88.901", "88.902"], records=prefixes)
    network.add(
        "works",
        "enterprise",
        homes=["88.901.1"],
        records=[
            (
                USER,
                [
                    HandleValue(300, "HS_SECKEY", SECRET, permissions=0x0C),
                    text_value(1, "URL", "https://example.com/"),
                ],
            )
        ],
    )
    admin = HandleValue(100, "HS_ADMIN", encode_admin(AdminRecord(AdminRight.ALL, USER, 300)))
    network.add(
        "mill",
        "enterprise",
        homes=["88.902.1"],
        hints=[("88.901", "optics"), ("88.902", "optics")],
        records=[(OLD, [text_value(1, "URL", "x"), admin])],
    )
    return network


def test_a_secret_key_is_checked_where_it_lives(network: MemoryNetwork):
    mill = Connection(network, "mill")
    wrong = mill.do(*DELETE, secret=b"guessed")
    assert wrong.response_code == ResponseCode.AUTHENTICATION_FAILED
    assert network.states["mill"].store.get(OLD) is not None
    assert mill.do(*DELETE).response_code == ResponseCode.SUCCESS
    assert network.states["mill"].store.get(OLD) is None


def test_nobody_is_believed_whose_node_is_silent(network: MemoryNetwork):
    network.down.add("works")
    reply = Connection(network, "mill").do(*DELETE)
    assert reply.response_code == ResponseCode.AUTHENTICATION_FAILED


def test_a_password_is_checked_where_the_secret_lives(network: MemoryNetwork):
    class Socket:
        """Stands for a TCP connection."""

    connection = Socket()

    def login(password: str) -> Message:
        body = ResolveRequest(USER, (300,), (password,))
        octets = encode_message(Message(Envelope(), OpCode.LOGIN_PASSWORD, body=body))
        client = Client("tcp", "127.0.0.1", 1, connection=connection)
        return decode_message(network.send_octets("mill", octets, client))

    assert login("guessed").response_code == ResponseCode.AUTHENTICATION_FAILED
    assert not network.states["mill"].logins
    assert login(SECRET.decode()).body == LoginAnswer(USER, 0)
    assert network.states["mill"].logins[connection].user.handle == USER


def verified(network: MemoryNetwork, user: str, index: int, signed: bytes, node="works"):
    request = VerifyRequest(user, index, b"nonce", b"digest", signed)
    return network.send(node, request, op_code=OpCode.VERIFY_CHALLENGE)


def test_operation_201(network: MemoryNetwork):
    right = encode_proof(MacProof(3, mac_of(3, SECRET, b"noncedigest")))
    wrong = encode_proof(MacProof(3, mac_of(3, b"guessed", b"noncedigest")))
    for index, proof, valid in (
        (300, right, 1),
        (0, right, 1),
        (300, wrong, 0),
        (1, right, 0),
        (7, right, 0),
        (300, right[:-1], 0),
    ):
        assert verified(network, USER, index, proof).body == VerifiedAnswer(valid), (index, proof)


@pytest.mark.parametrize(
    ("user", "signed", "code"),
    [
        ("88.901.1/nobody", b"\3", ResponseCode.HANDLE_NOT_FOUND),
        ("88.902.1/old", b"\3", ResponseCode.NOT_RESPONSIBLE),
        (USER, b"", ResponseCode.PROTOCOL_ERROR),
    ],
)
def test_what_operation_201_cannot_check(network: MemoryNetwork, user, signed, code):
    assert verified(network, user, 300, signed).response_code == code
