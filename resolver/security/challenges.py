"""Challenges that a node has sent and still remembers (docs/protocol.md §9).

Rules: a challenge is answered once, within its lifetime, on whatever connection; their number is
bounded, and when there are too many the oldest is forgotten.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from resolver.wire.message import Digest, Message

LIFETIME_S: Final = 60
"""How long reference servers wait for the answer."""

MAX_OPEN: Final = 10_000

_NONCE_OCTETS: Final = 16
_ID_OCTETS: Final = 4


@dataclass(frozen=True, slots=True)
class Challenge:
    """What somebody who wants ``request`` done has to sign.

    Attributes:
        number: the session id of the reply that carries it, and of its answer.
        digest: of the request, as it came.
        version: of the reply; it says how proofs are written.
        expires_at: unix seconds.
    """

    number: int
    request: Message
    nonce: bytes
    digest: Digest
    version: tuple[int, int]
    expires_at: int

    @property
    def octets(self) -> bytes:
        """What is signed."""
        return self.nonce + self.digest.octets


class ChallengeTable:
    """The open challenges of one node."""

    def __init__(self, random: Callable[[int], bytes], most: int = MAX_OPEN) -> None:
        """
        Args:
            random: gives so many octets that nobody can guess.
            most: challenges that may be open at a time.
        """
        self._random: Final = random
        self._most: Final = most
        self._open: Final[OrderedDict[int, Challenge]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def issue(
        self,
        request: Message,
        digest: Digest,
        version: tuple[int, int],
        unix_now: int,
        *,
        number: int = 0,
    ) -> Challenge:
        """A new challenge for ``request``; called ``number``, if it belongs to the session of that
        id, in the place of an earlier one."""
        if number:
            self._open.pop(number, None)
        while not number or number in self._open:
            number = int.from_bytes(self._random(_ID_OCTETS), "big")
        challenge = Challenge(
            number, request, self._random(_NONCE_OCTETS), digest, version, unix_now + LIFETIME_S
        )
        self._open[number] = challenge
        if len(self._open) > self._most:
            self._open.popitem(last=False)
        return challenge

    def take(self, number: int, unix_now: int) -> Challenge | None:
        """The challenge called ``number``, which is then answered; None if there is none, or it
        has expired."""
        challenge = self._open.pop(number, None)
        return challenge if challenge is not None and unix_now <= challenge.expires_at else None
