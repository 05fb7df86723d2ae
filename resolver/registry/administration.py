"""An administrative request on its way: checks, rights, proof, and the change itself.

The order is the reference server's (docs/protocol.md §10). What can be refused without knowing who
asks is refused at once (``preliminary``). Then comes a challenge, and with its answer
``Administration``: is this one of the administrators with the rights it takes (400 if not), does
the answer prove the key (403 if not), and only then whether the change is possible.

A change is written only if the record still is as it was when the checks were made; else the
checks are made again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import StoreError
from resolver.model.handle import (
    MAX_HANDLE_OCTETS,
    canonical,
    described_prefix,
    is_prefix_handle,
    parent_prefix,
    prefix_handle,
    prefix_of,
)
from resolver.model.site import AdminRight
from resolver.model.value import Reference
from resolver.registry import edits
from resolver.registry.edits import Edit, Refusal
from resolver.registry.identity import Claim, Holdings, fetched, proved, refused
from resolver.registry.permits import Permit
from resolver.registry.rights import administrators, is_same_key, may
from resolver.resolution import Commit, Outcome, Plan, Process, Routes, Stop, Work
from resolver.wire.answer import Answer
from resolver.wire.bodies import (
    Body,
    EmptyBody,
    HandleAnswer,
    HandleRequest,
    HandlesAnswer,
    RecordRequest,
    RemoveRequest,
    ResolveRequest,
)
from resolver.wire.cursor import encode_text
from resolver.wire.message import Message
from resolver.wire.values import ValueList

OPERATIONS: Final = frozenset(
    {
        OpCode.CREATE_HANDLE,
        OpCode.DELETE_HANDLE,
        OpCode.ADD_VALUE,
        OpCode.REMOVE_VALUE,
        OpCode.MODIFY_VALUE,
        OpCode.LIST_HANDLES,
    }
)
MAX_ATTEMPTS: Final = 20
"""To change a record that others keep changing."""

_AFTER_PROOF: Final = frozenset(
    {
        (OpCode.ADD_VALUE, ResponseCode.VALUE_EXISTS),
        (OpCode.REMOVE_VALUE, ResponseCode.VALUES_NOT_FOUND),
        (OpCode.DELETE_HANDLE, ResponseCode.HANDLE_NOT_FOUND),
    }
)
"""Refusals that only somebody who has proved who they are gets to see."""

_LEAST_RIGHT: Final[dict[int, int]] = {
    OpCode.ADD_VALUE: AdminRight.ADD_VALUE,
    OpCode.REMOVE_VALUE: AdminRight.REMOVE_VALUE,
}


_WITH_HANDLE: Final = (RecordRequest, HandleRequest, RemoveRequest, ResolveRequest)


@dataclass(slots=True)
class _Task:
    """What a request comes to with the record as it is now.

    Attributes:
        ruled_by: the handle whose administrators may do it; None if its record is missing and
            there is nobody to ask.
        rights: they need.
        outcome: what is to be done: an edit, or a list of the handles that begin like this; or
            the answer if nothing is.
    """

    ruled_by: str | None
    rights: int
    outcome: Edit | Answer | str


def handle_of(request: Message) -> str:
    """The handle that an administrative or resolve request is about."""
    body = request.body
    assert isinstance(body, _WITH_HANDLE)
    return canonical(body.handle)


def preliminary(request: Message, holdings: Holdings, unix_now: int) -> Answer | Edit | None:
    """What can be said without knowing who asks: a refusal, an edit, which everybody may make if it
    is ``public``, or None. Unless everybody may, the one who asks has to prove who they are."""
    handle = handle_of(request)
    refusal = _unfit(handle)
    if refusal is not None:
        return refused(refusal)
    if request.op_code == OpCode.LIST_HANDLES:
        prefix = described_prefix(handle) if is_prefix_handle(handle) else prefix_of(handle)
        probe = f"{prefix}/"
        return None if holdings.holds(probe) else refused(_NOT_HERE)
    if not holdings.holds(handle) or holdings.delegated(handle):
        return refused(_NOT_HERE)
    if isinstance(request.body, RecordRequest):
        refusal = edits.checked_values(request.body.values)
        if refusal is not None:
            return refused(refusal)
    if request.op_code == OpCode.CREATE_HANDLE and request.flags & OpFlag.MINT:
        return None  # the handle is made when it is known who wants one
    edit = _edit(request, handle, holdings.store.get(handle), unix_now)
    if isinstance(edit, Refusal):
        return None if (request.op_code, edit.code) in _AFTER_PROOF else refused(edit)
    if edits.read_only(edit):
        return refused(Refusal(ResponseCode.INSUFFICIENT_PERMISSION, "Value is read-only"))
    return edit


class PublicChange(Process):
    """An edit that everybody may make."""

    def __init__(self, request: Message, holdings: Holdings) -> None:
        super().__init__()
        self._request: Final = request
        self._holdings: Final = holdings

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        for _ in range(MAX_ATTEMPTS):
            edit = preliminary(self._request, self._holdings, self.unix_now)
            if isinstance(edit, Answer):
                return edit
            if edit is None or not edit.public:
                return refused(Refusal(ResponseCode.AUTHENTICATION_NEEDED))
            if _is_made((yield _commit(edit, self._request.op_code, None))):
                return _done(self._request, edit)
        return _too_busy(self._request)


class Administration(Process):
    """A request of somebody who says who they are, and proves it or has done so before."""

    def __init__(
        self,
        request: Message,
        user: Reference,
        claim: Claim | None,
        holdings: Holdings,
        routes: Routes,
        random: Callable[[int], bytes],
        reader: Callable[[Message, ValueList], Answer],
        known: Callable[[Reference], None] | None = None,
        edit: Edit | None = None,
    ) -> None:
        """
        Args:
            request: what is wanted, with its handle as it was asked.
            user: the key that wants it.
            claim: that it is theirs; None if they have proved it on this connection.
            random: for the suffix of a minted handle.
            reader: the answer to a resolve request with all rights.
            known: told the user when the claim has turned out to be true.
            edit: what the request comes to at this moment, if somebody has found out already.
        """
        super().__init__()
        self._request: Final = request
        self._user: Final = user
        self._claim = claim
        self._holdings: Final = holdings
        self._routes: Final = routes
        self._reader: Final = reader
        self._known: Final = known
        self._edit = edit
        self._handle: Final = _minted(request, random)

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        for _ in range(MAX_ATTEMPTS):
            task = self._task()
            if self._claim is not None or not self._is_permitted(task):
                yield from self._authorise(task)
            if isinstance(task.outcome, str):
                return (yield from self._listed(task.outcome))
            if isinstance(task.outcome, Answer):
                return task.outcome
            if edits.read_only(task.outcome):
                return refused(Refusal(ResponseCode.INSUFFICIENT_PERMISSION, "Value is read-only"))
            if task.outcome.change.before is None:
                no_room = self._holdings.quotas.refusal(self._handle)
                if no_room is not None:
                    return refused(no_room)
            quotas, change = self._holdings.quotas, task.outcome.change
            made = False
            quotas.count(change)  # the room for a new record is taken before it is written
            try:
                made = _is_made((yield _commit(task.outcome, self._request.op_code, self._user)))
            finally:
                if not made:
                    quotas.discount(change)
            if made:
                return _done(self._request, task.outcome)
        return _too_busy(self._request)

    def _task(self) -> _Task:
        request, handle = self._request, self._handle
        op_code = request.op_code
        if op_code == OpCode.LIST_HANDLES:
            prefix = described_prefix(handle) if is_prefix_handle(handle) else prefix_of(handle)
            return _Task(prefix_handle(prefix), AdminRight.LIST_HANDLES, f"{prefix}/")
        known, self._edit = self._edit, None
        if known is not None:
            return _Task(self._ruler(known), known.rights, known)
        before = self._holdings.store.get(handle)
        if op_code == OpCode.RESOLVE:
            if before is None:
                return _Task(None, 0, refused(Refusal(ResponseCode.HANDLE_NOT_FOUND)))
            return _Task(handle, AdminRight.READ_VALUE, self._reader(request, before))
        edit = _edit(request, handle, before, self.unix_now)
        if isinstance(edit, Refusal):
            ruled_by = None if before is None else handle
            return _Task(ruled_by, _LEAST_RIGHT.get(op_code, 0), refused(edit))
        return _Task(self._ruler(edit), edit.rights, edit)

    def _ruler(self, edit: Edit) -> str:
        return _parent_of(self._handle) if edit.change.before is None else self._handle

    def _listed(self, start: str) -> Plan[Answer]:
        names: list[str] = []
        yield Work(lambda: names.extend(self._holdings.store.handles(start)))
        return Answer(ResponseCode.SUCCESS, HandlesAnswer(tuple(names)), authoritative=True)

    def _is_permitted(self, task: _Task) -> bool:
        """Whether it is known already that the user may do that."""
        permits, generation = self._holdings.permits, self._holdings.store.generation()
        return permits.holds(_permit(self._user, task), generation, self.now)

    def _authorise(self, task: _Task) -> Plan[None]:
        """Ends the plan unless the user is an administrator, and the claim is true."""
        user, holdings = self._user, self._holdings
        generation = holdings.store.generation()
        if (
            task.ruled_by is not None
            and not self._is_permitted(task)
            and not any(is_same_key(user, known) for known in holdings.administrators)
        ):
            record = yield from self._found(task.ruled_by, 0)
            admins = () if record is None else administrators(record)
            if not (yield from may(user, admins, task.rights, self._found)):
                raise Stop(refused(Refusal(ResponseCode.INVALID_ADMIN)))
            holdings.permits.add(_permit(user, task), generation, self.now)
        if self._claim is not None:
            yield from proved(self, self._claim, self._holdings, self._routes)
            self._claim = None
            if self._known is not None:
                self._known(user)

    def _found(self, handle: str, index: int) -> Plan[ValueList | None]:
        return fetched(self, handle, index, self._holdings, self._routes)


def _permit(user: Reference, task: _Task) -> Permit:
    return (user.index, user.handle, task.ruled_by or "", task.rights)


def _commit(edit: Edit, operation: int, user: Reference | None) -> Commit:
    """The step that writes the change of ``edit``, which ``user`` wants (None: anybody may)."""
    change = edit.change
    change.operation = operation
    change.user = "" if user is None else f"{user.index}:{user.handle}"
    return Commit(change)


def _is_made(outcome: Outcome) -> bool:
    """Whether the change was written: it is not if the record was no longer as it was before.
    Ends the plan if it cannot be written."""
    if isinstance(outcome, StoreError):
        raise Stop(refused(Refusal(ResponseCode.ERROR, outcome.told)))
    return outcome is True


_NOT_HERE: Final = Refusal(ResponseCode.NOT_RESPONSIBLE, "That prefix doesn't live here")


def _edit(request: Message, handle: str, before: ValueList | None, unix_now: int) -> Edit | Refusal:
    body, overwrite = request.body, bool(request.flags & OpFlag.OVRW)
    match request.op_code, body:
        case OpCode.CREATE_HANDLE, RecordRequest():
            return edits.create(handle, body.values, before, overwrite=overwrite, unix_now=unix_now)
        case OpCode.ADD_VALUE, RecordRequest():
            return edits.add(handle, body.values, before, overwrite=overwrite, unix_now=unix_now)
        case OpCode.MODIFY_VALUE, RecordRequest():
            return edits.modify(handle, body.values, before, unix_now=unix_now)
        case OpCode.REMOVE_VALUE, RemoveRequest():
            return edits.remove(handle, body.indexes, before)
        case OpCode.DELETE_HANDLE, _:
            return edits.delete(handle, before)
    return Refusal(ResponseCode.PROTOCOL_ERROR, f"operation {request.op_code} with another body")


def _unfit(handle: str) -> Refusal | None:
    """Why no record may have this name."""
    octets = len(handle) if handle.isascii() else len(encode_text(handle))
    if octets > MAX_HANDLE_OCTETS:
        return Refusal(
            ResponseCode.INVALID_HANDLE,
            f"the handle has {octets} octets, at most {MAX_HANDLE_OCTETS} are allowed",
        )
    if not handle.isascii() and any("\ud800" <= character <= "\udfff" for character in handle):
        return Refusal(ResponseCode.INVALID_HANDLE, "the handle is not UTF-8")
    if not prefix_of(handle) or (is_prefix_handle(handle) and not described_prefix(handle)):
        return Refusal(ResponseCode.INVALID_HANDLE, "the prefix is empty")
    return None


def _parent_of(handle: str) -> str:
    """The prefix handle whose administrators may create ``handle``: that of its prefix; for a
    prefix, that of the prefix above."""
    if is_prefix_handle(handle):
        return prefix_handle(parent_prefix(described_prefix(handle)))
    return prefix_handle(prefix_of(handle))


def _minted(request: Message, random: Callable[[int], bytes]) -> str:
    """The handle of ``request``; with MINT a new one that begins with it."""
    handle = handle_of(request)
    if request.op_code == OpCode.CREATE_HANDLE and request.flags & OpFlag.MINT:
        return handle + str(UUID(bytes=random(16), version=4))
    return handle


def _done(request: Message, edit: Edit) -> Answer:
    body: Body = EmptyBody()
    if request.op_code == OpCode.CREATE_HANDLE:
        body = HandleAnswer(edit.change.handle)
    flags = request.flags & OpFlag.MINT | (OpFlag.OVRW if edit.overwrites else 0)
    return Answer(ResponseCode.SUCCESS, body, authoritative=True, flags=flags)


def _too_busy(request: Message) -> Answer:
    return refused(
        Refusal(ResponseCode.SERVER_BUSY, f"{handle_of(request)} is being changed by others")
    )
