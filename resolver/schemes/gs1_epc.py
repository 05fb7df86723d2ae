"""EPC pure identities, ``urn:epc:id:sgtin:9521141.012345.4711``, read as GS1 keys (EPC Tag Data
Standard 1.13 §6). Used by gs1.py; not a scheme itself.

A URN separates the company prefix from the reference below it and leaves the check digit out; the
key has them joined. EPCs of other bodies than GS1 (gid, usdod, adi, bic, imovn) are not GS1 keys,
and tag, raw and pattern URNs are not identities; both are rejected.
"""

import re
import string
from typing import Final, NamedTuple
from urllib.parse import unquote

from resolver.schemes.gs1_keys import check_digit
from resolver.schemes.scheme import Reader

MARK: Final = "urn:epc:"
_IDENTITY: Final = "id:"
_UNESCAPED: Final = frozenset(string.ascii_letters + string.digits + "!'()*+,-.:;=_%")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_COMPANY: Final = "company prefix"


class _Type(NamedTuple):
    """How an EPC type becomes a key.

    Attributes:
        ai: of the key.
        digits: of company prefix and reference together; 0 if the reference is text.
        rotated: the first digit of the reference goes before the company prefix.
        lead: digits put before all.
        third: where a third component goes: the AI of a qualifier, ``key`` (appended to the key),
            or nothing if there is none.
    """

    ai: str
    digits: int = 0
    rotated: bool = False
    lead: str = ""
    third: str = ""


_TYPES: Final = {
    "sgtin": _Type("01", 13, rotated=True, third="21"),
    "upui": _Type("01", 13, rotated=True, third="235"),
    "sscc": _Type("00", 17, rotated=True),
    "sgln": _Type("414", 12, third="254"),
    "pgln": _Type("417", 12),
    "grai": _Type("8003", 12, lead="0", third="key"),
    "giai": _Type("8004"),
    "gsrn": _Type("8018", 17),
    "gsrnp": _Type("8017", 17),
    "gdti": _Type("253", 12, third="key"),
    "sgcn": _Type("255", 12, third="key"),
    "gsin": _Type("402", 16),
    "ginc": _Type("401"),
    "cpi": _Type("8010", third="8011"),
}

Elements = list[tuple[str, str, int | None]]
"""(AI, value, where it stands or None), the primary key first."""


def read_epc(reader: Reader, text: str) -> tuple[Elements, tuple[tuple[str, str], ...]]:
    """The elements of ``text``, and the parts that only the URN tells.

    Raises:
        IdentifierRejected: by the grammar above; values are left to be checked by gs1_keys.
    """
    at = len(MARK)
    if not text.startswith(_IDENTITY, at):
        raise reader.rejected("kind", "it is not 'id', and only pure identities are read", at)
    name, colon, rest = text[at + len(_IDENTITY) :].partition(":")
    kind = _TYPES.get(name)
    if kind is None or not colon:
        raise reader.rejected(
            "EPC type", f"it is not one of {', '.join(_TYPES)}", at + len(_IDENTITY)
        )
    at += len(_IDENTITY) + len(name) + 1
    components = rest.split(".", 2 if kind.third else 1)
    wanted = 3 if kind.third else 2
    if len(components) != wanted:
        raise reader.rejected("EPC", f"it has {len(components)} components instead of {wanted}", at)
    company, reference = components[:2]
    reader.digits(_COMPANY, company, at, 6, 12)
    at += len(company) + 1
    key = _joined(reader, kind, company, reference, at)
    elements: Elements = [(kind.ai, key, None)]
    if kind.third:
        third = _unescaped(reader, "serial number", components[2], at + len(reference) + 1)
        if kind.third == "key":
            elements = [(kind.ai, key + third, None)]
        elif (kind.third, third) != ("254", "0"):  # an SGLN without extension has a 0 there
            elements.append((kind.third, third, None))
    return elements, (("EPC type", name), (_COMPANY, company))


def _joined(reader: Reader, kind: _Type, company: str, reference: str, at: int) -> str:
    """The value of the key, with its check digit."""
    if not kind.digits:
        return company + _unescaped(reader, "reference", reference, at)
    reader.digits("reference", reference, at, 0)
    if len(company) + len(reference) != kind.digits:
        raise reader.rejected(
            "reference",
            f"with the company prefix it has {len(company) + len(reference)} digits, and must have "
            f"{kind.digits}",
            at,
        )
    if kind.rotated:
        digits = reference[:1] + company + reference[1:]
    else:
        digits = kind.lead + company + reference
    return digits + check_digit(digits)


def _unescaped(reader: Reader, part: str, text: str, at: int) -> str:
    reader.characters(part, text, at, _UNESCAPED, "allowed without an escape")
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise reader.rejected(
            part, "'%' is not followed by two hexadecimal digits", at + bad.start()
        )
    return unquote(text, errors="surrogateescape")
