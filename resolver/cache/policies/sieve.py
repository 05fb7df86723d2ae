"""SIEVE: a hand goes from the oldest key to the youngest and takes the first one not asked for.

Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is Simpler than LRU", NSDI 2024, algorithm 1. Keys keep
their place; one that was asked for since the hand passed loses only the mark of it. So a new key
that is asked for once leaves when the hand comes to it, and what is asked for again and again stays
behind the hand.

Rules: a hit does nothing but set a mark. ``used`` is ``set.add`` itself, bound to the set of marked
keys: no Python code runs between the cache and the set. Everything else is done when a key leaves.
"""

from collections.abc import Callable, Hashable

from resolver.cache.policies.lines import Gaps


class Sieve:
    """Two lines: the keys the hand has yet to come to, and those it has passed.

    Both are in order of age, and all it has passed are older. A new key is the youngest of all, so
    it joins the former; when that is empty the hand starts again at the oldest, and they swap.
    """

    __slots__ = ("_ahead", "_gaps", "_marked", "_passed", "used")

    def __init__(self) -> None:
        self._gaps = Gaps()
        self._ahead = self._gaps.line()
        self._passed = self._gaps.line()
        self._marked: set[Hashable] = set()
        self.used: Callable[[Hashable], None] = self._marked.add

    def added(self, key: Hashable) -> None:
        """Put ``key`` at the young end, unmarked."""
        if self._ahead.first() is None:
            self._turn()
        self._ahead.join(key)

    def removed(self, key: Hashable) -> None:
        """Forget ``key``; if the hand is at it, it moves on."""
        self._marked.discard(key)
        if key == self._ahead.first():
            self._ahead.pop()
        else:
            self._gaps.take_out(key)

    def victim(self) -> Hashable:
        """Move the hand to the next key without a mark."""
        marked = self._marked
        while (key := self._at_hand()) in marked:
            marked.discard(key)
            self._ahead.pop()
            self._passed.join(key)
        return key

    def clear(self) -> None:
        """Forget all keys."""
        self._gaps.clear()
        self._marked.clear()

    def _at_hand(self) -> Hashable:
        key = self._ahead.first()
        if key is None:
            self._turn()
            key = self._ahead.first()
        return key

    def _turn(self) -> None:
        """Bring the hand back to the oldest key."""
        self._ahead, self._passed = self._passed, self._ahead
