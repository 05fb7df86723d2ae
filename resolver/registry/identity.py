"""Whether somebody is who they say: their keys, looked up here or in the tree, and the proof.

The order of things that need both is the business of ``administration``.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from resolver.model.codes import ResponseCode
from resolver.model.handle import canonical
from resolver.model.value import HandleValue, Reference
from resolver.registry.edits import Refusal
from resolver.resolution import (
    Done,
    Limits,
    Plan,
    Process,
    Question,
    Resolution,
    Routes,
    Stop,
    Work,
)
from resolver.security import KEY_TYPES, proves
from resolver.storage.base import RecordStore
from resolver.wire.answer import Answer
from resolver.wire.bodies import Body, EmptyBody, ErrorAnswer, LoginAnswer, RecordAnswer
from resolver.wire.cursor import encode_text
from resolver.wire.proof import Proof
from resolver.wire.values import ValueList

_SECRET_TYPE: Final = "HS_SECKEY"


class Holdings(Protocol):
    """What the node holds (``resolver.node.state.NodeState``)."""

    @property
    def store(self) -> RecordStore:
        """Its records."""

    @property
    def administrators(self) -> tuple[Reference, ...]:
        """Keys that may do everything here."""

    @property
    def limits(self) -> Limits:
        """Bounds of one resolution."""

    def holds(self, handle: str) -> bool:
        """Whether ``handle`` would live here."""

    def delegated(self, handle: str) -> bool:
        """Whether the record of this prefix lives further down after all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody who says they are ``user``, and proves it over ``challenge``."""

    user: Reference
    proof: Proof
    challenge: bytes


class Login(Process):
    """A login by key or by password (docs/protocol.md §15): an answer, and ``logged_in`` called if
    it is a success."""

    def __init__(
        self,
        claim: Claim | tuple[Reference, str],
        holdings: Holdings,
        routes: Routes,
        logged_in: Callable[[Reference], None],
    ) -> None:
        """
        Args:
            claim: a claim; or a user, of whatever key, and their password.
        """
        super().__init__()
        self._claim: Final = claim
        self._holdings: Final = holdings
        self._routes: Final = routes
        self._logged_in: Final = logged_in

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        body: Body = EmptyBody()
        if isinstance(self._claim, Claim):
            user = self._claim.user
            yield from proved(self, self._claim, self._holdings, self._routes)
        else:
            user, password = self._claim
            values = yield from fetched(
                self, user.handle, user.index, self._holdings, self._routes, restricted=True
            )
            secrets = [] if values is None else list(values.of_type(_SECRET_TYPE))
            given = encode_text(password)
            if not any(hmac.compare_digest(secret.data, given) for secret in secrets):
                raise Stop(refused(Refusal(ResponseCode.AUTHENTICATION_FAILED)))
            body = LoginAnswer(user.handle, 0)
        self._logged_in(user)
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
    resolution = Resolution(Question(handle, indexes=indexes), routes, holdings.limits)
    step = resolution.start(process.now, process.unix_now)
    while not isinstance(step, Done):
        outcome = yield step
        step = resolution.resume(outcome, process.now)
    body = step.answer.body
    return body.values if isinstance(body, RecordAnswer) else None


def refused(refusal: Refusal) -> Answer:
    """``refusal`` as an answer."""
    return Answer(refusal.code, ErrorAnswer(refusal.reason), authoritative=True)


def _check(claim: Claim, key: HandleValue, found: list[bool]) -> None:
    found.append(proves(claim.proof, key, claim.challenge, claim.user.handle))
