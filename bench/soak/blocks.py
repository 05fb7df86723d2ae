"""What is asked and what must come back: blocks of requests with the octets of their answers.

A block is some hundred requests that go out together, and all their answers in one piece as the
node must send them: envelope, header, handle, values, made from records that are known beforehand.
So what arrives is compared by the stretch, not by the answer, and that is no weaker: equal octets
have equal ids, codes, handles and values. Two things differ each time a block is used:

- The request ids. Octets 8-9 of a message are the number of the block's use, octets 10-11 the
  request's place in the block; so of the answers that can be under way no two have the same id.
- What the node says of itself, octets 28-39: flags (whether the answer is from the authority), the
  serial of its site, the recursion count, and the expiration by its own clock. It is taken over
  from the first answer of each block.

Both are written into the octets of a whole block with a few assignments to every n-th octet; so the
requests of a block stand in *runs* of equal lengths.

What does not compare equal is looked at message by message (``Block.verdict``): other flags than
in the first answer, or a second that has begun meanwhile, are no fault; another id, code, handle
or value is.

Not here: sockets, and whose turn it is.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from random import Random
from typing import Final, NamedTuple

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.cursor import encode_text
from resolver.wire.envelope import ENVELOPE_OCTETS, Envelope
from resolver.wire.message import HEADER_OCTETS, Message, encode_message
from resolver.wire.values import ValueList

BLOCK: Final = 1000
"""Requests of a block; their ids leave room for 65,536."""

_FLAGS: Final = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
_ID_AT: Final = 8
_PLACE_AT: Final = 10
_CODE_AT: Final = 24
_ABOUT: Final = slice(28, 40)
"""What is said about an answer: flags, serial, recursion count, expiration."""

_EXPIRATION_AT: Final = 36
_BODY_AT: Final = ENVELOPE_OCTETS + HEADER_OCTETS

Record = tuple[str, ValueList]


class _Run(NamedTuple):
    """Requests of a block that have equal lengths, and so have their answers."""

    many: int
    request_at: int
    request_octets: int
    reply_at: int
    reply_octets: int


class Block:
    """Requests that go out together.

    Attributes:
        handles: what they ask for, in order.
        requests, replies: the octets.
        request_ends, reply_ends: where each one ends.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        assert 0 < len(records) <= 1 << 16
        pairs = [(handle, *_messages(handle, values)) for handle, values in records]
        pairs.sort(key=lambda pair: (len(pair[1]), len(pair[2])))
        self.handles: Final = [handle for handle, _, _ in pairs]
        self.requests: Final = bytearray().join(request for _, request, _ in pairs)
        self.replies: Final = bytearray().join(reply for _, _, reply in pairs)
        self.request_ends: Final = _ends(len(request) for _, request, _ in pairs)
        self.reply_ends: Final = _ends(len(reply) for _, _, reply in pairs)
        self._runs: Final = list(_runs([(len(request), len(reply)) for _, request, reply in pairs]))
        self._mark = b"\0\0"
        self._asked_until = b"\0\0\0\0"
        self._about = bytes(self.replies[_ABOUT])
        for place in range(len(pairs)):
            octets = place.to_bytes(2, "big")
            for message, ends in (
                (self.requests, self.request_ends),
                (self.replies, self.reply_ends),
            ):
                at = (ends[place - 1] if place else 0) + _PLACE_AT
                message[at : at + 2] = octets

    def __len__(self) -> int:
        return len(self.handles)

    def begin(self, use: int, expiration: int) -> None:
        """Make the octets those of the use number ``use``.

        Args:
            expiration: unix seconds until when the requests are valid.
        """
        mark = (use & 0xFFFF).to_bytes(2, "big")
        for offset in (0, 1):
            if mark[offset] != self._mark[offset]:
                self._write(self.requests, _ID_AT + offset, mark[offset], is_reply=False)
                self._write(self.replies, _ID_AT + offset, mark[offset], is_reply=True)
        self._mark = mark
        until = expiration.to_bytes(4, "big")
        for offset in range(4):
            if until[offset] != self._asked_until[offset]:
                at = _EXPIRATION_AT + offset
                self._write(self.requests, at, until[offset], is_reply=False)
        self._asked_until = until

    def take_over(self, first: bytes | memoryview) -> None:
        """Expect of all answers what the first one, which ``first`` begins with, says about
        itself."""
        about = bytes(first[_ABOUT])
        if about == self._about or len(about) < len(self._about):
            return
        for offset, (octet, known) in enumerate(zip(about, self._about, strict=True)):
            if octet != known:
                self._write(self.replies, _ABOUT.start + offset, octet, is_reply=True)
        self._about = about

    def place_at(self, octets: int) -> int:
        """Which answer the octet number ``octets`` of all answers belongs to."""
        return bisect_right(self.reply_ends, octets)

    def reply_start(self, place: int) -> int:
        """Where the answer at ``place`` begins."""
        return self.reply_ends[place - 1] if place else 0

    def place_of(self, message: bytes) -> int | None:
        """Which request of this use ``message`` is the answer to, by its id; None if to none."""
        if message[_ID_AT:_PLACE_AT] != self._mark:
            return None
        place = int.from_bytes(message[_PLACE_AT : _PLACE_AT + 2], "big")
        return place if place < len(self.handles) else None

    def verdict(self, place: int, message: bytes) -> str:
        """What is wrong with the answer to the request at ``place``; empty if nothing is."""
        start, end = self.reply_start(place), self.reply_ends[place]
        code = int.from_bytes(message[_CODE_AT : _CODE_AT + 4], "big")
        if int.from_bytes(message[ENVELOPE_OCTETS:_CODE_AT], "big") != OpCode.RESOLVE:
            return "answers to another operation"
        if code != ResponseCode.SUCCESS:
            return f"answers with code {code}"
        if message[_BODY_AT:] == self.replies[start + _BODY_AT : end]:
            return ""
        handle = encode_text(self.handles[place])
        if message[_BODY_AT + 4 :][: len(handle)] != handle:
            return "answers about another identifier"
        return "answers with other values"

    def _write(self, octets: bytearray, at: int, octet: int, *, is_reply: bool) -> None:
        """Write an octet into every message, at the same place of each."""
        for many, request_at, request_octets, reply_at, reply_octets in self._runs:
            start, step = (reply_at, reply_octets) if is_reply else (request_at, request_octets)
            octets[start + at : start + many * step : step] = _SAME[octet][:many]


