"""Least recently used: whoever was asked for longest ago leaves first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final


class LeastRecentlyUsed:
    """Keys in order of their last use, oldest first.

    Attributes:
        used: moves a key to the young end; a function of C as it is, since a call of one of Python
            would take longer than what it does.
    """

    __slots__ = ("_order", "used")

    def __init__(self) -> None:
        self._order: OrderedDict[Hashable, None] = OrderedDict()
        self.used: Final[Callable[[Hashable], None]] = self._order.move_to_end

    def added(self, key: Hashable) -> None:
        """Put ``key`` at the young end."""
        self._order[key] = None

    def removed(self, key: Hashable) -> None:
        """Forget ``key``."""
        del self._order[key]

    def victim(self) -> Hashable:
        """The oldest key."""
        return next(iter(self._order))

    def clear(self) -> None:
        """Forget all keys."""
        self._order.clear()
