"""The log of what clients cause: at most one line of each kind a second, so that whoever sends
rubbish, or asks a thousand times a second for what cannot be answered, does not fill the disk."""

import logging
from typing import Final

from resolver.model.text import printable
from resolver.server.logs import FIELDS

EVERY_S: Final = 1.0
"""Seconds between two lines of one kind."""

_log: Final = logging.getLogger(__name__)


class Notes:
    """The notes of one kind of one node."""

    def __init__(self, node: str, level: int) -> None:
        self._node: Final = node
        self._level: Final = level
        self._due_at = 0.0
        self._left_out = 0

    def note(self, text: str, now: float, **fields: object) -> None:
        """Log ``text``, or only count it if the last line is less than a second old (``now`` in
        seconds of a monotonic clock).

        Args:
            fields: what programs want to know of it one by one (``resolver.server.logs``).
        """
        if now < self._due_at:
            self._left_out += 1
            return
        more = f" (and {self._left_out} more since the last such line)" if self._left_out else ""
        extra = {FIELDS: {"node": self._node, **fields}}
        _log.log(self._level, "%s: %s%s", self._node, printable(text), more, extra=extra)
        self._due_at, self._left_out = now + EVERY_S, 0
