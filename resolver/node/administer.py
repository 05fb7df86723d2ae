"""The stage that changes records, and knows who asks.

A request that needs rights is answered with 402; the message layer makes a challenge of that
(``resolver.node.endpoint``) and remembers the request. The answer, operation 200, finds it again
here. Clients of the national system log in first (operations 2000 and 2001, docs/protocol.md
§15): then their connection is known to be theirs, and nothing is asked any more.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Final

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import WireError
from resolver.model.value import Reference
from resolver.node.outcome import Outcome, Pending, refusal
from resolver.node.selection import select, wants_public_only
from resolver.node.state import NodeRoutes, NodeState
from resolver.registry import homing
from resolver.registry.administration import (
    OPERATIONS,
    Administration,
    PublicChange,
    handle_of,
    preliminary,
)
from resolver.registry.edits import Edit
from resolver.registry.identity import Claim, Login
from resolver.registry.session_setup import SessionSetup
from resolver.registry.verification import Verification
from resolver.resolution import Process
from resolver.security import Session
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import (
    ChallengeAnswerRequest,
    EmptyBody,
    LoginRequest,
    ResolveRequest,
    SessionSetupRequest,
    VerifyRequest,
)
from resolver.wire.cursor import encode_text
from resolver.wire.message import Message
from resolver.wire.proof import PasswordProof, decode_proof
from resolver.wire.values import ValueList
from resolver.wire.version import reply_version

_ID_SDK: Final = (2, 10)
"""The version that CAICT's ID-SDK suggests."""

_ID_POINTER: Final = ((2, 10), (2, 11))
"""Version and suggested version of teleinfo's id-pointer-sdk."""


