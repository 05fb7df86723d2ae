"""Octets in, octets out: a node as its doors see it.

Wraps a ``Node`` in the message layer: decodes requests, answers malformed ones, and turns an
``Answer`` into reply octets with the flags, version, digest and signature the request asked for
(docs/protocol.md §2, §4, §6, §8). Still no sockets and no clock.
"""

from dataclasses import dataclass, replace
from typing import Final, Protocol

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import StoreError, WireError
from resolver.node.node import Node
from resolver.node.outcome import Outcome, Pending
from resolver.security import Session
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    EmptyBody,
    ErrorAnswer,
    HandlesAnswer,
    RecordAnswer,
)
from resolver.wire.credential import Credential, signed_octets
from resolver.wire.envelope import (
    ENVELOPE_OCTETS,
    Envelope,
    decode_envelope,
    encode_envelope,
)
from resolver.wire.message import LIFETIME_S, Message, decode_request, digest_of, encode_message
from resolver.wire.resolving import encode_record, read_question
from resolver.wire.version import CURRENT, code_for, reply_version

HANDLES_PER_MESSAGE: Final = 50
"""Of a list; all messages but the last say that more follow."""

UNREADABLE_ID: Final = 0xFFFFFFFF
"""Request id of an error reply when the request's own could not be read (docs/protocol.md §4)."""

_CODED_DIGESTS: Final = (2, 1)
_ENCRYPTED: Final = b"\x40"
_MOST_RECURSIONS: Final = 255
"""That the header has room for."""

_UNREADABLE_VERSION: Final = (2, 3)
_ECHOED: Final = OpFlag.CACR | OpFlag.PUBL | OpFlag.DNRF | OpFlag.RRDG
_ERROR_FLAGS: Final = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
_IDPOINTER: Final = ((2, 10), (2, 11))
"""(version, suggested version) of the id-pointer SDK, which picks its own session ids (§15)."""


class Signer(Protocol):
    """The node's private key."""

    def sign(self, octets: bytes, version: tuple[int, int]) -> tuple[str, bytes]:
        """(hash algorithm name, signature) of ``octets`` in the form ``version`` knows (§8)."""


@dataclass(slots=True)
class Replied:
    """A request and what to send back for it."""

    request: Message
    answer: Answer
    messages: list[bytes]


@dataclass(slots=True)
class Waiting:
    """A request whose answer has to be resolved first."""

    request: Message
    pending: Pending
    _endpoint: "Endpoint"
    _octets: bytes
    _session: Session | None
    _sealed: bool

    def encode(self, answer: Answer, unix_now: int) -> list[bytes]:
        """What to send back, once there is an answer."""
        return self._endpoint.encode(
            self.request, self._octets, answer, unix_now, self._session, self._sealed
        )


