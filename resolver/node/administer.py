"""The stage that changes records, and takes the answers to challenges.

A request that needs rights is answered with 402; the message layer makes a challenge of that
(``resolver.node.endpoint``) and remembers the request. The answer, operation 200, finds it again
here.
"""

from dataclasses import replace
from typing import Final

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import WireError
from resolver.model.value import Reference
from resolver.node.outcome import Outcome, Pending, refusal
from resolver.node.selection import select
from resolver.node.state import NodeRoutes, NodeState
from resolver.registry.administration import (
    OPERATIONS,
    Administration,
    Claim,
    PublicChange,
    preliminary,
)
from resolver.resolution import Process
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import ChallengeAnswerRequest, ResolveRequest
from resolver.wire.message import Message
from resolver.wire.proof import decode_proof
from resolver.wire.values import ValueList


class Administer:
    """Changes records for those who may."""

    def __init__(self, state: NodeState) -> None:
        self._state: Final = state
        self._routes: Final = NodeRoutes(state)

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """A refusal, a request to prove who is asking (402), or a change on its way."""
        if request.op_code == OpCode.CHALLENGE_ANSWER:
            return self._proved(request, unix_now)
        if request.op_code not in OPERATIONS:
            return None
        early = preliminary(request, self._state, unix_now)
        if isinstance(early, Answer):
            return early
        if early is not None:
            return _pending(PublicChange(request, self._state), request)
        return refusal(ResponseCode.AUTHENTICATION_NEEDED)

    def _proved(self, answer: Message, unix_now: int) -> Outcome:
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
        claim = Claim(Reference(body.user, body.user_index), proof, challenge.octets)
        process = Administration(
            request, claim, self._state, self._routes, self._state.random, _read
        )
        return _pending(process, request)


def _read(request: Message, values: ValueList) -> Answer:
    asked = request.body
    assert isinstance(asked, ResolveRequest)
    return select(asked, values, public_only=False, administrator=True)


def _pending(process: Process, request: Message) -> Pending:
    """``process`` for one request alone; its answer is one to ``request``."""
    return Pending(
        key=process,
        process=lambda: process,
        settle=lambda answer, now, unix_now: None,
        finish=lambda answer: replace(answer, op_code=request.op_code),
    )
