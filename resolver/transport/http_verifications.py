"""``/api/sessions`` and ``/api/verifications`` (docs/protocol.md §13): saying once who one is, and
checking what others say of themselves."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from resolver.model.codes import OpCode, ResponseCode
from resolver.transport.door import Service
from resolver.transport.http_identity import (
    NOT_VERIFIED,
    Identities,
    UnreadableError,
    asserted_by,
    octets_of,
    parameters_of,
    proof_of,
    session_to_json,
    signed_by_server,
    user_in,
)
from resolver.transport.http_requests import client_of, settled
from resolver.transport.http_responses import BadRequest, json_response, preflight, unknown_method
from resolver.transport.http_sessions import HttpSession
from resolver.wire.bodies import VerifiedAnswer, VerifyRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.proof import MacProof, Pbkdf2Proof, encode_proof
from resolver.wire.rest import http_status
from resolver.wire.rest_answer import answer_to_json


def add_session_routes(app: web.Application, service: Service, identities: Identities) -> None:
    """Add the routes of this module to a node's application."""
    handlers = _Handlers(service, identities)
    app.router.add_route("*", "/api/sessions", handlers.sessions)
    app.router.add_route("*", "/api/sessions/this", handlers.this_session)
    app.router.add_route("*", r"/api/verifications/{user:[\s\S]*}", handlers.verification)


class _Handlers:
    """What the routes of one node do."""

    def __init__(self, service: Service, identities: Identities) -> None:
        self._service: Final = service
        self._identities: Final = identities

    async def sessions(self, request: web.Request) -> web.StreamResponse:
        """POST: a new session, of whoever the request says it is from."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method != "POST":
            return unknown_method(request)
        if not self._identities.taken(request):
            return web.Response(status=403)
        session = self._identities.sessions.begin()
        error = await self._login(request, session)
        shown = session_to_json(session, error) | self._signed(request, session)
        return json_response(shown, 201, headers={"Location": "/api/sessions/this"})

    async def this_session(self, request: web.Request) -> web.StreamResponse:
        """GET: the session that the request names; PUT: whose it is; DELETE: its end."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method not in ("GET", "HEAD", "PUT", "DELETE"):
            return unknown_method(request)
        number = parameters_of(request.headers.get("Authorization", "")).get("sessionId", "")
        session = self._identities.sessions.get(number)
        if session is None or not self._identities.taken(request):
            return web.Response(status=403)
        if request.method == "DELETE":
            self._identities.sessions.end(session)
            return web.Response(status=204)
        if request.method == "PUT":
            error = await self._login(request, session)
            if error:
                return self._identities.challenge(None, session=session, error=error, basic=False)
        return json_response(session_to_json(session) | self._signed(request, session), 200)

    async def verification(self, request: web.Request) -> web.StreamResponse:
        """GET: whether a proof is that of the user in the path; secret keys only."""
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method not in ("GET", "HEAD"):
            return unknown_method(request)
        parameters = dict(request.query)
        try:
            user = user_in(request.match_info["user"])
            proof = proof_of(parameters)
            nonce, cnonce = (octets_of(parameters, name) for name in ("nonce", "cnonce"))
        except UnreadableError as error:
            raise BadRequest(str(error)) from None
        if not isinstance(proof, MacProof | Pbkdf2Proof):
            raise BadRequest("only proofs of secret keys can be verified")
        body = VerifyRequest(user.handle, user.index, nonce, cnonce, encode_proof(proof))
        message = Message(envelope=Envelope(), op_code=OpCode.VERIFY_CHALLENGE, body=body)
        answer = await settled(self._service.ask(message, client_of(request)))
        if isinstance(answer.body, VerifiedAnswer):
            shown: Mapping[str, object] = {
                "responseCode": int(ResponseCode.SUCCESS),
                "isValid": answer.body.valid == 1,
                "handle": user.handle,
            }
            return json_response(shown, 200)
        return json_response(answer_to_json(user.handle, answer), http_status(answer.code))

    async def _login(self, request: web.Request, session: HttpSession) -> str:
        """Who the request says it is from is the session's user; or why not."""
        header = request.headers.get("Authorization")
        if header is None:
            return ""
        try:
            asserted = asserted_by(header, parameters_of(header), session)
        except UnreadableError as error:
            return str(error)
        if asserted is None or await self._identities.proves(asserted, session, request):
            return ""
        return NOT_VERIFIED

    def _signed(self, request: web.Request, session: HttpSession) -> dict[str, object]:
        parameters = parameters_of(request.headers.get("Authorization", ""))
        if "cnonce" not in parameters or "signature" in parameters:
            return {}
        try:
            return signed_by_server(self._service, session, octets_of(parameters, "cnonce"))
        except UnreadableError as error:
            raise BadRequest(str(error)) from None
