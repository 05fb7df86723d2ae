"""Queues of keys, out of whose middle keys can be taken: what the policies are made of.

Rules: a line is a ``deque`` and has no object of its own for a key, so that a key costs eight
octets in it. A key that is taken out stays where it is as a *gap*; for every key taken out a few
others are looked at, so that gaps are closed as fast as they open, and never many at once. A key
that comes back while its gap is still open stands in the line as a *ticket*, to be told from the
gap. Keys are not None.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final

_LOOKS: Final = 4
"""Places looked at for every key taken out: a quarter of all places are gaps in the long run."""


class Gaps:
    """The gaps in all lines of one policy, which need not know in which line a key stands."""

    __slots__ = ("_lines", "_tickets", "_turn", "keys", "open")

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._turn = 0
        self._tickets: dict[Hashable, object] = {}
        # For the lines: the keys that left a gap, and the key of each ticket, None if it left too.
        # A ticket is a bare ``object``, which Python's garbage collector does not look at.
        self.open: set[Hashable] = set()
        self.keys: dict[object, Hashable] = {}

    def line(self) -> "Line":
        """A new line."""
        self._lines.append(Line(self))
        return self._lines[-1]

    def clear(self) -> None:
        """Take all keys out of all lines."""
        self.open.clear()
        self.keys.clear()
        self._tickets.clear()
        for line in self._lines:
            line.clear()

    def take_out(self, key: Hashable) -> None:
        """Take ``key`` out of the line in which it stands."""
        ticket = self._tickets.pop(key, None)
        if ticket is None:
            self.open.add(key)
        else:
            self.keys[ticket] = None
        if self._lines[self._turn].swept(_LOOKS):
            self._turn = (self._turn + 1) % len(self._lines)

    def ticket_for(self, key: Hashable) -> object:
        """A new ticket, for a key whose gap is still open."""
        ticket = object()
        self.keys[ticket] = key
        self._tickets[key] = ticket
        return ticket

    def key_at(self, place: Hashable) -> Hashable:
        """The key at a place in a line; None if there is a gap."""
        if place in self.keys:
            return self.keys[place]
        return None if place in self.open else place

    def left(self, place: Hashable) -> Hashable:
        """The key at a place that is no more; None if there was a gap, which is closed now."""
        if place in self.keys:
            key = self.keys.pop(place)
            self._tickets.pop(key, None)
            return key
        if place in self.open:
            self.open.discard(place)
            return None
        return place


class Line:
    """Keys in the order in which they joined. Made by ``Gaps.line``."""

    __slots__ = ("_gaps", "_keys", "_open", "_rest", "_swept")

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps
        self._open = gaps.open
        self._keys = gaps.keys
        # The places that were looked at in this round of sweeping, and those behind them.
        self._swept: deque[Hashable] = deque()
        self._rest: deque[Hashable] = deque()

    def __len__(self) -> int:
        """Places, gaps among them."""
        return len(self._swept) + len(self._rest)

    def join(self, key: Hashable) -> None:
        """Put ``key``, which stands in no line, at the end."""
        self._rest.append(self._gaps.ticket_for(key) if key in self._open else key)

    def first(self) -> Hashable:
        """The key that has stood here longest; None if there is none."""
        while part := self._swept or self._rest:
            if not (self._open or self._keys):
                return part[0]
            key = self._gaps.key_at(part[0])
            if key is not None:
                return key
            self._gaps.left(part.popleft())
        return None

    def pop(self) -> None:
        """Take out the key that ``first`` has just given."""
        place = (self._swept or self._rest).popleft()
        if self._keys:
            self._gaps.left(place)

    def take_over(self, other: "Line") -> None:
        """Put all who stand in ``other``, of the same gaps, at the end of this line."""
        for part in (other._swept, other._rest):
            self._rest.extend(part)
            part.clear()

    def clear(self) -> None:
        """Drop all places; ``Gaps.clear`` does the rest."""
        self._swept.clear()
        self._rest.clear()

    def swept(self, count: int) -> bool:
        """Look at ``count`` more places and close the gaps; whether all have been looked at."""
        for _ in range(count):
            if not self._rest:
                self._rest, self._swept = self._swept, self._rest
                return True
            key = self._gaps.left(self._rest.popleft())
            if key is not None:
                self._swept.append(self._gaps.ticket_for(key) if key in self._open else key)
        return False
