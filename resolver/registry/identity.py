"""Whether somebody is who they say: their keys, looked up here or in the tree, and the proof.

The order of things that need both is the business of ``administration``.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from resolver.cache.records import RecordCache
from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.handle import canonical, prefix_of
from resolver.model.value import HandleValue, Reference
from resolver.registry.edits import Refusal
from resolver.registry.permits import Permits
from resolver.registry.quotas import Quotas
from resolver.resolution import (
    Ask,
    Done,
    Limits,
    Nearness,
    Plan,
    Process,
    Question,
    Reply,
    Resolution,
    Routes,
    Stop,
    Work,
)
from resolver.security import KEY_TYPES, proves
from resolver.storage import NodeStore
from resolver.wire.answer import Answer
from resolver.wire.bodies import (
    Body,
    EmptyBody,
    ErrorAnswer,
    LoginAnswer,
    RecordAnswer,
    VerifiedAnswer,
    VerifyRequest,
)
from resolver.wire.proof import MacProof, PasswordProof, Pbkdf2Proof, Proof, encode_proof
from resolver.wire.values import ValueList

NONCE_OCTETS: Final = 16
_SHA256: Final = 3
"""The code of a MAC that is SHA-256 of secret, challenge and secret (docs/protocol.md §9)."""


class Holdings(Protocol):
    """What the node holds (``resolver.node.state.NodeState``)."""

    @property
    def store(self) -> NodeStore:
        """Its records."""

    @property
    def administrators(self) -> tuple[Reference, ...]:
        """Keys that may do everything here."""

    @property
    def random(self) -> Callable[[int], bytes]:
        """Gives so many octets that nobody can guess."""

    @property
    def limits(self) -> Limits:
        """Bounds of one resolution."""

    @property
    def nearness(self) -> Nearness | None:
        """How soon the sites of other nodes answer."""

    @property
    def permits(self) -> Permits:
        """What was found out about rights."""

    @property
    def quotas(self) -> Quotas:
        """How much it takes."""

    @property
    def foreign(self) -> RecordCache:
        """Records of other nodes that say who may do what here; they do not stay long."""

    def holds(self, handle: str) -> bool:
        """Whether ``handle`` would live here."""

    def delegated(self, handle: str) -> bool:
        """Whether the record of this prefix lives further down after all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody who says they are ``user``, and proves it over ``nonce`` and ``digest``."""

    user: Reference
    proof: Proof
    nonce: bytes
    digest: bytes


class Login(Process):
    """A login by key or by password (docs/protocol.md §15): an answer, and ``logged_in`` called if
    it is a success."""

    def __init__(
        self,
        claim: Claim,
        holdings: Holdings,
        routes: Routes,
        logged_in: Callable[[Reference], None],
    ) -> None:
        super().__init__()
        self._claim: Final = claim
        self._holdings: Final = holdings
        self._routes: Final = routes
        self._logged_in: Final = logged_in

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        claim = self._claim
        yield from proved(self, claim, self._holdings, self._routes)
        self._logged_in(claim.user)
        body: Body = EmptyBody()
        if isinstance(claim.proof, PasswordProof):
            body = LoginAnswer(claim.user.handle, 0)
        return Answer(ResponseCode.SUCCESS, body, authoritative=True)


def proved(process: Process, claim: Claim, holdings: Holdings, routes: Routes) -> Plan[None]:
    """Ends the plan (403) unless one of the keys of the claim's user proves it."""
    user = claim.user
    values = yield from fetched(process, user.handle, user.index, holdings, routes, restricted=True)
    found: list[bool] = []
    for key in values or ():
        if key.type.upper() in KEY_TYPES:
            yield Work(partial(_check, claim, key, found))
            if any(found):
                return
    if (yield from _verified_there(process, claim, holdings, routes)):
        return
    raise Stop(refused(Refusal(ResponseCode.AUTHENTICATION_FAILED)))


def fetched(
    process: Process,
    handle: str,
    index: int,
    holdings: Holdings,
    routes: Routes,
    *,
    restricted: bool = False,
) -> Plan[ValueList | None]:
    """Values of a record, here or in the tree; ``index`` 0 means all. Restricted ones only of
    records that live here."""
    handle = canonical(handle)
    indexes = (index,) if index else ()
    if holdings.holds(handle):
        record = holdings.store.get(handle)
        if record is None:
            return None
        selected = record.select(indexes, ())
        return selected if restricted else selected.public()
    known = holdings.foreign.get(handle, process.now)
    if known is not None:
        return None if known.values is None else known.values.select(indexes, ())
    resolution = Resolution(Question(handle), routes, holdings.limits, holdings.nearness)
    step = resolution.start(process.now, process.unix_now)
    while not isinstance(step, Done):
        outcome = yield step
        step = resolution.resume(outcome, process.now)
    body = step.answer.body
    if not isinstance(body, RecordAnswer):
        return None
    holdings.foreign.put_values(handle, body.values, now=process.now, unix_now=process.unix_now)
    return body.values.select(indexes, ())


def refused(refusal: Refusal) -> Answer:
    """``refusal`` as an answer."""
    return Answer(refusal.code, ErrorAnswer(refusal.reason), authoritative=True)


def _verified_there(
    process: Process, claim: Claim, holdings: Holdings, routes: Routes
) -> Plan[bool]:
    """Whether the node that holds the user's secret key, and shows it to nobody, says that the
    claim is true (op 201); its word is signed."""
    user = claim.user
    if holdings.holds(canonical(user.handle)):
        return False
    nonce, digest, proof = claim.nonce, claim.digest, claim.proof
    if isinstance(proof, PasswordProof):
        # Shown to another node as a MAC only.
        nonce, digest = holdings.random(NONCE_OCTETS), bytes(hashlib.sha256().digest_size)
        octets = b"".join((proof.secret, nonce, digest, proof.secret))
        proof = MacProof(_SHA256, hashlib.sha256(octets).digest())
    if not isinstance(proof, MacProof | Pbkdf2Proof):
        return False
    route = routes.get(prefix_of(canonical(user.handle)), process.now)
    if route is None or not route.sites:
        return False
    site = next((site for site in route.sites if site.is_primary), route.sites[0])
    question = VerifyRequest(user.handle, user.index, nonce, digest, encode_proof(proof))
    flags = OpFlag.CERT | OpFlag.CACR | OpFlag.PUBL | OpFlag.RRDG
    outcome = yield Ask(site, question, flags, 0, holdings.limits.ask_timeout_s)
    if not isinstance(outcome, Reply):
        return False
    body = outcome.message.body
    return isinstance(body, VerifiedAnswer) and body.valid == 1


def _check(claim: Claim, key: HandleValue, found: list[bool]) -> None:
    found.append(proves(claim.proof, key, claim.nonce + claim.digest, claim.user.handle))
