"""Text from elsewhere, made fit to be shown."""

import unicodedata
from typing import Final

_CONTROL: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """``text`` with escapes for what would move a cursor, break a line or is not UTF-8: whoever
    shows text of a server or a user must not obey it."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _CONTROL
        else character
        for character in text
    )


def ascii_safe(text: str) -> str:
    """``text`` with lone surrogates escaped, so that every stream can take it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
