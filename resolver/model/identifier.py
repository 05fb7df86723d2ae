"""Identifiers as read: what a scheme makes of a text, and why it makes nothing of it.

Rule: the text is kept as given; ``normalised`` is what two spellings of one identifier have in
common. How a text is read stands in resolver.schemes, one scheme a file.
"""

from dataclasses import dataclass
from typing import Final

from resolver.model.errors import IdentifierError
from resolver.model.text import ascii_safe as ascii_safe
from resolver.model.text import printable


@dataclass(frozen=True, slots=True)
class Identifier:
    """A text that one scheme reads.

    Attributes:
        scheme: name of the scheme (``vaa``, ``gs1``, …).
        text: as given.
        normalised: the same for all spellings of the same identifier; the scheme reads it again.
        prefix: of the handle to be resolved.
        suffix: of the handle to be resolved; None for a bare prefix.
        handle: what is to be asked for: ``prefix/suffix``, or ``0.NA/prefix`` for a bare prefix.
        parts: (name, value) pairs that explain the reading, in the order of the text.
        assumptions: one sentence for each rule used here that no public source states.
    """

    scheme: str
    text: str
    normalised: str
    prefix: str
    suffix: str | None
    handle: str
    parts: tuple[tuple[str, str], ...]
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a scheme does not read a text.

    Attributes:
        scheme: name of the scheme; empty for rules that hold for all of them.
        part: the part of the text that is wrong (``prefix``, ``check digit``, …).
        reason: the rule that is broken, as a clause.
        position: index of the first wrong character; None when no single place is wrong.
    """

    scheme: str
    part: str
    reason: str
    position: int | None = None

    def __str__(self) -> str:
        place = "" if self.position is None else f" (character {self.position + 1})"
        return f"{self.part}: {self.reason}{place}"


class IdentifierRejected(IdentifierError):
    """A text that the asked scheme, or every scheme, rejects.

    Attributes:
        rejections: one for each scheme that was tried, in that order.
    """

    def __init__(self, text: str, rejections: tuple[Rejection, ...]) -> None:
        said = "; ".join(
            f"{rejection.scheme}: {rejection}" if rejection.scheme else str(rejection)
            for rejection in rejections
        )
        who = "" if len(rejections) == 1 else "no scheme reads it: "
        super().__init__(f"{shown(text)} is not an identifier: {who}{said}")
        self.rejections: Final = rejections


def shown(text: str, most: int = 60) -> str:
    """``text`` quoted for a message, cut after ``most`` characters."""
    return f"'{printable(text if len(text) <= most else text[:most] + '…')}'"