_SAME: Final = [bytes((octet,)) * (1 << 12) for octet in range(256)]


class Workload:
    """All that is asked: which block is whose turn, over and over again.

    Attributes:
        records: how many different identifiers.
        block: requests of each block.
        kinds: blocks until all has been asked once; the last one begins anew.
        fingerprint: the same for the same questions and answers in the same order.
    """

    def __init__(
        self, records: Iterable[Record], seed: str = "soak", *, block: int = BLOCK
    ) -> None:
        """
        Args:
            block: requests of a block.

        Raises:
            ValueError: there are no records.
        """
        shuffled = list(records)
        if not shuffled:
            raise ValueError("there are no identifiers to ask for")
        random = Random(seed)  # of which only random() gives the same everywhere
        shuffled.sort(key=lambda _: random.random())
        self.records: Final = len(shuffled)
        digest = sha256(f"{block} {seed}\n".encode())
        for handle, values in shuffled:
            digest.update(encode_text(handle) + b"\0" + values.octets)
        self.fingerprint: Final = digest.hexdigest()[:32]
        self.block: Final = block
        self._records: Final = shuffled
        self.kinds: Final = -(-len(shuffled) // block)
        self._free: Final[list[list[Block]]] = [[] for _ in range(self.kinds)]

    def take(self, number: int, expiration: int) -> Block:
        """The block whose turn is at ``number``, ready to go; to be given back."""
        kind = number % self.kinds
        free = self._free[kind]
        block = free.pop() if free else self._made(kind)
        block.begin(number, expiration)
        return block

    def give_back(self, number: int, block: Block) -> None:
        """A block that was taken for ``number`` may be used again."""
        self._free[number % self.kinds].append(block)

    def _made(self, kind: int) -> Block:
        records, start = self._records, kind * self.block
        places = range(start, start + self.block)
        return Block([records[place % len(records)] for place in places])


def _messages(handle: str, values: ValueList) -> tuple[bytes, bytes]:
    """The request for all public values of a record, and the answer of a node that has it."""
    request = Message(Envelope(), OpCode.RESOLVE, flags=_FLAGS, body=ResolveRequest(handle))
    reply = Message(
        Envelope(),
        OpCode.RESOLVE,
        ResponseCode.SUCCESS,
        flags=_FLAGS,
        body=RecordAnswer(handle, values),
    )
    return encode_message(request), encode_message(reply)


def _ends(lengths: Iterable[int]) -> "array[int]":
    ends, end = array("Q"), 0
    for length in lengths:
        end += length
        ends.append(end)
    return ends


def _runs(lengths: Iterable[tuple[int, int]]) -> Iterable[_Run]:
    request_at = reply_at = 0
    for (request_octets, reply_octets), group in groupby(lengths):
        count = len(list(group))
        yield _Run(count, request_at, request_octets, reply_at, reply_octets)
        request_at += count * request_octets
        reply_at += count * reply_octets
