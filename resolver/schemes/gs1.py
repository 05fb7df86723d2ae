"""GS1: keys written as Digital Link, EPC URN or element string.

* Digital Link (URI syntax 1.2): ``https://id.gs1.org/01/09506000134352/10/ABC/21/1``, on any host
  and below any path; the old short names (``/gtin/``) too. Compressed links are rejected.
* EPC pure identity: ``urn:epc:id:sgtin:9521141.012345.4711``, see gs1_epc.py.
* Element string with brackets: ``(01)09506000134352(10)ABC``.

All three are one identifier if they name the same thing: ``normalised`` is the canonical Digital
Link, with the numbers of the AIs, a GTIN of 14 digits, and no attributes (they do not identify).
Check digits are verified; values are compared exactly.

Assumption: no public source says which handle stands for a GS1 key. Here it is the path of the
canonical link under a gateway prefix, ``88.912.3/01/09506000134352``; construct the scheme with
another ``gateway`` to move it. The prefix is fictional (an enterprise of the sandbox's general
secondary node, so that such handles can be registered and resolved there), not an allocation.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote, unquote

from resolver.model.identifier import Identifier
from resolver.schemes.gs1_epc import MARK as EPC_MARK
from resolver.schemes.gs1_epc import Elements, read_epc
from resolver.schemes.gs1_keys import (
    FIELDS,
    QUALIFIERS,
    SHORT_NAMES,
    check_qualifiers,
    check_value,
)
from resolver.schemes.scheme import Reader

GATEWAY: Final = "88.912.3"

_CANONICAL: Final = "https://id.gs1.org/"
_URI: Final = re.compile(r"(?i:https?)://(?P<host>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
_KEY_NAMES: Final = "|".join((*QUALIFIERS, *SHORT_NAMES))
_LOOKS_LIKE_LINK: Final = re.compile(rf"(?i:https?)://[^?#]*/(?:{_KEY_NAMES})/")
_BRACKETS: Final = re.compile(r"\(([0-9]{2,4})\)")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Gs1Scheme:
    """GS1 keys; ``gateway`` is the prefix their handles have."""

    gateway: str = GATEWAY

    name: ClassVar[str] = "gs1"
    title: ClassVar[str] = "GS1 (Digital Link, EPC, element string)"
    examples: ClassVar[tuple[str, ...]] = (
        "https://id.gs1.org/gtin/09506000134352",
        "https://example.com/shop/01/09506000134352/10/ABC/21/1%2F2?17=261231",
        "urn:epc:id:sgtin:9521141.012345.4711",
        "(01)09506000134352(10)ABC",
    )

    def recognises(self, text: str) -> bool:
        """Whether it is a link with a key in its path, an EPC URN, or begins with ``(nn)``."""
        return (
            text[: len(EPC_MARK)].lower() == EPC_MARK
            or _BRACKETS.match(text) is not None
            or _LOOKS_LIKE_LINK.match(text) is not None
        )

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        parts: tuple[tuple[str, str], ...] = ()
        attributes: tuple[tuple[str, str], ...] = ()
        if text[: len(EPC_MARK)].lower() == EPC_MARK:
            elements, parts = read_epc(reader, text)
        elif _BRACKETS.match(text):
            elements, attributes = _read_element_string(reader, text)
        elif link := _URI.match(text):
            elements = _read_link(reader, link)
            attributes = _attributes(link["query"] or "")
        else:
            raise reader.rejected("text", "it is no Digital Link, EPC URN or element string")
        checked = [(ai, check_value(reader, ai, value, at)) for ai, value, at in elements]
        check_qualifiers(reader, checked[0][0], tuple(ai for ai, _ in checked[1:]))
        path = "/".join(f"{ai}/{quote(value, safe='')}" for ai, value in checked)
        return reader.identifier(
            _CANONICAL + path,
            self.gateway,
            path,
            (*parts, *((f"({ai}) {FIELDS[ai].title}", v) for ai, v in checked), *attributes),
            (f"GS1 keys are resolved as handles below {self.gateway}; no mapping is published",),
        )


def _read_link(reader: Reader, link: re.Match[str]) -> Elements:
    """The key and the qualifiers at the end of the path: pairs, the key being the last one that
    names a primary key."""
    if not link["host"]:
        raise reader.rejected("host", "it is missing", link.start("host"))
    segments = link["path"].removesuffix("/").split("/")
    starts = [link.start("path")]
    for segment in segments:
        starts.append(starts[-1] + len(segment) + 1)
    elements: Elements = []
    for place in range(len(segments) - 2, 0, -2):
        ai = SHORT_NAMES.get(segments[place], segments[place])
        if ai not in FIELDS:
            raise reader.rejected(
                "path", "it is neither a GS1 key nor a qualifier of one", starts[place]
            )
        raw = segments[place + 1]
        value = _unescaped(reader, raw, starts[place + 1])
        elements.insert(0, (ai, value, starts[place + 1] if value == raw else None))
        if ai in QUALIFIERS:
            return elements
    raise reader.rejected("path", "no GS1 key stands in it", link.start("path"))


def _read_element_string(reader: Reader, text: str) -> tuple[Elements, tuple[tuple[str, str], ...]]:
    """The key, its qualifiers in the key's order, and everything else as attributes."""
    marks = list(_BRACKETS.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    found = [(m[1], text[m.end() : end], m.end()) for m, end in zip(marks, ends, strict=True)]
    keys = [element for element in found if element[0] in QUALIFIERS]
    if len(keys) != 1:
        raise reader.rejected("text", f"it has {len(keys)} GS1 keys instead of one")
    key = keys[0]
    order = [ai for allowed in QUALIFIERS[key[0]] for ai in allowed]
    qualifiers = sorted((e for e in found if e[0] in order), key=lambda e: order.index(e[0]))
    others = tuple(
        (f"attribute ({ai})", value) for ai, value, _ in found if ai not in (key[0], *order)
    )
    return [key, *qualifiers], others


def _attributes(query: str) -> tuple[tuple[str, str], ...]:
    """What the query string says of the thing, for the explanation only."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return tuple(
        (f"attribute ({name})", value)
        for name, _, value in pairs
        if name.isascii() and name.isdecimal()
    )


def _unescaped(reader: Reader, segment: str, at: int) -> str:
    bad = _BAD_ESCAPE.search(segment)
    if bad:
        raise reader.rejected(
            "path", "'%' is not followed by two hexadecimal digits", at + bad.start()
        )
    return unquote(segment, errors="surrogateescape")
