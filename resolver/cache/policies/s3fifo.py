"""S3-FIFO: new keys must prove themselves in a small queue before they may stay in the main one.

Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023; where
the paper leaves it open as its authors do in libCacheSim (S3FIFO.c). Uses are counted, up to three.

- A new key joins the *small* queue, a tenth of the cache. At its end it moves to the *main* queue,
  its count cleared, if it was asked for twice; else it leaves and becomes a *ghost*.
- A new key that is a ghost joins the main queue at once. There are as many ghosts as keys in a full
  main queue; the oldest go first, whether they came back or not.
- At the end of the main queue a key that was asked for starts again, its count less by one.
- Until the cache is full for the first time no key has to prove itself: the oldest tenth is the
  small queue then, and all others are the main one.

Rules: sizes are counted in keys. A full cache has as many keys as there are when one must leave. A
ghost is a hash of 60 bits, so it keeps no key alive; decisions would depend on Python's random
seed of hashes only if two of them were equal. Work is done when a key comes or leaves; for a key
that was asked for three times, ``used`` is one look into a set.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from resolver.cache.policies.lines import Gaps

_GHOST_BITS: Final = (1 << 60) - 1
"""Of a hash; the largest integers that take 32 octets."""


class S3Fifo:
    """Two lines of keys; sets of those used once, twice and more; the ghosts."""

    __slots__ = (
        "_count", "_full", "_gaps", "_ghosts", "_haunting", "_identity", "_main", "_once",
        "_small", "_small_keys", "_thrice", "_twice",
    )  # fmt: skip

    def __init__(self, identity: Callable[[Any], Hashable]) -> None:
        """
        Args:
            identity: what a key has in common with the one that comes back in its place.
        """
        self._identity = identity
        self._gaps = Gaps()
        self._small = self._gaps.line()
        self._main = self._gaps.line()
        self._small_keys: set[Hashable] = set()
        self._count = 0
        self._full = False
        self._once: set[Hashable] = set()
        self._twice: set[Hashable] = set()
        self._thrice: set[Hashable] = set()
        self._ghosts: deque[int] = deque()
        self._haunting: set[int] = set()

    def added(self, key: Hashable) -> None:
        """Put ``key`` at the young end of one of the queues."""
        self._count += 1
        if self._full and self._ghost_of(key) not in self._haunting:
            self._small.join(key)
            self._small_keys.add(key)
        else:
            self._main.join(key)

    def used(self, key: Hashable) -> None:
        """Count one more use of ``key``."""
        if key not in self._thrice:
            self._count_use(key)

    def removed(self, key: Hashable) -> None:
        """Forget ``key``."""
        self._count -= 1
        self._full = self._full and self._count > 0
        self._clear_uses(key)
        line = self._small if key in self._small_keys else self._main
        self._small_keys.discard(key)
        if key == line.first():
            line.pop()
        else:
            self._gaps.take_out(key)

    def victim(self) -> Hashable:
        """The oldest key of the small queue, if that is large enough, or else of the main one."""
        if not self._full:
            self._full = True
            for _ in range(self._count // 10):
                key = self._main.first()
                self._main.pop()
                self._small.join(key)
                self._small_keys.add(key)
        key = None
        if len(self._small_keys) >= self._count // 10:
            key = self._unproven()
        return self._unused() if key is None else key

    def clear(self) -> None:
        """Forget all keys, and the ghosts."""
        self._gaps.clear()
        for keys in (self._small_keys, self._once, self._twice, self._thrice):
            keys.clear()
        self._ghosts.clear()
        self._haunting.clear()
        self._count = 0
        self._full = False

    def _unproven(self) -> Hashable:
        """The first in the small queue that was not asked for twice; all before it move."""
        while self._small_keys:
            key = self._small.first()
            if key not in self._twice and key not in self._thrice:
                self._add_ghost(self._ghost_of(key))
                return key
            self._clear_uses(key)
            self._small.pop()
            self._small_keys.discard(key)
            self._main.join(key)
        return None

    def _unused(self) -> Hashable:
        """The first in the main queue that was not asked for; all before it go to its end."""
        main = self._main
        while True:
            key = main.first()
            if key in self._thrice:
                self._thrice.discard(key)
                self._twice.add(key)
            elif key in self._twice:
                self._twice.discard(key)
                self._once.add(key)
            elif key in self._once:
                self._once.discard(key)
            else:
                return key
            main.pop()
            main.join(key)

    def _count_use(self, key: Hashable) -> None:
        if key in self._twice:
            self._twice.discard(key)
            self._thrice.add(key)
        elif key in self._once:
            self._once.discard(key)
            self._twice.add(key)
        else:
            self._once.add(key)

    def _clear_uses(self, key: Hashable) -> None:
        self._once.discard(key)
        self._twice.discard(key)
        self._thrice.discard(key)

    def _ghost_of(self, key: Hashable) -> int:
        return hash(self._identity(key)) & _GHOST_BITS

    def _add_ghost(self, ghost: int) -> None:
        if ghost not in self._haunting:
            self._haunting.add(ghost)
            self._ghosts.append(ghost)
        while len(self._ghosts) * 10 > self._count * 9:
            self._haunting.discard(self._ghosts.popleft())
