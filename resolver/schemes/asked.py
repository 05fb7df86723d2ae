"""Which handle is asked for when somebody types a text."""

from typing import Final

from resolver.model.identifier import Identifier, IdentifierRejected
from resolver.schemes import read

_NOT_HANDLES: Final = frozenset({"did", "gs1", "ecode"})
"""Schemes whose texts are never sent as they are: what they refuse is a mistake."""


def handle_of(text: str) -> tuple[Identifier | None, str]:
    """What ``text`` is, and the handle to ask for: the one its scheme names, or the text as it is
    if no scheme reads it.

    Raises:
        IdentifierRejected: the text is empty, or belongs to a scheme whose identifiers are no
            handles, or is some other URI.
    """
    try:
        identifier = read(text)
    except IdentifierRejected as rejected:
        schemes = {rejection.scheme for rejection in rejected.rejections}
        if not text or "://" in text or (len(schemes) == 1 and schemes <= _NOT_HANDLES):
            raise
        return None, text
    return identifier, identifier.handle
