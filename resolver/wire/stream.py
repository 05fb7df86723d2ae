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


def frame_end(octets: bytes | bytearray, at: int, limit: int = MAX_MESSAGE) -> int:
    """Where the message ends that begins at ``at``; 0 if not all of it is there.

    Raises:
        OversizeError: it announces more than ``limit`` octets.
    """
    if len(octets) - at < ENVELOPE_OCTETS:
        return 0
    length = int.from_bytes(octets[at + 16 : at + 20], "big")
    if length > limit:
        raise OversizeError(length, limit, bytes(octets[at : at + ENVELOPE_OCTETS]), [])
    end = at + ENVELOPE_OCTETS + length
    return end if end <= len(octets) else 0


class FrameReader:
    """Cuts a stream into whole messages, envelopes included.

    ``feed`` gives all there are. Who looks for them in what arrives without it (``frame_end``)
    keeps what is left with ``hold``, and has it completed with ``finish``.
    """

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
        start = 0
        try:
            while stop := frame_end(buffer, start, self._limit):
                messages.append(bytes(buffer[start:stop]))
                start = stop
        except OversizeError as error:
            error.messages.extend(messages)
            raise
        del buffer[:start]
        return messages

    def hold(self, data: bytes) -> None:
        """Keep the beginning of a message."""
        self._buffer += data

    def finish(self, data: bytes) -> tuple[bytes, int]:
        """The message whose beginning was held, and how much of ``data`` belongs to it; no message
        if ``data`` does not complete it either.

        Raises:
            OversizeError: it announces too long a body.
        """
        buffer, taken = self._buffer, 0
        if len(buffer) < ENVELOPE_OCTETS:
            taken = ENVELOPE_OCTETS - len(buffer)
            buffer += data[:taken]
            if len(buffer) < ENVELOPE_OCTETS:
                return b"", len(data)
        stop = frame_end(buffer, 0, self._limit)
        if not stop:
            stop = ENVELOPE_OCTETS + int.from_bytes(buffer[16:20], "big")
            missing = stop - len(buffer)
            buffer += data[taken : taken + missing]
            taken += missing
            if len(buffer) < stop:
                return b"", len(data)
        message = bytes(buffer)
        buffer.clear()
        return message, taken
