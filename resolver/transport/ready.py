"""Ready answers: octets in, octets out, for questions whose answer depends on nothing else.

This is the hot path, and the one place that is clever for speed. What it may answer is decided once
for each kind of request, in ``Ready.learn``, by looking at an answer that the node made in the
ordinary way; from then on a request of that kind is answered here if its record is at hand. The
whole of it:

- A request is *plain* if it is a single clear message of operation 1 with none but the flags of
  ``shapes.PLAIN_FLAGS``, in no session and with no credential. Who asks is not looked at.
- Its *look* is the header without what differs from request to request: the octets 0-7, 12-35 and
  40-47, which leaves out the request id and the expiration, and takes in all lengths. Two requests
  of one look differ in the handle and in what stands behind it, and in nothing else.
- How a look is answered, its *shape*, is learnt from an answer that says it may be given again
  (``Answer.ready``), and only if the octets that would be built here equal those of the answer. So
  the node decides, and this module only repeats.
- Answers come from an ``EntryTable``: that of the node's own records, which is empty again before
  anybody can know that a record has changed, or that of its cache. Each entry has a moment until
  which it may be given unseen.

A reply is put together from five pieces: the head, the request's id, the lengths, codes and flags
(the same for all replies of a shape with values of that length, and kept for a second, because of
the expiration in them), the handle as the client spelt it, the values.

What it costs (``bench.peers``, ``bench.paths``; docs/performance.md): a little over 1 µs a request,
beside 3 µs that the kernel takes for a datagram. The loops are written out instead of called, as a
call of a Python function alone takes 0.06 µs; slices are the cheapest way to look into a message,
at 0.04 µs each.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from resolver.cache.entries import (
    END,
    PLAIN_TAIL,
    EntryTable,
    fits,
    pack_entry,
    tick_of,
)
from resolver.cache.prefixes import PrefixNumbers
from resolver.model.codes import ResponseCode
from resolver.telemetry.counters import Counters
from resolver.transport.access import AccessLog
from resolver.transport.shapes import (
    HANDLE_AT,
    LEAST,
    Kind,
    Shape,
    Slot,
    is_plain,
    key_of,
    kind_of,
    middle_of,
)
from resolver.wire.answer import OWN, Answer
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.cursor import encode_text
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_DATAGRAM, MAX_MESSAGE
from resolver.wire.message import LIFETIME_S, Message

MAX_SHAPES: Final = 4096
"""Looks of one transport; a client that makes up more makes all be learnt anew."""

READY_S: Final = 60.0
"""How long an answer from the node's own records is given without a look at them, if nobody says
that they have changed."""

_ASKED_FOR: Final = 20_000

_LONGEST: Final = {"udp": MAX_DATAGRAM, "tcp": ENVELOPE_OCTETS + MAX_MESSAGE}
"""Octets of the longest reply that a transport carries in one piece."""

_NOT_HERE: Final = b""
"""In place of a middle: a reply that long does not go out this way."""


class Ready:
    """The ready answers of one node for one transport."""

    def __init__(
        self,
        own: EntryTable,
        cached: EntryTable,
        *,
        record: Callable[[bytes], bytes | None],
        refresh: Callable[[], None],
        prefixes: PrefixNumbers,
        counters: Counters,
        transport: str,
        access: AccessLog | None = None,
    ) -> None:
        """
        Args:
            own: entries of the node's own records.
            cached: those of its cache.
            record: the values of an own record by its folded handle, if all of them are public.
            refresh: empties ``own`` if a record of the node's own has changed.
            prefixes: where answers are counted by prefix.
            counters: where they are counted.
            transport: ``udp`` or ``tcp``.
            access: whom the doors tell what was answered; None if nobody wants to know.
        """
        self.access: Final = access
        self._tables: Final = (cached, own)
        self._record: Final = record
        self._refresh: Final = refresh
        self._prefixes: Final = prefixes
        self._counters: Final = counters
        self._transport: Final = transport
        self._longest: Final = _LONGEST[transport]
        self._shapes: Final[dict[bytes, Shape]] = {}
        self._others: Final[dict[bytes, list[Shape]]] = {}
        """The further shapes of a look: what is asked for decides which it is."""
        self._asked_for: Final[set[int]] = set()
        """Hashes of the keys of own records that were asked for once, lately."""
        self._uncounted = 0
        self._unix = 0

    def datagrams(
        self,
        octets: bytes,
        sizes: Sequence[int],
        places: Sequence[Slot],
        now: float,
        unix_now: int,
    ) -> tuple[list[bytes], list[int]]:
        """Answer a batch of datagrams.

        Args:
            octets: that hold the datagrams.
            sizes: of the datagrams.
            places: where in ``octets`` each one is.

        Returns:
            The replies to those that have a ready answer, in order, and the numbers of the others.
        """
        tick = self._begin(now, unix_now)
        shape_of, counts = self._shapes.get, self._prefixes.answered
        replies: list[bytes] = []
        missed: list[int] = []
        reply = replies.append
        own_answers = 0
        for size, (at, handle_at, first, second, third, number) in zip(sizes, places, strict=False):
            look = octets[first] + octets[second] + octets[third]
            shape = shape_of(look)
            if shape is not None:
                get, used, head, middles, handle_octets, values_at, own, _, _, _ = shape
                asked = octets[handle_at : at + size]
                entry = get(asked.upper())
                if entry is None or entry[:4] <= tick:
                    shape, entry = self._other(look, octets[at : at + size], tick)
                    _, used, head, middles, handle_octets, values_at, own, _, _, _ = shape
                if entry:
                    middle = middles.get(len(entry)) or self._middle(shape, entry)
                    if middle:
                        used(entry)
                        counts[entry[8] << 8 | entry[9]] += 1
                        own_answers += own
                        reply(
                            head
                            + octets[number]
                            + middle
                            + asked[:handle_octets]
                            + entry[values_at:]
                        )
                        continue
            missed.append(len(replies) + len(missed))
        self._uncounted += len(replies) - own_answers
        return replies, missed

    def stream(self, octets: bytes, at: int, now: float, unix_now: int) -> tuple[list[bytes], int]:
        """Answer the requests that stand one behind the other in ``octets`` from ``at`` on, as far
        as they have ready answers: the replies, and where the first request begins that has none
        or is not complete."""
        tick = self._begin(now, unix_now)
        shape_of, counts = self._shapes.get, self._prefixes.answered
        replies: list[bytes] = []
        reply = replies.append
        own_answers, end = 0, len(octets)
        while at + LEAST <= end:
            look = octets[at : at + 8] + octets[at + 12 : at + 36] + octets[at + 40 : at + 48]
            shape = shape_of(look)
            if shape is None:
                break
            get, used, head, middles, handle_octets, values_at, own, _, _, _ = shape
            stop = at + 60 + handle_octets
            asked = octets[at + 48 : stop]
            entry = get(asked.upper())
            if entry is None or entry[:4] <= tick:
                stop = at + ENVELOPE_OCTETS + int.from_bytes(octets[at + 16 : at + 20], "big")
                if stop > end:
                    break
                shape, entry = self._other(look, octets[at:stop], tick)
                _, used, head, middles, handle_octets, values_at, own, _, _, _ = shape
                if not entry:
                    break
            middle = middles.get(len(entry)) or self._middle(shape, entry)
            if not middle:
                break
            used(entry)
            counts[entry[8] << 8 | entry[9]] += 1
            own_answers += own
            reply(
                head + octets[at + 8 : at + 12] + middle + asked[:handle_octets] + entry[values_at:]
            )
            at = stop
        self._uncounted += len(replies) - own_answers
        return replies, at

    def sent(self, replies: int, seconds: float) -> None:
        """Count so many replies, which were on their way so many seconds after their requests had
        been taken in."""
        cached, self._uncounted = self._uncounted, 0
        self._counters.ready(self._transport, replies, cached, seconds)

    def streamed(
        self, octets: bytes, at: int, replies: Sequence[bytes], host: str, seconds: float
    ) -> None:
        """Count the replies to the requests that stand in ``octets`` from ``at`` on, and tell of
        them who wants to know."""
        self.sent(len(replies), seconds)
        if self.access is not None:
            self.access.stream(octets, at, replies, host, seconds)

    def learn(
        self, octets: bytes, request: Message, answer: Answer, reply: bytes, now: float
    ) -> None:
        """Remember how a request was answered in the ordinary way, if it may be answered so again.

        This is where it is decided what may; see the rules above.

        Args:
            octets: of the request, as they came.
            reply: the only message of the reply.
        """
        asked, body = request.body, answer.body
        if not answer.ready or answer.code != ResponseCode.SUCCESS or len(reply) > self._longest:
            return
        if not isinstance(asked, ResolveRequest) or not isinstance(body, RecordAnswer):
            return
        handle = encode_text(asked.handle)
        handle_end = HANDLE_AT + len(handle)
        kind = kind_of(octets[handle_end:])
        key = key_of(octets, handle_end, kind)
        if not handle or not fits(key) or not is_plain(octets, request):
            return
        table = self._tables[answer.ready == OWN]
        if answer.ready == OWN or kind is Kind.SELECTION:
            number = self._prefixes.number(asked.handle)
            tick = tick_of(now + READY_S if answer.ready == OWN else answer.ready_until)
            table.put(key, pack_entry(tick, tick, number, key, body.values.octets))
        entry = table.table.get(key)
        if entry is None:
            return  # the cache knows the record by another name
        shape = Shape(
            get=table.table.get if kind is Kind.RECORD else _nothing,
            used=table.used,
            head=reply[:8],
            middles={},
            handle_octets=len(handle),
            values_at=len(entry) - len(body.values.octets) - len(END),
            own=int(answer.ready == OWN),
            kind=kind,
            codes=reply[20:36],
        )
        if self._reply(shape, octets, entry, reply[36:40]) == reply:
            shape = shape._replace(fleeting=shape._replace(used=_nothing))
            self._remember(octets[:8] + octets[12:36] + octets[40:48], shape)

    def forget(self) -> None:
        """Learn everything anew."""
        self._shapes.clear()
        self._others.clear()

    def _begin(self, now: float, unix_now: int) -> bytes:
        """What is to be seen to before some requests are answered: the moment, as in entries."""
        self._refresh()
        if unix_now != self._unix:
            self._unix = unix_now
            for shape in self._all_shapes():
                shape.middles.clear()
        return tick_of(now).to_bytes(4, "big")

    def _other(self, look: bytes, octets: bytes, tick: bytes) -> tuple[Shape, bytes]:
        """The shape and the entry of a request that the table of the first shape of its look does
        not answer; no entry if none does."""
        first = self._shapes[look]
        if first.kind is Kind.RECORD and not first.own and look not in self._others:
            return first, b""  # nothing else is known of such requests: a miss, and most are
        shapes = (first, *self._others.get(look, ()))
        handle_end = HANDLE_AT + shapes[0].handle_octets  # which is the same in all of a look
        kind = kind_of(octets[handle_end:])
        key = key_of(octets, handle_end, kind)
        for shape in shapes:
            if shape.kind is not kind:
                continue
            table = self._tables[shape.own]
            entry = table.table.get(key)
            if entry is not None and entry[:4] > tick:
                return shape, entry
            if shape.own and kind is not Kind.SELECTION:
                entry = self._fetched(key, table, tick)
                if entry:
                    is_kept = table.table.get(key) is entry
                    return shape if is_kept else shape.fleeting or shape, entry
        return shapes[0], b""

    def _fetched(self, key: bytes, table: EntryTable, tick: bytes) -> bytes:
        """The entry of an own record that is not in the table. It is put there when it is asked
        for the second time: most identifiers are asked for once in their life, and to put each of
        them into a full table would take as long as all the rest."""
        folded = key[: -len(PLAIN_TAIL)]
        values = self._record(folded)
        if values is None:
            return b""
        until = int.from_bytes(tick, "big") + tick_of(READY_S)
        entry = pack_entry(until, until, self._prefixes.number_of(folded), key, values)
        asked_for, mark = self._asked_for, hash(key)
        if mark in asked_for:
            table.put(key, entry)
        else:
            if len(asked_for) >= _ASKED_FOR:
                asked_for.clear()
            asked_for.add(mark)
        return entry

    def _middle(self, shape: Shape, entry: bytes) -> bytes:
        """Octets 12-47 of a reply from an entry of this length, kept for others; nothing if the
        reply is too long."""
        values = len(entry) - shape.values_at - len(END)
        if HANDLE_AT + shape.handle_octets + values + len(END) > self._longest:
            return _NOT_HERE
        middle = shape.middles[len(entry)] = middle_of(shape, values, self._unix + LIFETIME_S)
        return middle

    def _reply(self, shape: Shape, request: bytes, entry: bytes, expiration: bytes) -> bytes:
        """What would be answered to ``request``."""
        handle, values = request[HANDLE_AT:][: shape.handle_octets], entry[shape.values_at :]
        middle = middle_of(shape, len(values) - len(END), int.from_bytes(expiration, "big"))
        return b"".join((shape.head, request[8:12], middle, handle, values))

    def _remember(self, look: bytes, shape: Shape) -> None:
        first = self._shapes.get(look)
        if first is None:
            if len(self._shapes) >= MAX_SHAPES:
                self.forget()
            self._shapes[look] = shape
            return
        others = self._others.get(look, [])
        if all((known.own, known.kind) != (shape.own, shape.kind) for known in (first, *others)):
            self._others[look] = [*others, shape]

    def _all_shapes(self) -> Iterator[Shape]:
        yield from self._shapes.values()
        for shapes in self._others.values():
            yield from shapes


def _nothing(_: bytes) -> None:
    """Instead of a look into a table that has no entries of that kind under that key, or instead
    of a word to its policy."""
