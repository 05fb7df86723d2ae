"""The records of a node that are at hand as octets, for doors that answer from them.

The same two tables that ``resolver.transport.ready`` answers messages from: the node's own records,
and what it has cached. For whoever wants all public values of an identifier, and is nobody in
particular, an entry there is the answer, as long as these rules are kept:

- ``begin`` comes first, whenever something is answered: own records are forgotten if one has
  changed since.
- An entry is good while it is *fresh*, and only as the very object that its table holds now. So
  whoever remembers something that was made of an entry, remembers the entry, and looks
  (``Kept.stands``): a change, an expiry, an eviction and a flush of the cache all show there.
- What a node says without a look at its records, or of a record without values, is no entry, or
  never fresh (``NodeState.public_record``, ``RecordCache.put_values``).

``values_of_all`` is the one loop that is written for a million identifiers a second
(``http_batch``): what can be done to many at once is, by functions of C, as a turn of a loop of
Python takes longer than all that is done to one identifier here, 0.5 µs.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, cast

from resolver.cache.entries import (
    END,
    PLAIN_TAIL,
    EntryTable,
    fits,
    pack_entry,
    record_key,
    tick_of,
    values_of,
)
from resolver.cache.prefixes import PrefixNumbers
from resolver.model.codes import ResponseCode
from resolver.model.handle import fold
from resolver.telemetry.counters import Counters
from resolver.transport.ready import READY_S
from resolver.wire.answer import OWN, Answer
from resolver.wire.bodies import RecordAnswer
from resolver.wire.cursor import encode_text

_NUMBER: Final = itemgetter(slice(8, 10))
"""The number of the prefix of an entry, as it stands there."""

_ASKED_FOR: Final = 20_000
_BETWEEN: Final = b"\xff"
"""An octet that is in no text of UTF-8."""


class Kept(NamedTuple):
    """The entry that an answer was made of, where it stands now."""

    table: EntryTable
    key: bytes
    entry: bytes
    is_own: bool

    def stands(self, tick: bytes) -> bool:
        """Whether the entry is still good at a moment, as ``AtHand.begin`` gives it."""
        return self.table.table.get(self.key) is self.entry and self.entry[:4] > tick


class Found(NamedTuple):
    """What was at hand of some identifiers.

    Attributes:
        values: the encoded values of each one; None if the node has to be asked.
        cached: how many of these came from the cache.
    """

    values: list[bytes | None]
    cached: int


class AtHand:
    """The records of one node that are at hand.

    Attributes:
        prefixes: where answers are counted by prefix.
        counters: where they are counted.
    """

    def __init__(
        self,
        own: EntryTable,
        cached: EntryTable,
        *,
        record: Callable[[bytes], bytes | None],
        refresh: Callable[[], None],
        prefixes: PrefixNumbers,
        counters: Counters,
    ) -> None:
        """
        Args:
            own: entries of the node's own records.
            cached: those of its cache.
            record: the values of an own record by its folded handle, if all of them are public and
                there are some.
            refresh: empties ``own`` if a record of the node's own has changed.
        """
        self._own: Final = own
        self._cached: Final = cached
        self._record: Final = record
        self._refresh: Final = refresh
        self._asked_for: Final[set[int]] = set()
        """Hashes of the keys of own records that were asked for once, lately."""
        self.prefixes: Final = prefixes
        self.counters: Final = counters

    def begin(self, now: float) -> bytes:
        """To be called before anything is answered: ``now`` as it stands in entries."""
        self._refresh()
        return tick_of(now).to_bytes(4, "big")

    def keep(self, answer: Answer, now: float) -> Kept | None:
        """The entry of an answer that the node has just made for nobody in particular; None if it
        may not be repeated.

        Nothing may come between: an own record must not change before it is kept.
        """
        body = answer.body
        if not answer.ready or answer.code != ResponseCode.SUCCESS:
            return None
        if not isinstance(body, RecordAnswer):
            return None
        key = record_key(encode_text(fold(body.handle)))
        is_own = answer.ready == OWN
        table = self._own if is_own else self._cached
        entry = table.table.get(key)
        if is_own and fits(key):
            now_tick = tick_of(now)
            # One entry for all spellings: another would put an end to what was made of it.
            if entry is None or entry[:4] <= now_tick.to_bytes(4, "big"):
                until = now_tick + tick_of(READY_S)
                number = self.prefixes.number(body.handle)
                entry = pack_entry(until, until, number, key, body.values.octets)
                table.put(key, entry)
        if entry is None or values_of(entry) != body.values.octets:
            return None
        return Kept(table, key, entry, is_own)

    def values_of_all(self, handles: Sequence[bytes], now: float) -> Found:
        """The public values of ``handles``, which are octets as the wire has them, of all that are
        at hand; counted by prefix, but not as requests."""
        if not handles:
            return Found([], 0)
        tick = self.begin(now)
        keys = _keys_of(handles)
        # Most nodes have records of their own, or cached ones, and seldom both.
        if not len(self._own):
            values = self._fresh(self._cached, keys, tick)
            cached = len(values) - values.count(None)
        else:
            values, cached = self._fresh(self._own, keys, tick), 0
            if len(self._cached) and None in values:
                cached = self._fill(values, keys, tick)
        if None in values:
            for number, octets in enumerate(values):
                if octets is None:
                    values[number] = self._fetched(keys[number], tick)
        return Found(values, cached)

    def _fill(self, values: list[bytes | None], keys: list[bytes], tick: bytes) -> int:
        """Fill the gaps in ``values`` from the cache; how many were filled."""
        missing = [number for number, octets in enumerate(values) if octets is None]
        found = self._fresh(self._cached, [keys[number] for number in missing], tick)
        for number, octets in zip(missing, found, strict=True):
            values[number] = octets
        return len(found) - found.count(None)

    def _fresh(self, table: EntryTable, keys: list[bytes], tick: bytes) -> list[bytes | None]:
        """The values of the entries of a table that may be given at a moment.

        In an entry the values stand behind as many octets as its key has: the head is as long as
        the tail of the key.
        """
        entries = list(map(table.table.get, keys))
        good = cast(list[bytes], entries)
        # An entry begins with its moment, so the least of them is the first to go.
        if None in entries or min(good)[:4] <= tick:
            entries = [e if e is not None and e[:4] > tick else None for e in entries]
            good = [entry for entry in entries if entry is not None]
        values: list[bytes | None] = [
            None if entry is None else entry[len(key) : -len(END)]
            for entry, key in zip(entries, keys, strict=True)
        ]
        deque(map(table.used, good), maxlen=0)
        self._count(good)
        return values

    def _count(self, entries: list[bytes]) -> None:
        """Count entries that were given to somebody, by prefix; most batches are of one."""
        answered = self.prefixes.answered
        numbers = b"".join(map(_NUMBER, entries))
        first = numbers[:2]
        if numbers == first * len(entries):
            answered[int.from_bytes(first, "big")] += len(entries)
            return
        for number, count in Counter(map(_NUMBER, entries)).items():
            answered[int.from_bytes(number, "big")] += count

    def _fetched(self, key: bytes, tick: bytes) -> bytes | None:
        """The values of an own record that is not in its table. It is put there when it is asked
        for the second time, as in ``ready``: most are asked for once in their life."""
        folded = key[: -len(PLAIN_TAIL)]
        values = self._record(folded)
        if values is None:
            return None
        number = self.prefixes.number_of(folded)
        self.prefixes.answered[number] += 1
        asked_for, mark = self._asked_for, hash(key)
        if mark in asked_for:
            until = int.from_bytes(tick, "big") + tick_of(READY_S)
            self._own.put(key, pack_entry(until, until, number, key, values))
            asked_for.discard(mark)
        else:
            if len(asked_for) >= _ASKED_FOR:
                asked_for.clear()
            asked_for.add(mark)
        return values


def _keys_of(handles: Sequence[bytes]) -> list[bytes]:
    """The keys of ``handles``, folded all together where none has the octet between them."""
    joined = (PLAIN_TAIL + _BETWEEN).join(handles) + PLAIN_TAIL
    keys = joined.upper().split(_BETWEEN)
    if len(keys) != len(handles):
        return [record_key(handle.upper()) for handle in handles]
    return keys
