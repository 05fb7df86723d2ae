"""What a node found out about rights, as long as it holds good.

Rules: a finding holds until the next change of the node's store, whatever changed, and no longer
than ``LIFETIME_S``, as records of other nodes may have played a part. Only permissions are kept;
who was refused is looked up again. So what a bulk of registrations in one session asks thousands
of times is looked up once for each transaction.
"""

from typing import Final

LIFETIME_S: Final = 10.0
"""Seconds for which other nodes' records are believed without asking again."""

MAX_PERMITS: Final = 1000

Permit = tuple[int, str, str, int]
"""Index and handle of a key, the handle whose administrators are meant, AdminRight bits."""


class Permits:
    """The permissions of one node's users."""

    def __init__(self) -> None:
        self._known: Final[dict[Permit, tuple[int, float]]] = {}

    def holds(self, permit: Permit, generation: int, now: float) -> bool:
        """Whether ``permit`` was found while the store was at ``generation``, not long ago."""
        known = self._known.get(permit)
        return known is not None and known[0] == generation and now < known[1]

    def add(self, permit: Permit, generation: int, now: float) -> None:
        """Remember what was found with the store at ``generation``."""
        if len(self._known) >= MAX_PERMITS:
            self._known.clear()
        self._known[permit] = (generation, now + LIFETIME_S)
