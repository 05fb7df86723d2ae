"""Who sends an HTTP request: by name and password, by a key over a challenge, by the certificate of
the TLS connection, or by a session in which they have said so before (docs/protocol.md §13).

Rules: credentials are taken over TLS only, elsewhere if the configuration allows it; a request that
brings them where they are not taken counts as one without. Whether they are true is the node's to
say (``Service.prove``); this module only reads headers and remembers sessions.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from aiohttp import web
from multidict import CIMultiDict

from resolver.model.codes import ResponseCode
from resolver.model.value import Reference
from resolver.transport.door import Service
from resolver.transport.http_requests import client_of
from resolver.transport.http_responses import json_response
from resolver.transport.http_sessions import HttpSession, HttpSessions, Identity
from resolver.wire.answer import Client
from resolver.wire.cursor import encode_text
from resolver.wire.proof import (
    PUBLIC_KEY,
    SECRET_KEY,
    MacProof,
    PasswordProof,
    Pbkdf2Proof,
    PossessionProof,
    Proof,
    SignatureProof,
)
from resolver.wire.typed import PublicKey

NOT_VERIFIED: Final = "Identity not verified"
CERTIFICATE: Final = "client_certificate"
"""What a TLS transport calls the client's certificate (``resolver.transport.tls``)."""

_PARAMETER: Final = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_MAC_CODES: Final = {"MD5": 1, "SHA1": 2, "SHA256": 3}
_STRETCHED: Final = "PBKDF2WITHHMACSHA1"


class UnreadableError(ValueError):
    """A header that says who somebody is, in a form that cannot be read."""


@dataclass(frozen=True, slots=True)
class Asserted:
    """Somebody says they are ``user``."""

    user: Reference
    proof: Proof
    nonce: bytes = b""
    cnonce: bytes = b""

    @property
    def name(self) -> str:
        """``index:handle``."""
        return f"{self.user.index}:{self.user.handle}"


class Identities:
    """Finds out who sends requests, for one node."""

    def __init__(self, service: Service, sessions: HttpSessions, *, plain: bool) -> None:
        """
        Args:
            plain: take credentials over plain HTTP too.
        """
        self._service: Final = service
        self.sessions: Final = sessions
        self._plain: Final = plain
        self._by_certificate: Final[WeakKeyDictionary[Any, Identity]] = WeakKeyDictionary()

    def taken(self, request: web.Request) -> bool:
        """Whether somebody who asks like this may say who they are."""
        return self._plain or request.secure

    async def client(self, request: web.Request, *, trace: bool = False) -> Client | web.Response:
        """Who asks; or the response to credentials that are not right."""
        nobody = client_of(request, None, trace=trace)
        if not self.taken(request):
            return nobody
        header = request.headers.get("Authorization")
        if header is None:
            return client_of(request, await self._certified(request), trace=trace)
        parameters = parameters_of(header)
        if parameters.get("clientCert") == "true":
            return client_of(request, await self._certified(request), trace=trace)
        number = parameters.get("sessionId")
        session = None if number is None else self.sessions.get(number)
        if number is not None and session is None:
            return self.challenge(None, basic=False)
        if session is not None and "signature" not in parameters:
            return client_of(request, session if session.user else None, trace=trace)
        try:
            asserted = asserted_by(header, parameters, session)
        except UnreadableError as error:
            return self.challenge(None, error=str(error))
        if asserted is None:
            return nobody
        if await self.proves(asserted, session or (identity := Identity()), request):
            return client_of(request, session or identity, trace=trace)
        return self.challenge(None, session=session, error=NOT_VERIFIED, basic=session is None)

    async def proves(self, asserted: Asserted, identity: Identity, request: web.Request) -> bool:
        """Whether somebody is who they say; the node knows ``identity`` for them from then on."""
        answer = await self._service.prove(
            asserted.user,
            asserted.proof,
            asserted.nonce,
            asserted.cnonce,
            client_of(request, identity, trace=False),
        )
        if answer.code != ResponseCode.SUCCESS:
            return False
        if isinstance(identity, HttpSession):
            self.sessions.proved(identity, asserted.name)
        return True

    def challenge(
        self,
        shown: Mapping[str, object] | None,
        *,
        session: HttpSession | None = None,
        error: str = "",
        basic: bool = True,
    ) -> web.Response:
        """401: who asks has to say who they are; without content where what they said is not
        true."""
        session = session or self.sessions.begin()
        parts = [f'sessionId="{session.number}"', f'nonce="{_base64(session.nonce)}"']
        if error:
            parts.append(f'error="{error}"')
        headers: CIMultiDict[str] = CIMultiDict()
        if basic:
            headers.add("WWW-Authenticate", 'Basic realm="handle"')
        headers.add("WWW-Authenticate", f"Handle {', '.join(parts)}")
        if shown is None:
            return web.Response(status=401, headers=headers)
        return json_response(shown, 401, headers=headers)

    async def _certified(self, request: web.Request) -> Identity | None:
        """Who the certificate of the TLS connection says they are; None without one, or if the
        node does not know the key."""
        transport = request.transport
        certificate = transport and transport.get_extra_info(CERTIFICATE)
        if not certificate:
            return None
        known = self._by_certificate.get(transport)
        if known is not None:
            return known
        name, key = certificate
        try:
            asserted = Asserted(user_in(name), PossessionProof(key))
        except UnreadableError:
            return None
        identity = Identity()
        if not await self.proves(asserted, identity, request):
            return None
        self._by_certificate[transport] = identity
        return identity


