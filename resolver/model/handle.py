"""Handles as text: folding, prefix and suffix, prefix handles (RFC 3651 §2, protocol.md §7, §12).

A handle is a ``str``. Octets that are not UTF-8 travel as surrogate escapes (PEP 383), so that no
handle is lost between the wire and here. Comparison folds ASCII letters only, as servers of the
field do: ``ä`` and ``Ä`` are two names, ``a`` and ``A`` one.
"""

import string
from collections.abc import Iterator
from typing import Final

MAX_HANDLE_OCTETS: Final = 2048
"""Longest handle a server accepts, in UTF-8 octets (Handle.Net; protocol.md §5)."""

MAX_LABELS: Final = 32
"""Parts of a prefix that anything here looks at one by one; prefixes in use have two to five."""

NA: Final = "0.NA/"
"""What the handle of a prefix starts with: the prefix 88.901 is described by 0.NA/88.901."""

_ASCII_UPPER: Final = {
    ord(low): ord(up)
    for low, up in zip(string.ascii_lowercase, string.ascii_uppercase, strict=True)
}


def fold(text: str) -> str:
    """``text`` with its ASCII letters upper-cased and everything else as it was."""
    return text.upper() if text.isascii() else text.translate(_ASCII_UPPER)


def prefix_of(handle: str) -> str:
    """What stands before the first slash; all of a name without one."""
    return handle.partition("/")[0]


def prefix_handle(prefix: str) -> str:
    """The handle that describes ``prefix``."""
    return NA + prefix


def is_prefix_handle(handle: str) -> bool:
    """Whether ``handle`` is the handle of a prefix (``0.NA/…``, in any case)."""
    return handle.startswith("0.") and handle[2:5].upper() == "NA/"


def described_prefix(handle: str) -> str:
    """The prefix that a prefix handle describes: ``88.901`` for ``0.NA/88.901``."""
    return handle[len(NA) :]


def canonical(name: str) -> str:
    """The handle a name stands for: a name without a slash means the prefix's handle (§3)."""
    return name if "/" in name else NA + name


def parent_prefix(prefix: str) -> str:
    """The prefix one level up; empty above a first-level prefix."""
    return prefix.rpartition(".")[0]


def ancestors(prefix: str) -> Iterator[str]:
    """Strict ancestors of ``prefix``, nearest first, without the empty one: 88.901 and 88 for
    88.901.1."""
    while prefix := parent_prefix(prefix):
        yield prefix


def is_under(prefix: str, ancestor: str) -> bool:
    """Whether ``prefix`` lies strictly below ``ancestor`` (both folded); everything is below ''."""
    return bool(prefix) and (not ancestor or prefix.startswith(ancestor + "."))
