"""Small numbers for the prefixes that something was found under.

A cached record carries the number of its prefix, so that counting a resolution by prefix is adding
one to an element of a list. At most ``MAX_PREFIXES`` are told apart, as a recursive node is asked
for any; the others, and those under which nothing was found, share the number ``OTHERS``.
"""

from collections.abc import Iterator
from typing import Final

from resolver.model.handle import fold, prefix_of
from resolver.wire.cursor import decode_text

MAX_PREFIXES: Final = 10_000
OTHERS: Final = 0

OTHERS_NAME: Final = "*"
_PREFIX_RECORDS: Final = "0.NA"


class PrefixNumbers:
    """The prefixes of one node, in the order in which something was first found under them.

    Attributes:
        names: the prefixes by their numbers, folded.
        answered: by the same numbers, how many ready answers were given since they were last taken.
    """

    def __init__(self) -> None:
        self.names: Final[list[str]] = [OTHERS_NAME]
        self.answered: Final[list[int]] = [0]
        self._numbers: Final[dict[str, int]] = {}
        self._octets: Final[dict[bytes, int]] = {}

    def known(self, handle: str) -> int:
        """The number of the prefix of ``handle`` if it has one, else ``OTHERS``."""
        return self._numbers.get(_counted_as(handle), OTHERS)

    def number(self, handle: str) -> int:
        """The number of the prefix of ``handle``, which was found; a new one if there is room."""
        spelt = _counted_as(handle)
        number = self._numbers.get(spelt)
        if number is None:
            if len(self._numbers) >= MAX_PREFIXES:
                return OTHERS
            number = self._named(fold(spelt))
            self._numbers[spelt] = number
        return number

    def number_of(self, folded: bytes) -> int:
        """``number`` by the octets of a folded handle."""
        prefix, _, _ = folded.partition(b"/")
        number = self._octets.get(prefix)
        if number is None:
            number = self.number(decode_text(folded))
            if number != OTHERS and b"/" in folded:
                self._octets[prefix] = number
        return number

    def take_answered(self) -> Iterator[tuple[int, int]]:
        """The numbers with ready answers, and how many; they start again from 0."""
        for number, answered in enumerate(self.answered):
            if answered:
                self.answered[number] = 0
                yield number, answered

    def _named(self, prefix: str) -> int:
        number = self._numbers.get(prefix)
        if number is None:
            number = self._numbers[prefix] = len(self.names)
            self.names.append(prefix)
            self.answered.append(0)
        return number


def _counted_as(handle: str) -> str:
    """The records of prefixes count together."""
    return prefix_of(handle) if "/" in handle else _PREFIX_RECORDS
