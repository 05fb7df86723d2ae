"""Octets in, octets out: a node as its doors see it.

Wraps a ``Node`` in the message layer: decodes requests, answers malformed ones, and turns an
``Answer`` into reply octets with the flags, version, digest and signature the request asked for
(docs/protocol.md §2, §4, §6, §8). Still no sockets and no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.node.node import Node
from resolver.node.outcome import Outcome, Pending
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import Body, ChallengeAnswer, EmptyBody, ErrorAnswer, HandlesAnswer
from resolver.wire.credential import Credential, signed_octets
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope, decode_envelope
from resolver.wire.message import Message, decode_request, digest_of, encode_message
from resolver.wire.version import CURRENT, code_for, reply_version

LIFETIME_S: Final = 43200
"""How long a message stays valid: 12 hours, as every implementation of the field sets it."""

HANDLES_PER_MESSAGE: Final = 50
"""Of a list; all messages but the last say that more follow."""

UNREADABLE_ID: Final = 0xFFFFFFFF
"""Request id of an error reply when the request's own could not be read (docs/protocol.md §4)."""

_CODED_DIGESTS: Final = (2, 1)
_UNREADABLE_VERSION: Final = (2, 3)
_ECHOED: Final = OpFlag.CACR | OpFlag.PUBL | OpFlag.DNRF | OpFlag.RRDG
_ERROR_FLAGS: Final = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
_IDPOINTER: Final = ((2, 10), (2, 11))
"""(version, suggested version) of the id-pointer SDK, which picks its own session ids (§15)."""


class Signer(Protocol):
    """The node's private key."""

    def sign(self, octets: bytes, version: tuple[int, int]) -> tuple[str, bytes]:
        """(hash algorithm name, signature) of ``octets`` in the form ``version`` knows (§8)."""