class Administer:
    """Changes records for those who may."""

    def __init__(self, state: NodeState) -> None:
        self._state: Final = state
        self._routes: Final = NodeRoutes(state)
        self._answers: Final[dict[int, Callable[[Message, Client, int], Outcome | None]]] = {
            OpCode.CHALLENGE_ANSWER: self._proved,
            OpCode.LOGIN_KEY: self._login,
            OpCode.LOGIN_PASSWORD: self._login_with_password,
            OpCode.SESSION_SETUP: self._begin_session,
            OpCode.SESSION_TERMINATE: self._end_session,
            OpCode.RESOLVE: self._read_restricted,
            OpCode.VERIFY_CHALLENGE: self._verify,
            **dict.fromkeys(OPERATIONS, self._change),
            **dict.fromkeys(homing.OPERATIONS, self._serve),
        }

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """A refusal, a request to prove who is asking (402), or a change on its way."""
        answer = self._answers.get(request.op_code)
        return None if answer is None else answer(request, client, unix_now)

    def _change(self, request: Message, client: Client, unix_now: int) -> Outcome:
        user = self._state.user_of(client.connection, unix_now)
        if user is None and (refused := self._logs_in(request, client)) is not None:
            return refused
        early = preliminary(request, self._state, unix_now)
        if isinstance(early, Answer):
            return early
        if early is not None and early.public:
            return _pending(PublicChange(request, self._state), request)
        if user is not None:
            return self._administration(request, user, edit=early)
        return refusal(ResponseCode.AUTHENTICATION_NEEDED)

    def _serve(self, request: Message, client: Client, unix_now: int) -> Outcome:
        user = self._state.user_of(client.connection, unix_now)
        if user is None and (refused := self._logs_in(request, client)) is not None:
            return refused
        wrong = homing.unfit(request)
        if wrong is not None:
            return wrong
        if user is None:
            return refusal(ResponseCode.AUTHENTICATION_NEEDED)
        return self._server_administration(request, user, None)

    def _server_administration(
        self, request: Message, user: Reference, claim: Claim | None
    ) -> Pending:
        process = homing.ServerAdministration(request, user, claim, self._state, self._routes)
        return _pending(process, request)

    def _verify(self, request: Message, client: Client, unix_now: int) -> Outcome:
        asked = request.body
        assert isinstance(asked, VerifyRequest)
        version = reply_version(request.envelope.wanted)
        return _pending(Verification(asked, version, self._state), request)

    def _read_restricted(self, request: Message, client: Client, unix_now: int) -> Outcome | None:
        """What somebody who has logged in may read besides what everybody may."""
        user = self._state.user_of(client.connection, unix_now)
        if user is None or wants_public_only(request) or not self._state.holds(handle_of(request)):
            return None
        values = self._state.store.get(handle_of(request))
        asked = request.body
        if values is None or not isinstance(asked, ResolveRequest):
            return None
        if not values.select(asked.indexes, asked.types).restricted:
            return None
        return self._administration(request, user)

    def _login(self, request: Message, client: Client, unix_now: int) -> Outcome:
        if client.connection is None:
            return _no_connection()
        assert isinstance(request.body, LoginRequest)
        return refusal(ResponseCode.AUTHENTICATION_NEEDED)

    def _login_with_password(self, request: Message, client: Client, unix_now: int) -> Outcome:
        asked = request.body
        if client.connection is None:
            return _no_connection()
        if not isinstance(asked, ResolveRequest) or len(asked.types) != 1:
            return refusal(ResponseCode.PROTOCOL_ERROR, "a login has a user and one password")
        index = asked.indexes[0] if asked.indexes else 0
        user = Reference(asked.handle, index)
        claim = Claim(user, PasswordProof(encode_text(asked.types[0])), b"", b"")
        return self._log_in(request, claim, client, unix_now)

    def _proved(self, answer: Message, client: Client, unix_now: int) -> Outcome:
        challenge = self._state.challenges.take(answer.envelope.session_id, unix_now)
        body = answer.body
        if challenge is None or not isinstance(body, ChallengeAnswerRequest):
            return refusal(ResponseCode.AUTHENTICATION_TIMEOUT, "no such challenge, or too late")
        request = challenge.request
        try:
            proof = decode_proof(body.auth_type, body.signed_response, challenge.version)
        except WireError as error:
            refused = refusal(ResponseCode.AUTHENTICATION_FAILED, error.what)
            return replace(refused, op_code=request.op_code)
        user = Reference(body.user, body.user_index)
        claim = Claim(user, proof, challenge.nonce, challenge.digest.octets)
        if request.op_code == OpCode.LOGIN_KEY:
            return self._log_in(request, claim, client, unix_now)
        if request.op_code in homing.OPERATIONS:
            return self._server_administration(request, user, claim)
        known = None
        if isinstance(client.connection, Session):
            # The first challenge that is answered in a session is the last (§11).
            known = partial(self._state.log_in, client.connection, unix_now)
        return self._administration(request, user, claim, known)

    def _administration(
        self,
        request: Message,
        user: Reference,
        claim: Claim | None = None,
        known: Callable[[Reference], None] | None = None,
        edit: Edit | None = None,
    ) -> Pending:
        state = self._state
        process = Administration(
            request, user, claim, state, self._routes, state.random, _read, known, edit
        )
        return _pending(process, request)

    def _begin_session(self, request: Message, client: Client, unix_now: int) -> Outcome:
        asked = request.body
        assert isinstance(asked, SessionSetupRequest)
        state = self._state
        return _pending(SessionSetup(asked, state.sessions, state.random), request)

    def _end_session(self, request: Message, client: Client, unix_now: int) -> Outcome:
        if not isinstance(client.connection, Session):
            return refusal(ResponseCode.SESSION_TIMEOUT, "there is no session to end")
        self._state.sessions.end(client.connection)
        return Answer(ResponseCode.SUCCESS, EmptyBody(), authoritative=True)

    def _logs_in(self, request: Message, client: Client) -> Answer | None:
        """What a client is told that has to log in before it changes anything, for the first time
        or again; None for those that answer challenges."""
        envelope = request.envelope
        if (envelope.version, envelope.suggested) == _ID_POINTER:
            # Any other code makes it hang.
            return refusal(ResponseCode.INVALID_ADMIN, "please login first")
        if envelope.suggested != _ID_SDK:
            return None
        if client.connection is not None and client.connection in self._state.logins:
            return refusal(ResponseCode.LOGIN_AGAIN, "please login again")
        return refusal(ResponseCode.LOGIN_FIRST, "please login first")

    def _log_in(self, request: Message, claim: Claim, client: Client, unix_now: int) -> Outcome:
        if client.connection is None:
            return replace(_no_connection(), op_code=request.op_code)
        return logging_in(self._state, request, claim, client.connection, unix_now)


def logging_in(
    state: NodeState, request: Message, claim: Claim, connection: object, unix_now: int
) -> Pending:
    """Whether ``claim`` is true; if so, ``connection`` is its user's from then on."""
    logged_in = partial(state.log_in, connection, unix_now)
    return _pending(Login(claim, state, NodeRoutes(state), logged_in), request)


def _no_connection() -> Answer:
    return refusal(
        ResponseCode.NOT_SUPPORTED, "a login belongs to a TCP connection; log in over TCP"
    )


def _read(request: Message, values: ValueList) -> Answer:
    asked = request.body
    assert isinstance(asked, ResolveRequest)
    return select(asked, values, public_only=False, administrator=True)


def _pending(process: Process, request: Message) -> Pending:
    """``process`` for one request alone; its answer is one to ``request``.

    Of bulk registrations thousands are under way, each of these being one thing more for every
    search for garbage; so there is no function here for each of them.
    """
    return Pending(None, process.itself, _forget, _finisher(request.op_code))


def _forget(answer: Answer, now: float, unix_now: int) -> None:
    """What one client was told about its own request is nobody else's."""


@cache
def _finisher(op_code: int) -> Callable[[Answer], Answer]:
    def finish(answer: Answer) -> Answer:
        answer.op_code = op_code
        return answer

    return finish
