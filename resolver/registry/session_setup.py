"""The beginning of a session (operation 400, docs/protocol.md §11).

Diffie-Hellman on the client's group is what clients of the field use; the other modes are refused
as the reference server refuses them.
"""

from collections.abc import Callable
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.registry.edits import Refusal
from resolver.registry.identity import refused
from resolver.resolution import Plan, Process, Work
from resolver.security.sessions import AES, SessionTable, agree
from resolver.wire.answer import Answer
from resolver.wire.bodies import SessionAnswer, SessionSetupRequest
from resolver.wire.cursor import Writer
from resolver.wire.typed import DhPublicKey, decode_public_key, encode_public_key

DIFFIE_HELLMAN: Final = 4


class SessionSetup(Process):
    """Agrees on a key and begins a session."""

    def __init__(
        self,
        asked: SessionSetupRequest,
        sessions: SessionTable,
        random: Callable[[int], bytes],
    ) -> None:
        super().__init__()
        self._asked: Final = asked
        self._sessions: Final = sessions
        self._random: Final = random

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        asked = self._asked
        if asked.mode != DIFFIE_HELLMAN or asked.public_key is None:
            return refused(
                Refusal(
                    ResponseCode.SESSION_FAILED,
                    f"sessions of mode {asked.mode} are not offered, only {DIFFIE_HELLMAN}, "
                    "Diffie-Hellman",
                )
            )
        try:
            theirs = decode_public_key(asked.public_key)
        except WireError as error:
            return refused(Refusal(ResponseCode.SESSION_FAILED, error.what))
        found: list[tuple[DhPublicKey, bytes] | None] = []
        if isinstance(theirs, DhPublicKey):
            yield Work(lambda: found.append(agree(theirs, self._random)))
        if not found or found[0] is None:
            return refused(
                Refusal(ResponseCode.SESSION_FAILED, "the key is none for Diffie-Hellman")
            )
        ours, key = found[0]
        session = self._sessions.begin(key, asked.timeout, self.unix_now)
        data = Writer().u4(AES).raw(encode_public_key(ours)).octets()
        return Answer(
            ResponseCode.SUCCESS,
            SessionAnswer(DIFFIE_HELLMAN, data),
            authoritative=True,
            session_id=session.number,
        )