@dataclass(frozen=True, slots=True)
class Replied:
    """A request and what to send back for it."""

    request: Message
    answer: Answer
    messages: list[bytes]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request whose answer has to be resolved first; ``encode(answer, unix_now)`` turns the
    answer into what to send back."""

    request: Message
    pending: Pending
    encode: Callable[[Answer, int], list[bytes]]


@dataclass(frozen=True, slots=True)
class Malformed:
    """What to send back for octets that are no request, and what was wrong with them."""

    messages: list[bytes]
    reason: str


class Endpoint:
    """A node that speaks messages."""

    def __init__(self, node: Node, signer: Signer | None = None) -> None:
        """
        Args:
            node: who answers.
            signer: signs replies to requests with CERT; without one they go out unsigned and
                without the CERT flag.
        """
        self._node: Final = node
        self._signer: Final = signer
        self._serial: Final = node.state.site.serial

    def receive(
        self, octets: bytes, client: Client, now: float, unix_now: int
    ) -> Replied | Waiting | Malformed:
        """What to send back for one whole request message, envelope included. Never raises."""
        try:
            request = decode_request(octets)
        except WireError as error:
            return Malformed([self._error_reply(octets, error, unix_now)], error.what)
        if _names_a_session(request):
            answer = Answer(
                ResponseCode.SESSION_TIMEOUT,
                ErrorAnswer(f"no session {request.envelope.session_id}"),
                authoritative=True,
            )
            return Replied(request, answer, self._encode(request, octets, answer, unix_now))
        outcome = self._node.answer(request, client, now, unix_now)
        if isinstance(outcome, Pending):
            return Waiting(
                request, outcome, lambda answer, unix: self._encode(request, octets, answer, unix)
            )
        return Replied(request, outcome, self._encode(request, octets, outcome, unix_now))

    def ask(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome:
        """The answer to a request that came in another form than a message (HTTP)."""
        return self._node.answer(request, client, now, unix_now)

    def _encode(
        self, request: Message, octets: bytes, answer: Answer, unix_now: int
    ) -> list[bytes]:
        """The reply messages: one, or as many as a long list of handles takes (§3, op 105)."""
        body = answer.body
        if not isinstance(body, HandlesAnswer):
            return [self._encode_one(request, octets, answer, unix_now)]
        messages = []
        for start in range(0, max(1, len(body.handles)), HANDLES_PER_MESSAGE):
            end = start + HANDLES_PER_MESSAGE
            part = replace(
                answer,
                body=HandlesAnswer(body.handles[start:end]),
                flags=answer.flags | (OpFlag.CONT if end < len(body.handles) else 0),
            )
            messages.append(self._encode_one(request, octets, part, unix_now))
        return messages

    def _encode_one(self, request: Message, octets: bytes, answer: Answer, unix_now: int) -> bytes:
        version = reply_version(request.envelope.wanted)
        session_id = request.envelope.session_id if _chooses_session_ids(request) else 0
        flags = request.flags & _ECHOED | OpFlag.RECU | answer.flags
        if answer.authoritative:
            flags |= OpFlag.AUTH
        body: Body = answer.body
        if answer.op_code == OpCode.LOGIN_KEY:
            flags &= ~OpFlag.RRDG  # the SDKs expect an empty body (§15)
        digest = digest_of(octets, version) if flags & OpFlag.RRDG else None
        if answer.code == ResponseCode.AUTHENTICATION_NEEDED:
            # The digest belongs to a challenge whatever was asked (§9).
            digest = digest or digest_of(octets, version)
            if version >= _CODED_DIGESTS:
                flags |= OpFlag.RRDG
            challenge = self._node.state.challenges.issue(request, digest, version, unix_now)
            body, session_id = ChallengeAnswer(challenge.nonce), challenge.number
        elif answer.code == ResponseCode.SESSION_TIMEOUT:
            session_id = request.envelope.session_id
        elif isinstance(body, EmptyBody) and answer.code != ResponseCode.SUCCESS:
            body = ErrorAnswer("")
        signer = self._signer if request.flags & OpFlag.CERT else None
        if signer is not None:
            flags |= OpFlag.CERT
        recursion_count = answer.recursion_count
        reply = Message(
            envelope=Envelope(
                version=version,
                suggested=CURRENT,
                session_id=session_id,
                request_id=request.envelope.request_id,
            ),
            op_code=request.op_code if answer.op_code is None else answer.op_code,
            response_code=code_for(answer.code, version),
            flags=flags,
            site_serial=self._serial,
            recursion_count=(
                request.recursion_count if recursion_count is None else min(recursion_count, 255)
            ),
            expiration=unix_now + LIFETIME_S,
            body=body,
            digest=digest,
        )
        encoded = encode_message(reply)
        if signer is None:
            return encoded
        algorithm, signature = signer.sign(signed_octets(encoded, 0), version)
        reply.credential = Credential(
            type="HS_SIGNED", hash_algorithm=algorithm, signature=signature
        )
        return encode_message(reply)

    def _error_reply(self, octets: bytes, error: WireError, unix_now: int) -> bytes:
        """The reply to octets that are no request: with the request's own id and operation where
        they can be read, so that the client can match it."""
        version, request_id, op_code = _UNREADABLE_VERSION, UNREADABLE_ID, 0
        if len(octets) >= ENVELOPE_OCTETS:
            envelope = decode_envelope(octets)
            request_id = envelope.request_id
            version = reply_version(envelope.wanted)
            if len(octets) >= ENVELOPE_OCTETS + 4 and not envelope.encrypted:
                op_code = int.from_bytes(octets[ENVELOPE_OCTETS : ENVELOPE_OCTETS + 4], "big")
        return encode_message(
            Message(
                envelope=Envelope(version=version, suggested=CURRENT, request_id=request_id),
                op_code=op_code,
                response_code=error.code,
                flags=_ERROR_FLAGS,
                expiration=unix_now + LIFETIME_S,
                body=ErrorAnswer(str(error)),
            )
        )


def _names_a_session(request: Message) -> bool:
    """Whether the request belongs to a session; a challenge answer's number is its challenge's."""
    return (
        request.envelope.session_id != 0
        and request.op_code != OpCode.CHALLENGE_ANSWER
        and not _chooses_session_ids(request)
    )


def _chooses_session_ids(request: Message) -> bool:
    envelope = request.envelope
    return (envelope.version, envelope.suggested) == _IDPOINTER
