"""How much a node takes: identifiers under one prefix (code 604), prefixes below it (605).

Rule: what is there is counted in the store once, when a limit is first asked about, and kept up to
date with every change this node makes; what others write into its file meanwhile, an import for
example, is counted at the next start.
"""

from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.handle import NA, fold, is_prefix_handle, prefix_of
from resolver.registry.edits import Refusal
from resolver.storage.base import Change, RecordStore


class Quotas:
    """The limits of one node."""

    def __init__(self, store: RecordStore, *, registrations: int = 0, prefixes: int = 0) -> None:
        """
        Args:
            registrations: identifiers under one prefix; 0 is no limit.
            prefixes: records of prefixes; 0 is no limit.
        """
        self._store: Final = store
        self._registrations: Final = registrations
        self._prefixes: Final = prefixes
        self._counts: Final[dict[str, int]] = {}

    def refusal(self, handle: str) -> Refusal | None:
        """Why there is no room for a new record called ``handle``."""
        if not self._registrations and not self._prefixes:
            return None
        if is_prefix_handle(handle):
            if self._prefixes and self._count(NA) >= self._prefixes:
                return Refusal(
                    ResponseCode.PREFIX_LIMIT,
                    f"this node may not have more than {self._prefixes} prefixes",
                )
        elif self._registrations:
            prefix = prefix_of(handle)
            if self._count(f"{fold(prefix)}/") >= self._registrations:
                return Refusal(
                    ResponseCode.REGISTRATION_LIMIT,
                    f"{prefix} may not have more than {self._registrations} identifiers",
                )
        return None

    def count(self, change: Change) -> None:
        """Take in what ``change`` makes or deletes."""
        self._add(change, 1)

    def discount(self, change: Change) -> None:
        """It was not made after all."""
        self._add(change, -1)

    def _add(self, change: Change, sign: int) -> None:
        if not self._counts:
            return
        start = fold(prefix_of(change.handle)) + "/"
        if start in self._counts:
            difference = (change.after is not None) - (change.before is not None)
            self._counts[start] += sign * difference

    def _count(self, start: str) -> int:
        count = self._counts.get(start)
        if count is None:
            count = self._counts[start] = sum(1 for _ in self._store.handles(start))
        return count