@dataclass(slots=True)
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
        self._sessions: Final = node.state.sessions

    def receive(
        self, octets: bytes, client: Client, now: float, unix_now: int
    ) -> Replied | Waiting | Malformed:
        """What to send back for one whole request message, envelope included. Never raises."""
        session: Session | None = None
        try:
            if octets[2:3] >= _ENCRYPTED:
                session, octets = self._unsealed(octets, unix_now)
            request = read_question(octets) or decode_request(octets)
        except WireError as error:
            return Malformed([self._error_reply(octets, error, unix_now)], error.what)
        sealed = session is not None
        if request.envelope.session_id:
            session = session or self._sessions.get(request.envelope.session_id, unix_now)
            refusal = _refusal_of(request, octets, session)
            if refusal is not None:
                messages = self.encode(request, octets, refusal, unix_now, session, sealed)
                return Replied(request, refusal, messages)
            if session is not None:
                # What is known of a client is known of its session, on whatever connection.
                client = replace(client, connection=session)
        outcome = self.ask(request, client, now, unix_now)
        if isinstance(outcome, Pending):
            return Waiting(request, outcome, self, octets, session, sealed)
        messages = self.encode(request, octets, outcome, unix_now, session, sealed)
        return Replied(request, outcome, messages)

    def ask(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome:
        """The answer to a request that came in another form than a message (HTTP). Never raises:
        a record that cannot be read is an answer too."""
        try:
            self._node.state.refresh()
            return self._node.answer(request, client, now, unix_now)
        except StoreError as error:
            return Answer(ResponseCode.ERROR, ErrorAnswer(error.told), authoritative=True)

    def _unsealed(self, octets: bytes, unix_now: int) -> tuple[Session | None, bytes]:
        """The session of an encrypted message, and the message in the clear; as they came if there
        is no such session, which is for the decoder to refuse.

        Raises:
            WireError: it was not encrypted with the session's key.
        """
        if len(octets) < ENVELOPE_OCTETS:
            return None, octets
        envelope = decode_envelope(octets)
        session = self._sessions.get(envelope.session_id, unix_now)
        if not envelope.encrypted or session is None:
            return None, octets
        payload = session.unseal(octets[ENVELOPE_OCTETS : ENVELOPE_OCTETS + envelope.length])
        if payload is None:
            raise WireError(
                "an encrypted message that is not of its session's key",
                offset=ENVELOPE_OCTETS,
                code=ResponseCode.INVALID_SESSION_KEY,
            )
        clear = replace(envelope, encrypted=False)
        return session, encode_envelope(clear, len(payload)) + payload

    def encode(
        self,
        request: Message,
        octets: bytes,
        answer: Answer,
        unix_now: int,
        session: Session | None,
        sealed: bool,
    ) -> list[bytes]:
        """The reply messages to a request, whose message in the clear ``octets`` are: one, or as
        many as a long list of handles takes (§3, op 105)."""
        body = answer.body
        if not isinstance(body, HandlesAnswer):
            return [self._encode_one(request, octets, answer, unix_now, session, sealed)]
        messages = []
        for start in range(0, max(1, len(body.handles)), HANDLES_PER_MESSAGE):
            end = start + HANDLES_PER_MESSAGE
            part = replace(
                answer,
                body=HandlesAnswer(body.handles[start:end]),
                flags=answer.flags | (OpFlag.CONT if end < len(body.handles) else 0),
            )
            messages.append(self._encode_one(request, octets, part, unix_now, session, sealed))
        return messages

    def _encode_one(
        self,
        request: Message,
        octets: bytes,
        answer: Answer,
        unix_now: int,
        session: Session | None,
        sealed: bool,
    ) -> bytes:
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
            number = session.number if session is not None else 0
            challenge = self._node.state.challenges.issue(
                request, digest, version, unix_now, number=number
            )
            body, session_id = ChallengeAnswer(challenge.nonce), challenge.number
        elif session is not None or answer.code == ResponseCode.SESSION_TIMEOUT:
            session_id = request.envelope.session_id
        elif answer.session_id:
            session_id = answer.session_id
        if isinstance(body, EmptyBody) and answer.code != ResponseCode.SUCCESS:
            body = ErrorAnswer("")
        if session is not None and not session.is_open:
            session = None  # it ended with this request: its key is no longer good for anything
        certify = request.flags & OpFlag.CERT and (session is not None or self._signer is not None)
        if certify:
            flags |= OpFlag.CERT
        if sealed:
            flags |= request.flags & OpFlag.ENCR
        recursion_count = answer.recursion_count
        if recursion_count is None:
            recursion_count = request.recursion_count
        elif recursion_count > _MOST_RECURSIONS:
            recursion_count = _MOST_RECURSIONS
        op_code = request.op_code if answer.op_code is None else answer.op_code
        if (
            isinstance(body, RecordAnswer)
            and op_code == OpCode.RESOLVE
            and answer.code == ResponseCode.SUCCESS
            and digest is None
            and session is None
            and not certify
        ):
            return encode_record(
                body,
                version=version,
                session_id=session_id,
                request_id=request.envelope.request_id,
                flags=flags,
                serial=self._serial,
                recursion_count=recursion_count,
                expiration=unix_now + LIFETIME_S,
            )
        reply = Message(
            envelope=Envelope(
                version=version,
                suggested=CURRENT,
                session_id=session_id,
                request_id=request.envelope.request_id,
            ),
            op_code=op_code,
            response_code=code_for(answer.code, version),
            flags=flags,
            site_serial=self._serial,
            recursion_count=recursion_count,
            expiration=unix_now + LIFETIME_S,
            body=body,
            digest=digest,
        )
        encoded = encode_message(reply)
        if certify:
            reply.credential = self._credential_of(encoded, version, session)
            encoded = encode_message(reply)
        if session is None or not sealed:
            return encoded
        payload = session.seal(encoded[ENVELOPE_OCTETS:], self._node.state.random)
        envelope = replace(reply.envelope, encrypted=True)
        return encode_envelope(envelope, len(payload)) + payload

    def _credential_of(
        self, message: bytes, version: tuple[int, int], session: Session | None
    ) -> Credential:
        """What proves that ``message`` is ours: the session's key, or the node's (§8)."""
        if session is not None:
            return session.credential_of(message)
        assert self._signer is not None
        algorithm, signature = self._signer.sign(signed_octets(message, 0), version)
        return Credential(type="HS_SIGNED", hash_algorithm=algorithm, signature=signature)

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


def _refusal_of(request: Message, octets: bytes, session: Session | None) -> Answer | None:
    """Why a request that names a session is not answered; None if it is in order. A challenge
    answer's number is its challenge's, and needs no other proof."""
    if request.op_code == OpCode.CHALLENGE_ANSWER:
        return None
    if session is None:
        if _chooses_session_ids(request):
            return None
        number = request.envelope.session_id
        return Answer(
            ResponseCode.SESSION_TIMEOUT, ErrorAnswer(f"no session {number}"), authoritative=True
        )
    if session.accepts(octets, request.credential):
        return None
    return Answer(
        ResponseCode.MESSAGE_REJECTED,
        ErrorAnswer("the message does not prove that it is of its session, or was heard before"),
        authoritative=True,
    )


def _chooses_session_ids(request: Message) -> bool:
    envelope = request.envelope
    return (envelope.version, envelope.suggested) == _IDPOINTER
