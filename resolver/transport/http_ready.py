"""Ready answers over HTTP: octets in, octets out, as ``ready`` has them for messages.

What is repeated is an answer of the application to a GET of a record, learnt when it has gone out:
its headers and its body, by the path as the client wrote it. Two of its lines differ each time it
goes out: ``Date``, and the seconds in ``Cache-Control``. The application marks what may be repeated
(``http.MADE_OF``); what it was made of says how long (``at_hand.Kept``). Who may be answered so is
``http_hot``'s business.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Final, NamedTuple

from resolver.cache.budget import BudgetCache
from resolver.cache.entries import TICK_S, EntryTable
from resolver.transport.at_hand import AtHand, Kept
from resolver.transport.ready import READY_S
from resolver.wire.answer import Answer
from resolver.wire.bodies import RecordAnswer

MAX_OCTETS: Final = 1 << 16
"""Of an answer that is kept; longer ones are seldom, and take their time anyway."""

_FOR_EVER: Final = float("inf")
_OVERHEAD: Final = 220
"""Octets that an answer takes besides those of its parts: four octet strings and a tuple."""

_MAX_AGE: Final = re.compile(r"max-age=(\d+)", re.ASCII)
_VARIES: Final = -1
"""In place of an age: what is left of the life of the entry."""


class _Body(NamedTuple):
    """One answer: what it was made of, and its pieces besides those that all answers have."""

    table: EntryTable
    key: bytes
    entry: bytes
    age: int
    middle: bytes
    content: bytes


class HttpReady:
    """The ready answers of one node over HTTP.

    An answer is put together from six pieces: the head, the age, the middle, the date, the tail,
    the content. Head and tail are the same for all.

    Attributes:
        at_hand: the records they are made of.
        is_open: whether answers are learnt at all.
    """

    def __init__(
        self,
        at_hand: AtHand,
        bodies: BudgetCache[Any],
        *,
        now: Callable[[], float],
        unix_now: Callable[[], int],
    ) -> None:
        """
        Args:
            bodies: where the answers are kept, nothing else.
            now, unix_now: the node's clock.
        """
        self.at_hand: Final = at_hand
        self.is_open = True
        self._clock: Final = now
        self._unix_clock: Final = unix_now
        self._bodies: Final[BudgetCache[_Body]] = bodies
        self._head = self._tail = b""
        self._now = 0.0
        self._tick = b""
        self._unix = 0
        self._date = b""
        self._cached = 0

    def begin(self) -> None:
        """To be called before some requests are answered."""
        now, unix_now = self._clock(), self._unix_clock()
        self._now = now
        self._tick = self.at_hand.begin(now)
        if unix_now != self._unix:
            self._unix = unix_now
            self._date = formatdate(unix_now, usegmt=True).encode()

    def answer(self, path: bytes) -> bytes | None:
        """The whole answer to a GET of ``path``, as the request line has it; None if it has to be
        made."""
        body = self._bodies.get(path, self._now)
        if body is None:
            return None
        table, key, entry, age, middle, content = body
        if table.table.get(key) is not entry or entry[:4] <= self._tick:
            self._bodies.discard(path)
            return None
        table.used(entry)
        self.at_hand.prefixes.answered[entry[8] << 8 | entry[9]] += 1
        if age == _VARIES:
            self._cached += 1
            age = int(int.from_bytes(entry[4:8], "big") * TICK_S - self._now)
        return b"".join((self._head, b"%d" % age, middle, self._date, self._tail, content))

    def sent(self, answers: int, seconds: float) -> None:
        """Count so many answers, that took so many seconds each."""
        cached, self._cached = self._cached, 0
        self.at_hand.counters.ready("http", answers, cached, seconds)

    def values_of_all(self, handles: Sequence[bytes]) -> list[bytes | None]:
        """See ``AtHand.values_of_all``; ``sent`` counts them."""
        values, cached = self.at_hand.values_of_all(handles, self._clock())
        self._cached += cached
        return values

    def learn(self, path: bytes, kept: Kept, headers: Mapping[str, str], content: bytes) -> None:
        """Remember an answer of the application, status 200, that has just gone out.

        Args:
            headers: all that it went out with, in their order.
        """
        age = _MAX_AGE.fullmatch(headers.get("Cache-Control", ""))
        if age is None or not self.is_open:
            return
        head, middle, tail = _pieces(headers)
        if (head, tail) != (self._head, self._tail):
            self._bodies.clear()
            self._head, self._tail = head, tail
        table, key, entry, is_own = kept
        size = len(path) + len(key) + len(entry) + len(middle) + len(content) + _OVERHEAD
        if size <= MAX_OCTETS:
            body = _Body(table, key, entry, int(age[1]) if is_own else _VARIES, middle, content)
            self._bodies.put(path, body, size=size, expires_at=_FOR_EVER)

    def shut(self, *, shut: bool) -> None:
        """Forget all answers and learn none any more; or begin to learn again."""
        self.is_open = not shut
        if shut:
            self._bodies.clear()

    def made_of(self, answer: Answer) -> Kept | None:
        """What an answer to a request for all public values was made of, if it may be repeated to
        whomever asks for the same; to be asked as soon as the answer is there."""
        kept = self.at_hand.keep(answer, self._clock())
        if kept is None or not kept.is_own:
            return kept
        body, unix_now = answer.body, self._unix_clock()
        assert isinstance(body, RecordAnswer)
        # Of an own record nobody counts the seconds: it must not hold until a certain date.
        lasting = body.values.lifetime(unix_now) == body.values.lifetime(unix_now + int(READY_S))
        return kept if lasting else None


def _pieces(headers: Mapping[str, str]) -> tuple[bytes, bytes, bytes]:
    """What stands before the age, between it and the date, and after the date."""
    pieces = [["HTTP/1.1 200 OK\r\n"]]
    for name, value in headers.items():
        if name == "Cache-Control":
            pieces[-1].append(f"{name}: max-age=")
            pieces.append(["\r\n"])
        elif name == "Date":
            pieces[-1].append(f"{name}: ")
            pieces.append(["\r\n"])
        else:
            pieces[-1].append(f"{name}: {value}\r\n")
    pieces[-1].append("\r\n")
    head, middle, tail = ("".join(piece).encode() for piece in pieces)
    return head, middle, tail