def parameters_of(header: str) -> dict[str, str]:
    """The parameters of a ``Handle`` header; none of any other."""
    scheme, _, rest = header.partition(" ")
    return dict(_PARAMETER.findall(rest)) if scheme.lower() == "handle" else {}


def asserted_by(
    header: str, parameters: Mapping[str, str], session: HttpSession | None
) -> Asserted | None:
    """What a header says about who sent it; None if it says nothing.

    Raises:
        UnreadableError: it cannot be read.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        return _basic(encoded)
    if scheme.lower() != "handle":
        raise UnreadableError(f"{scheme[:20]} is no scheme that is known here")
    if "signature" not in parameters:
        return None
    if session is None:
        raise UnreadableError("a signature belongs to a session; ask for a challenge first")
    user = user_in(parameters.get("id", ""))
    cnonce = octets_of(parameters, "cnonce")
    return Asserted(user, proof_of(parameters), session.nonce, cnonce)


def proof_of(parameters: Mapping[str, str]) -> Proof:
    """The proof in ``type``, ``alg``, ``signature`` and what else stretched keys need.

    Raises:
        UnreadableError: there is none.
    """
    kind, algorithm = parameters.get("type", SECRET_KEY).upper(), parameters.get("alg", "")
    signature = octets_of(parameters, "signature")
    if kind == PUBLIC_KEY:
        return SignatureProof(algorithm, signature)
    name = algorithm.upper().replace("-", "")
    if name in _MAC_CODES:
        return MacProof(_MAC_CODES[name], signature)
    if name == _STRETCHED:
        iterations, length = (_number(parameters, key) for key in ("iterations", "length"))
        return Pbkdf2Proof(octets_of(parameters, "salt"), iterations, length, signature)
    raise UnreadableError(f"{algorithm[:40]} is no algorithm that is known here")


def octets_of(parameters: Mapping[str, str], name: str) -> bytes:
    """The octets of a parameter in base64.

    Raises:
        UnreadableError: it is missing, or no base64.
    """
    try:
        return base64.b64decode(parameters[name], validate=True)
    except KeyError:
        raise UnreadableError(f"{name} is missing") from None
    except (binascii.Error, ValueError):
        raise UnreadableError(f"{name} is no base64") from None


def session_to_json(session: HttpSession, error: str = "") -> dict[str, object]:
    """A session as ``/api/sessions`` shows it to its owner."""
    shown: dict[str, object] = {"sessionId": session.number, "nonce": _base64(session.nonce)}
    if session.user:
        shown |= {"authenticated": True, "id": session.user}
    if error:
        shown["error"] = error
    return shown


def signed_by_server(service: Service, session: HttpSession, cnonce: bytes) -> dict[str, object]:
    """The server's own proof, for clients that sent a nonce."""
    signed = service.sign(session.nonce + cnonce)
    if signed is None:
        return {}
    return {"serverAlg": signed[0], "serverSignature": _base64(signed[1])}


def certificate_name_and_key(certificate: Any) -> tuple[str, PublicKey] | None:
    """The common name of a certificate and its key as a record would hold it; None if it has no
    name or a key of another kind."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509.oid import NameOID

    from resolver.model.errors import WireError
    from resolver.security.keys import public_key_from_pem

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names:
        return None
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        return str(names[0].value), public_key_from_pem(pem)
    except WireError:
        return None


def _basic(encoded: str) -> Asserted:
    """``index:handle`` (percent-encoded), a colon and a password, in base64."""
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise UnreadableError("the Authorization header cannot be read") from None
    if not colon:
        raise UnreadableError("the Authorization header has no password")
    return Asserted(user_in(unquote(name)), PasswordProof(encode_text(password)))


def user_in(text: str) -> Reference:
    """The key that ``index:handle`` names.

    Raises:
        UnreadableError: it names none.
    """
    index, colon, handle = text.partition(":")
    if not colon or not (index.isascii() and index.isdecimal() and len(index) < 10):
        raise UnreadableError("who asks is named by index:handle")
    return Reference(handle, int(index))


def _number(parameters: Mapping[str, str], name: str) -> int:
    text = parameters.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UnreadableError(f"{name} is no whole number")
    return int(text)


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
