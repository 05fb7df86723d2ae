"""Least recently used: whoever was asked for longest ago leaves first."""

from collections import OrderedDict
from collections.abc import Hashable


class LeastRecentlyUsed:
    """Keys in order of their last use, oldest first."""

    __slots__ = ("_order",)

    def __init__(self) -> None:
        self._order: OrderedDict[Hashable, None] = OrderedDict()

    def added(self, key: Hashable) -> None:
        """Put ``key`` at the young end."""
        self._order[key] = None

    def used(self, key: Hashable) -> None:
        """Move ``key`` to the young end."""
        self._order.move_to_end(key)

    def removed(self, key: Hashable) -> None:
        """Forget ``key``."""
        del self._order[key]

    def victim(self) -> Hashable:
        """The oldest key."""
        return next(iter(self._order))

    def clear(self) -> None:
        """Forget all keys."""
        self._order.clear()
