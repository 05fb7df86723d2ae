"""Who has said over HTTP who they are, until they leave (docs/protocol.md §13).

Rules: whoever asks for a challenge gets a session that proves nothing yet; those are many, cheap
and soon forgotten, and never push out one of somebody who has proved who they are. What a node
knows of a session's user hangs on the session object (``NodeState.logins``), and goes with it.
"""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

NONCE_OCTETS: Final = 16
MAX_SESSIONS: Final = 10_000
"""Of each kind."""

PENDING_S: Final = 300.0
"""How long a challenge may be answered."""

IDLE_S: Final = 3600.0
"""How long a session lives without a request."""

_ID_OCTETS: Final = 18


class Identity:
    """Stands for whoever sent a request, where a login is bound to a connection."""


@dataclass(eq=False)
class HttpSession(Identity):
    """One session.

    Attributes:
        number: its id, which nobody can guess.
        nonce: the challenge.
        user: ``index:handle`` of the key that was proved; empty before.
    """

    number: str = field(default_factory=lambda: secrets.token_urlsafe(_ID_OCTETS))
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(NONCE_OCTETS))
    user: str = ""
    used_at: float = 0.0


class HttpSessions:
    """The sessions of one node."""

    def __init__(self) -> None:
        self._pending: Final[OrderedDict[str, HttpSession]] = OrderedDict()
        self._open: Final[OrderedDict[str, HttpSession]] = OrderedDict()

    def begin(self) -> HttpSession:
        """A new session of nobody yet."""
        session = HttpSession(used_at=time.monotonic())
        _add(self._pending, session)
        return session

    def get(self, number: str) -> HttpSession | None:
        """The session called ``number``, if it is not too old."""
        now = time.monotonic()
        for table, lifetime in ((self._open, IDLE_S), (self._pending, PENDING_S)):
            session = table.get(number)
            if session is None:
                continue
            if now > session.used_at + lifetime:
                del table[number]
                return None
            if table is self._open:
                session.used_at = now
                table.move_to_end(number)
            return session
        return None

    def proved(self, session: HttpSession, user: str) -> None:
        """``session`` belongs to ``user`` from now on."""
        self.end(session)
        session.user, session.used_at = user, time.monotonic()
        _add(self._open, session)

    def end(self, session: HttpSession) -> None:
        """Forget ``session``."""
        self._pending.pop(session.number, None)
        self._open.pop(session.number, None)


def _add(table: OrderedDict[str, HttpSession], session: HttpSession) -> None:
    table[session.number] = session
    if len(table) > MAX_SESSIONS:
        table.popitem(last=False)
