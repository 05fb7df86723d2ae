"""Messages out of a byte stream (docs/protocol.md §1, TCP)."""

from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.wire.envelope import ENVELOPE_OCTETS, MAX_MESSAGE


class OversizeError(WireError):
    """A message longer than allowed: the stream cannot go on.

    Attributes:
        envelope: the 20 octets of the message.
        messages: the whole messages that came before it.
    """

    def __init__(self, length: int, limit: int, envelope: bytes, messages: list[bytes]) -> None:
        super().__init__(
            f"a message of {length} octets, at most {limit} are allowed",
            offset=16,
            code=ResponseCode.ERROR,
        )
        self.envelope: Final = envelope
        self.messages: Final = messages


class FrameReader:
    """Cuts a stream into whole messages, envelopes included."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        """``max_message``: octets, without the envelope."""
        self._buffer = bytearray()
        self._limit = max_message

    @property
    def buffered(self) -> int:
        """Octets of an unfinished message."""
        return len(self._buffer)

    @property
    def unfinished(self) -> bytes:
        """What has arrived of the next message."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes, in order.

        Raises:
            OversizeError: the next message announces too long a body.
        """
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        start, end = 0, len(buffer)
        while end - start >= ENVELOPE_OCTETS:
            length = int.from_bytes(buffer[start + 16 : start + 20], "big")
            if length > self._limit:
                raise OversizeError(
                    length,
                    self._limit,
                    bytes(buffer[start : start + ENVELOPE_OCTETS]),
                    messages,
                )
            stop = start + ENVELOPE_OCTETS + length
            if stop > end:
                break
            messages.append(bytes(buffer[start:stop]))
            start = stop
        del buffer[:start]
        return messages
