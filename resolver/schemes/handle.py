"""Handles in general: ``86.122.2/x``, ``10.1045/x``, ``0.NA/88.118``, and bare prefixes.

A handle is a prefix, a slash and a suffix (RFC 3651 §2): printable characters of any script, at
most 2048 octets of UTF-8; the prefix is made of labels joined by dots. Letters are compared without
ASCII case, as servers do by default although the RFC leaves it to them (docs/protocol.md §7); the
handle to resolve keeps the spelling given.

This scheme comes last, as nearly any text with a slash is a handle. So it leaves alone what belongs
to others: prefixes below 88 (VAA), and text whose prefix has a colon, as URIs do.

Assumptions:
    * A bare prefix is known by its first label, which consists of digits.
    * A prefix has no colon and no white space, although RFC 3651 would allow them.
    * An empty suffix is rejected, although servers may hold such a handle.
"""

from typing import ClassVar

from resolver.model.handle import fold
from resolver.model.identifier import Identifier
from resolver.schemes.scheme import Reader
from resolver.schemes.vaa import ISSUER


class HandleScheme:
    """Any prefix/suffix that no other scheme claims."""

    name: ClassVar[str] = "handle"
    title: ClassVar[str] = "Handle"
    examples: ClassVar[tuple[str, ...]] = (
        "86.122.2/product-1",
        "86.100.1234/abcdfe.123",
        "10.1045/may99-payette",
        "0.NA/88.118",
        "86.122.2",
    )

    def recognises(self, text: str) -> bool:
        """Whether there is a prefix without a colon before a slash, or a number to begin with."""
        prefix, slash, _ = text.partition("/")
        label = _first_label(prefix)
        return label != ISSUER and ":" not in prefix and (bool(slash) or _is_number(label))

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        prefix, slash, suffix = text.partition("/")
        if _first_label(prefix) == ISSUER:
            raise reader.rejected("prefix", f"prefixes below {ISSUER} are VAA's", 0)
        if not slash and not _is_number(_first_label(prefix)):
            raise reader.rejected(
                "text", "it has no slash, and is no prefix as it does not begin with a number"
            )
        check_handle(reader, text, 0)
        parts = (("prefix", prefix), ("suffix", suffix)) if slash else (("prefix", prefix),)
        return reader.identifier(fold(text), prefix, suffix if slash else None, parts)


def check_handle(reader: Reader, handle: str, at: int) -> None:
    """Hold ``handle`` (or a bare prefix), which stands at ``at``, to the rules of this scheme.

    Raises:
        IdentifierRejected: a label of the prefix is empty or has a colon or white space, or
            nothing follows the slash.
    """
    prefix, slash, suffix = handle.partition("/")
    if slash and not suffix:
        raise reader.rejected(
            "suffix", "nothing follows the slash; a prefix alone has none", at + len(prefix)
        )
    for label in prefix.split("."):
        if not label:
            raise reader.rejected("prefix", "one of the labels between its dots is empty", at)
        for offset, character in enumerate(label):
            if character == ":" or character.isspace():
                what = "a colon" if character == ":" else "white space"
                raise reader.rejected("prefix", f"it has {what}", at + offset)
        at += len(label) + 1


def _first_label(prefix: str) -> str:
    return prefix.partition(".")[0]


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdecimal()
