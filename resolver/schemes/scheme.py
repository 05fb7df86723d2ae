"""What an identifier scheme is, and the checks that all schemes share.

Rules: a scheme raises nothing but IdentifierRejected, whatever the text; its reason names the part,
the rule and, where there is one, the character. ``recognises`` is a cheap look that may be wrong
about validity but not about whose text it is; ``parse`` decides. What no public source states is
called an assumption, in the docstring of the scheme's file and in the identifiers it reads.
"""

import unicodedata
from collections.abc import Container
from typing import Final, Protocol

from resolver.model.handle import MAX_HANDLE_OCTETS, prefix_handle
from resolver.model.identifier import Identifier, IdentifierRejected, Rejection, shown

_DIGITS: Final = frozenset("0123456789")
_NOT_PRINTED: Final = {
    "Cc": "a control character",
    "Cs": "an octet that is not UTF-8",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


class Scheme(Protocol):
    """One way to read identifiers."""

    @property
    def name(self) -> str:
        """Short name, for JSON and messages."""

    @property
    def title(self) -> str:
        """Name for people."""

    @property
    def examples(self) -> tuple[str, ...]:
        """Texts that this scheme reads; the tests read them all."""

    def recognises(self, text: str) -> bool:
        """Whether ``text`` looks like this scheme's, valid or not."""

    def parse(self, text: str) -> Identifier:
        """The identifier that ``text`` is; raises IdentifierRejected with the reason."""


class Reader:
    """Reads one text for one scheme: the checks, and the exception that says what failed."""

    __slots__ = ("_scheme", "_text")

    def __init__(self, scheme: str, text: str) -> None:
        self._scheme: Final = scheme
        self._text: Final = text

    def rejected(self, part: str, reason: str, position: int | None = None) -> IdentifierRejected:
        """The exception to raise."""
        return IdentifierRejected(self._text, (Rejection(self._scheme, part, reason, position),))

    def check_text(self) -> None:
        """Hold the whole text to what any identifier must be: not empty, printable, UTF-8, at most
        2048 octets (docs/protocol.md §5)."""
        if not self._text:
            raise self.rejected("text", "it is empty")
        if len(self._text.encode("utf-8", "surrogatepass")) > MAX_HANDLE_OCTETS:
            raise self.rejected("text", f"it is longer than {MAX_HANDLE_OCTETS} octets")
        for position, character in enumerate(self._text):
            trouble = _NOT_PRINTED.get(unicodedata.category(character))
            if trouble:
                raise self.rejected("text", f"{shown(character)} is {trouble}", position)

    def digits(
        self, part: str, text: str, at: int | None, least: int = 1, most: int | None = None
    ) -> str:
        """``text``, which stands at ``at``, if it consists of ``least`` to ``most`` digits."""
        self.characters(part, text, at, _DIGITS, "a digit")
        most_allowed = len(text) if most is None else most
        if not least <= len(text) <= most_allowed:
            raise self.rejected(
                part, f"it has {_count(len(text))}, and must have {_range(least, most)}", at
            )
        return text

    def characters(
        self, part: str, text: str, at: int | None, allowed: Container[str], what: str
    ) -> str:
        """``text``, which stands at ``at``, if each of its characters is among ``allowed``; no
        place is named where ``at`` is None, as for text that was written with escapes."""
        for offset, character in enumerate(text):
            if character not in allowed:
                place = None if at is None else at + offset
                raise self.rejected(part, f"{shown(character)} is not {what}", place)
        return text

    def identifier(
        self,
        normalised: str,
        prefix: str,
        suffix: str | None,
        parts: tuple[tuple[str, str], ...],
        assumptions: tuple[str, ...] = (),
    ) -> Identifier:
        """The identifier read, with the handle that its prefix and suffix make."""
        handle = prefix_handle(prefix) if suffix is None else f"{prefix}/{suffix}"
        if len(handle.encode("utf-8", "surrogatepass")) > MAX_HANDLE_OCTETS:
            raise self.rejected(
                "text", f"the handle to resolve is longer than {MAX_HANDLE_OCTETS} octets"
            )
        return Identifier(
            self._scheme, self._text, normalised, prefix, suffix, handle, parts, assumptions
        )


def _count(number: int) -> str:
    return f"{number} digit" if number == 1 else f"{number} digits"


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least}"
    return str(least) if least == most else f"{least} to {most}"
