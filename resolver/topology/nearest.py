"""What somebody who misspelt a word may have meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` with the known word nearest to ``given``; empty if none is near."""
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
