"""No opinion about what is worth keeping, as in a cache that knows nothing but lifetimes.

Who was added first leaves first; with equal lifetimes that is who would expire first.
"""

from collections.abc import Hashable

from resolver.cache.policies.lines import Gaps


class AddedFirst:
    """Keys in the order in which they were added."""

    __slots__ = ("_gaps", "_line")

    def __init__(self) -> None:
        self._gaps = Gaps()
        self._line = self._gaps.line()

    def added(self, key: Hashable) -> None:
        """Put ``key`` at the young end."""
        self._line.join(key)

    def used(self, key: Hashable) -> None:
        """Being asked for changes nothing."""

    def removed(self, key: Hashable) -> None:
        """Forget ``key``."""
        if key == self._line.first():
            self._line.pop()
        else:
            self._gaps.take_out(key)

    def victim(self) -> Hashable:
        """The oldest key."""
        return self._line.first()

    def clear(self) -> None:
        """Forget all keys."""
        self._gaps.clear()
