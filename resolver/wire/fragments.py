"""Long messages in datagrams of at most 512 octets (RFC 3652 §2.3; docs/protocol.md §1).

Each fragment has its own copy of the envelope with its sequence number and the length of the whole.
We set TRUNC on every fragment and never require it: some servers leave it out.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.wire.envelope import (
    ENVELOPE_OCTETS,
    MAX_MESSAGE,
    MAX_PAYLOAD,
    decode_envelope,
    encode_envelope,
)

FRAGMENT_LIFETIME_S: Final = 5.0
"""How long the fragments of one message may be apart; what Handle.Net servers allow."""

_PIECE_OVERHEAD: Final = 200
"""Octets a kept fragment takes besides its payload."""


def fragment(message: bytes) -> list[bytes]:
    """The datagrams that carry ``message`` (with envelope): itself if it fits one, else its
    fragments in order."""
    if len(message) <= ENVELOPE_OCTETS + MAX_PAYLOAD:
        return [message]
    envelope = decode_envelope(message)
    datagrams = []
    for sequence, start in enumerate(range(ENVELOPE_OCTETS, len(message), MAX_PAYLOAD)):
        head = encode_envelope(replace(envelope, sequence=sequence, truncated=True))
        datagrams.append(head + message[start : start + MAX_PAYLOAD])
    return datagrams


@dataclass(slots=True)
class _Partial:
    """A message some of whose fragments are here."""

    expires_at: float
    length: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    octets: int = 0


class Reassembler:
    """Puts the fragments of messages back together, in whatever order they come.

    Memory is bounded: at most ``max_octets`` of unfinished messages in all and ``max_partial``
    unfinished messages per peer; the oldest leave first. ``dropped`` counts unfinished messages
    given up, and fragments that fit nowhere.
    """

    def __init__(
        self,
        *,
        timeout: float = FRAGMENT_LIFETIME_S,
        max_partial: int = 16,
        max_octets: int = 4 * MAX_MESSAGE,
    ) -> None:
        self._timeout: Final = timeout
        self._max_partial: Final = max_partial
        self._max_octets: Final = max_octets
        self._partials: Final[dict[tuple[Hashable, int], _Partial]] = {}
        self._octets = 0
        self.dropped = 0

    def feed(self, datagram: bytes, peer: Hashable, now: float) -> bytes | None:
        """The whole message that ``datagram`` is or completes, or None.

        Raises:
            WireError: no envelope, or a length or sequence out of bounds.
        """
        envelope = decode_envelope(datagram)
        payload = len(datagram) - ENVELOPE_OCTETS
        if payload >= envelope.length and envelope.sequence == 0:
            return datagram
        if envelope.length > MAX_MESSAGE:
            raise WireError(
                f"a message of {envelope.length} octets", offset=16, code=ResponseCode.ERROR
            )
        start = envelope.sequence * MAX_PAYLOAD
        expected = min(MAX_PAYLOAD, envelope.length - start)
        if payload != expected:
            raise WireError(
                f"fragment {envelope.sequence} of {envelope.length} octets with {payload}",
                offset=12,
                code=ResponseCode.PROTOCOL_ERROR,
            )
        self.expire(now)
        key = (peer, envelope.request_id)
        partial = self._partials.get(key)
        if partial is not None and partial.length != envelope.length:
            self._drop(key)
            partial = None
        if partial is None:
            self._make_room(peer)
            partial = self._partials[key] = _Partial(now + self._timeout, envelope.length)
        if envelope.sequence not in partial.pieces:
            partial.pieces[envelope.sequence] = datagram
            partial.octets += payload
            self._octets += _PIECE_OVERHEAD + payload
        if partial.octets < partial.length:
            while self._octets > self._max_octets:
                self._drop(next(iter(self._partials)))
            return None
        self._forget(key)
        return _joined(partial.pieces)

    def expire(self, now: float) -> int:
        """Give up the messages whose time is over; how many there were."""
        # Partials are in the order in which they began, and all live equally long.
        late = 0
        while self._partials:
            key = next(iter(self._partials))
            if self._partials[key].expires_at > now:
                break
            self._drop(key)
            late += 1
        return late

    def __len__(self) -> int:
        return len(self._partials)

    def _make_room(self, peer: Hashable) -> None:
        mine = [key for key in self._partials if key[0] == peer]
        if len(mine) >= self._max_partial:
            self._drop(mine[0])

    def _drop(self, key: tuple[Hashable, int]) -> None:
        self._forget(key)
        self.dropped += 1

    def _forget(self, key: tuple[Hashable, int]) -> None:
        partial = self._partials.pop(key)
        self._octets -= partial.octets + _PIECE_OVERHEAD * len(partial.pieces)


def _joined(pieces: dict[int, bytes]) -> bytes:
    """The message with the envelope of its first fragment."""
    return pieces[0] + b"".join(
        pieces[sequence][ENVELOPE_OCTETS:] for sequence in sorted(pieces) if sequence
    )
