"""A client that speaks as teleinfo's id-pointer-sdk does. Written from docs/protocol.md §15, since
no recording of it may be given away; it shares no code with a server's side of logins."""

import asyncio
from dataclasses import replace
from struct import Struct
from typing import Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.security.sm2 import sm2_private_from_pem, sm2_sign, sm3
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    ChallengeAnswerRequest,
    HandleRequest,
    LoginRequest,
    ResolveRequest,
)
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope, decode_envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.proof import SignatureProof, challenge_octets, encode_proof
from tests.conformance.prover import KEYS

SESSION_ID: Final = 10_001
"""The smallest number that the client chooses for itself, and puts into all its messages."""

FLAGS: Final = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
_U4: Final = Struct(">I")
_BODY_LENGTH_AT: Final = ENVELOPE_OCTETS + 20
_ANSWER_S: Final = 5.0


class IdPointer:
    """One connection of the client's pool; an async context manager."""

    def __init__(self, port: int) -> None:
        self._port: Final = port
        self._number = 0

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, op_code: int, body: Body, *, flags: int = FLAGS) -> Message:
        """Send one request and wait for its reply."""
        return (await self.pipelined((op_code, body), flags=flags))[0]

    async def pipelined(self, *requests: tuple[int, Body], flags: int = FLAGS) -> list[Message]:
        """Send all ``requests`` in one write; their replies, found by their numbers."""
        first = self._number + 1
        self._writer.write(b"".join(self._request(*each, flags=flags) for each in requests))
        replies = {}
        for _ in requests:
            reply = await self._reply()
            assert reply.envelope.session_id == SESSION_ID or (
                reply.response_code == ResponseCode.AUTHENTICATION_NEEDED
            )
            replies[reply.envelope.request_id] = reply
        return [replies[number] for number in range(first, self._number + 1)]

    async def log_in(self, user: str, index: int, key: str) -> Message:
        """As an authenticated pool opens: the site, the login, the answer to its challenge.

        Args:
            key: name of the file in the folder of keys: an RSA key, or one with sm2 in its name.
        """
        site = await self.ask(OpCode.GET_SITE, HandleRequest("/"))
        assert site.response_code == ResponseCode.SUCCESS
        asked = await self.ask(OpCode.LOGIN_KEY, LoginRequest(user, index), flags=OpFlag.RRDG)
        assert isinstance(asked.body, ChallengeAnswer)
        assert asked.digest is not None
        challenge = challenge_octets(asked.body.nonce, asked.digest)
        proof = encode_proof(_signed(key, user, challenge))
        answer = ChallengeAnswerRequest("HS_PUBKEY", user, index, proof)
        number = asked.envelope.session_id
        self._writer.write(self._request(OpCode.CHALLENGE_ANSWER, answer, session_id=number))
        return await self._reply()

    def _request(
        self, op_code: int, body: Body, *, flags: int = FLAGS, session_id: int = SESSION_ID
    ) -> bytes:
        self._number += 1
        envelope = Envelope((2, 10), (2, 11), session_id=session_id, request_id=self._number)
        octets = encode_message(Message(envelope, op_code, flags=flags, body=body))
        match body:
            case ResolveRequest():
                # Four zero octets behind the body.
                length = _U4.unpack_from(octets, _BODY_LENGTH_AT)[0] + 4
                start, rest = octets[:_BODY_LENGTH_AT], octets[_BODY_LENGTH_AT + 4 :]
                octets = start + _U4.pack(length) + rest[:-4] + bytes(4) + rest[-4:]
            case LoginRequest():
                octets = octets[:-4]  # no length of a credential
        return octets[:16] + _U4.pack(len(octets) - ENVELOPE_OCTETS) + octets[ENVELOPE_OCTETS:]

    async def _reply(self) -> Message:
        async with asyncio.timeout(_ANSWER_S):
            envelope = await self._reader.readexactly(ENVELOPE_OCTETS)
            body = await self._reader.readexactly(decode_envelope(envelope).length)
        return decode_message(envelope + body)


def _signed(key: str, user: str, challenge: bytes) -> SignatureProof:
    pem = (KEYS / key).read_bytes()
    if "sm2" in key:
        # The hash is hashed again within the signature.
        signature = sm2_sign(sm2_private_from_pem(pem), sm3(challenge), user.encode())
        return SignatureProof("SM3", signature)
    private = load_pem_private_key(pem, None)
    assert isinstance(private, RSAPrivateKey)
    signature = private.sign(challenge, padding.PKCS1v15(), hashes.SHA256())
    return SignatureProof("SHA-256", signature)


def without_times(message: Message) -> object:
    """The values of an answer without the times at which they were written."""
    values = getattr(message.body, "values", ())
    return [replace(value, timestamp=0) for value in values]
