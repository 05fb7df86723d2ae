"""SIEVE and S3-FIFO as their papers have them, plainly: what ours are held against.

Each is a whole cache of so many keys. ``ask`` returns the keys that leave for the one asked for, in
order; ``drop`` takes a key out as expiry does.
"""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(eq=False)
class _Node:
    key: Hashable
    newer: "_Node | None" = None
    older: "_Node | None" = None
    visited: bool = False


class PaperSieve:
    """Algorithm 1 of the NSDI 2024 paper: one linked list, a hand, a bit for each node.

    With ``grace``, it begins at the tail when the hand has no more than a tenth of the nodes ahead.
    """

    def __init__(self, capacity: int, grace: bool = False) -> None:
        self.capacity = capacity
        self.grace = grace
        self.nodes: dict[Hashable, _Node] = {}
        self.head: _Node | None = None
        self.tail: _Node | None = None
        self.hand: _Node | None = None

    def ask(self, key: Hashable) -> list[Hashable]:
        if key in self.nodes:
            self.nodes[key].visited = True
            return []
        gone = [self._evict()] if len(self.nodes) == self.capacity else []
        node = _Node(key, older=self.head)
        if self.head is None:
            self.tail = node
        else:
            self.head.newer = node
        self.head = self.nodes[key] = node
        return gone

    def drop(self, key: Hashable) -> None:
        node = self.nodes.pop(key)
        if node is self.hand:
            self.hand = node.newer
        if node.newer is None:
            self.head = node.older
        else:
            node.newer.older = node.older
        if node.older is None:
            self.tail = node.newer
        else:
            node.older.newer = node.newer

    def _evict(self) -> Hashable:
        node = self.hand or self.tail
        if self.grace and self._ahead(node) <= len(self.nodes) / 10:
            node = self.tail
        assert node is not None
        while node.visited:
            node.visited = False
            node = node.newer or self.tail
            assert node is not None
        self.hand = node
        self.drop(node.key)
        return node.key

    def _ahead(self, node: _Node | None) -> int:
        count = 0
        while node is not None:
            count, node = count + 1, node.newer
        return count


class PaperS3Fifo:
    """The SOSP 2023 paper's algorithm, with the sizes and the warming-up of libCacheSim's S3FIFO.c.

    Oldest first in every list. As in the paper's algorithm, a ghost that is asked for stays in its
    queue until it is displaced.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.small: list[Hashable] = []
        self.main: list[Hashable] = []
        self.ghosts: list[Hashable] = []
        self.uses: dict[Hashable, int] = {}
        self.has_evicted = False

    def ask(self, key: Hashable) -> list[Hashable]:
        if key in self.uses:
            self.uses[key] = min(self.uses[key] + 1, 3)
            return []
        gone = []
        while len(self.uses) == self.capacity:
            self.has_evicted = True
            main_size = self.capacity - self.capacity // 10
            if len(self.main) > main_size or not self.small:
                gone += self._evict_main()
            else:
                gone += self._evict_small()
        warming_up = not self.has_evicted and len(self.small) >= self.capacity // 10
        (self.main if key in self.ghosts or warming_up else self.small).append(key)
        self.uses[key] = 0
        return gone

    def drop(self, key: Hashable) -> None:
        del self.uses[key]
        (self.small if key in self.small else self.main).remove(key)

    def _evict_small(self) -> list[Hashable]:
        while self.small:
            key = self.small.pop(0)
            if self.uses[key] > 1:
                self.main.append(key)
                self.uses[key] = 0
            else:
                self.ghosts.append(key)
                if len(self.ghosts) > self.capacity * 9 // 10:
                    self.ghosts.pop(0)
                del self.uses[key]
                return [key]
        return []

    def _evict_main(self) -> list[Hashable]:
        while True:
            key = self.main.pop(0)
            if self.uses[key] == 0:
                del self.uses[key]
                return [key]
            self.uses[key] -= 1
            self.main.append(key)
