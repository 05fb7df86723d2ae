"""What only the administrators of a node may ask of it: which prefixes live here, and a backup
(operations 300 to 302 and 1003, docs/protocol.md §3, §10)."""

from typing import Final, Protocol

from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import StoreError
from resolver.model.handle import described_prefix, fold, is_prefix_handle, prefix_handle
from resolver.model.value import Reference
from resolver.registry.edits import Refusal
from resolver.registry.identity import Claim, Holdings, proved, refused
from resolver.registry.rights import is_same_key
from resolver.resolution import Plan, Process, Routes, Work
from resolver.wire.answer import Answer
from resolver.wire.bodies import Body, EmptyBody, HandleRequest, HandlesAnswer
from resolver.wire.message import Message

OPERATIONS: Final = frozenset(
    {OpCode.HOME_PREFIX, OpCode.UNHOME_PREFIX, OpCode.LIST_HOMED, OpCode.BACKUP_SERVER}
)

HOMES: Final = "homes"
"""The documents that say which prefixes came and went: by prefix, HERE or ELSEWHERE."""

HERE: Final = b"here"
ELSEWHERE: Final = b"elsewhere"


class Residence(Holdings, Protocol):
    """A node whose prefixes come and go."""

    @property
    def homes(self) -> frozenset[str]:
        """Prefixes (folded) whose identifiers live here."""

    def adopt(self, prefix: str, lives_here: bool) -> None:
        """From now on identifiers under ``prefix`` live here, or do not; the store knows."""


def unfit(request: Message) -> Answer | None:
    """What is wrong with a request, whoever makes it."""
    asked = request.body
    assert isinstance(asked, HandleRequest)
    if request.op_code not in (OpCode.HOME_PREFIX, OpCode.UNHOME_PREFIX):
        return None
    if is_prefix_handle(asked.handle) and described_prefix(asked.handle):
        return None
    return refused(Refusal(ResponseCode.INVALID_HANDLE, "Handle is not a prefix handle"))


class ServerAdministration(Process):
    """One such request of somebody who says who they are, and proves it or has done so before."""

    def __init__(
        self,
        request: Message,
        user: Reference,
        claim: Claim | None,
        residence: Residence,
        routes: Routes,
    ) -> None:
        """
        Args:
            claim: that they are ``user``; None if they have proved it on this connection.
        """
        super().__init__()
        self._request: Final = request
        self._user: Final = user
        self._claim: Final = claim
        self._residence: Final = residence
        self._routes: Final = routes

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        residence = self._residence
        if not any(is_same_key(self._user, known) for known in residence.administrators):
            return refused(Refusal(ResponseCode.INVALID_ADMIN))
        if self._claim is not None:
            yield from proved(self, self._claim, residence, self._routes)
        body: Body = EmptyBody()
        if self._request.op_code == OpCode.LIST_HOMED:
            body = HandlesAnswer(tuple(map(prefix_handle, sorted(residence.homes))))
        else:
            outcome = yield Work(self._carry_out)
            if isinstance(outcome, StoreError):
                return refused(Refusal(ResponseCode.ERROR, outcome.told))
        return Answer(ResponseCode.SUCCESS, body, authoritative=True)

    def _carry_out(self) -> None:
        asked = self._request.body
        assert isinstance(asked, HandleRequest)
        name = f"{self._user.index}:{self._user.handle}"
        if self._request.op_code == OpCode.BACKUP_SERVER:
            self._residence.store.backup()
        else:
            lives_here = self._request.op_code == OpCode.HOME_PREFIX
            prefix = described_prefix(asked.handle)
            store = self._residence.store
            where = HERE if lives_here else ELSEWHERE
            store.put_documents(HOMES, {fold(prefix): where}, announce=True)
            store.note(f"{'home' if lives_here else 'unhome'} {prefix}", name, self.unix_now)
            self._residence.adopt(prefix, lives_here)
