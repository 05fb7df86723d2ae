"""Reading and writing the primitives of the protocol, with a bound on every step.

Integers are big-endian; ``bytes`` is a u4 length and octets; ``str`` is ``bytes`` holding UTF-8
(docs/protocol.md, notation). Octets that are not UTF-8 become surrogate escapes, so that whatever
was read can be written again.
"""

from struct import Struct
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError

_U2: Final = Struct(">H")
_U4: Final = Struct(">I")
_I4: Final = Struct(">i")


def decode_text(octets: bytes) -> str:
    """UTF-8, whatever else as surrogate escapes."""
    return octets.decode("utf-8", "surrogateescape")


def encode_text(text: str) -> bytes:
    """The inverse of ``decode_text``.

    Raises:
        WireError: the text holds a surrogate that stands for no octet.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise WireError(
            "text that is not Unicode", offset=error.start, code=ResponseCode.ERROR
        ) from None


class Reader:
    """Takes primitives off the front of some octets; never reads past ``end``."""

    __slots__ = ("_end", "_octets", "offset")

    def __init__(self, octets: bytes, offset: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self.offset = offset
        self._end = len(octets) if end is None else end

    @property
    def remaining(self) -> int:
        """Octets not read yet."""
        return self._end - self.offset

    def fail(self, what: str) -> WireError:
        """The error to raise for what stands at the current offset."""
        return WireError(what, offset=self.offset, code=ResponseCode.ERROR)

    def _take(self, count: int) -> int:
        start = self.offset
        if count > self._end - start:
            raise self.fail(f"{count} octets expected, {self._end - start} left")
        self.offset = start + count
        return start

    def u1(self) -> int:
        """One octet."""
        return self._octets[self._take(1)]

    def u2(self) -> int:
        """Unsigned 16 bit."""
        value: int = _U2.unpack_from(self._octets, self._take(2))[0]
        return value

    def u4(self) -> int:
        """Unsigned 32 bit."""
        value: int = _U4.unpack_from(self._octets, self._take(4))[0]
        return value

    def i4(self) -> int:
        """Signed 32 bit."""
        value: int = _I4.unpack_from(self._octets, self._take(4))[0]
        return value

    def raw(self, count: int) -> bytes:
        """``count`` octets."""
        start = self._take(count)
        return self._octets[start : start + count]

    def skip(self, count: int) -> None:
        """Count ``count`` octets as read."""
        self._take(count)

    def bytes_(self) -> bytes:
        """Octets behind their u4 length."""
        start = self.offset + 4
        if start > self._end:
            raise self.fail(f"4 octets expected, {self._end - self.offset} left")
        end = start + int(_U4.unpack_from(self._octets, self.offset)[0])
        if end > self._end:
            self.offset = start
            raise self.fail(f"{end - start} octets expected, {self._end - start} left")
        self.offset = end
        return self._octets[start:end]

    def text(self) -> str:
        """Text behind its u4 length in octets."""
        return decode_text(self.bytes_())

    def count(self, least: int) -> int:
        """A u4 count of items of at least ``least`` octets each, checked against what is left."""
        number = self.u4()
        if number * least > self.remaining:
            raise self.fail(f"{number} items of at least {least} octets in {self.remaining}")
        return number

    def texts(self) -> tuple[str, ...]:
        """``str*``."""
        return tuple([self.text() for _ in range(self.count(4))])

    def numbers(self) -> tuple[int, ...]:
        """``i4*``."""
        number = self.count(4)
        if not number:
            return ()
        start = self._take(4 * number)
        return Struct(f">{number}i").unpack_from(self._octets, start)

    def behind(self, start: int) -> bytes:
        """Everything from offset ``start`` on; does not count as read."""
        return self._octets[start : self._end]

    def since(self, start: int) -> bytes:
        """What was read since the offset was ``start``."""
        return self._octets[start : self.offset]

    def rest(self) -> bytes:
        """Everything left."""
        return self.raw(self.remaining)


class Writer:
    """Puts primitives one behind the other."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def u1(self, value: int) -> "Writer":
        """One octet."""
        return self.raw(_fit(value, 1))

    def u2(self, value: int) -> "Writer":
        """Unsigned 16 bit."""
        return self.raw(_fit(value, 2))

    def u4(self, value: int) -> "Writer":
        """Unsigned 32 bit."""
        return self.raw(_fit(value, 4))

    def i4(self, value: int) -> "Writer":
        """Signed 32 bit."""
        return self.raw(_fit(value, 4, signed=True))

    def raw(self, octets: bytes) -> "Writer":
        """Octets as they are."""
        self._parts.append(octets)
        return self

    def bytes_(self, octets: bytes) -> "Writer":
        """Octets behind their u4 length."""
        self._parts.append(_U4.pack(len(octets)))
        self._parts.append(octets)
        return self

    def text(self, text: str) -> "Writer":
        """Text behind its u4 length in octets."""
        return self.bytes_(encode_text(text))

    def texts(self, texts: tuple[str, ...]) -> "Writer":
        """``str*``."""
        self.u4(len(texts))
        for text in texts:
            self.text(text)
        return self

    def numbers(self, numbers: tuple[int, ...]) -> "Writer":
        """``i4*``."""
        self.u4(len(numbers))
        for number in numbers:
            self.i4(number)
        return self

    def octets(self) -> bytes:
        """All that was written."""
        return b"".join(self._parts)


def _fit(value: int, size: int, *, signed: bool = False) -> bytes:
    try:
        return value.to_bytes(size, "big", signed=signed)
    except OverflowError:
        raise WireError(f"{value} does not fit {size} octets", code=ResponseCode.ERROR) from None
