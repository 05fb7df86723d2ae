"""What docs/conformance.md lists: the recorded exchanges that our nodes answer differently."""

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "conformance.md"

NOT_COMPARED: Final = ("truncated_body", "http_on_handle_port", "udp_fragment_missing")
"""Exchanges without an answer: the recording ended while the server still waited for more."""

CACHED: Final = ("cache_resolve_tcp",)
"""Exchanges whose answer the recorded server had in its cache."""

_ROW: Final = re.compile(r"^\| (`[^|]+`) \|", re.MULTILINE)
_PATTERN: Final = re.compile(r"`([^`]+)`")


@cache
def listed() -> tuple[str, ...]:
    """The patterns in the first column of the document's tables."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return tuple(pattern for row in _ROW.findall(text) for pattern in _PATTERN.findall(row))


def matches(exchange: str, pattern: str) -> bool:
    """Whether ``pattern`` means the exchange: by its name, or by file and name."""
    return fnmatchcase(exchange if ":" in pattern else exchange.rpartition(":")[2], pattern)


def differs_on_purpose(exchange: str) -> bool:
    """Whether the document lists the exchange with the id ``exchange``, ``file:name``."""
    return any(matches(exchange, pattern) for pattern in listed())
