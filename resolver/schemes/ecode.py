"""Ecode: the Chinese numbering of things (GB/T 31866), ``ecode:`` and version, system, number.

An Ecode is V + NSI + MD: version, number system identifier, master data code. Version 0 is reserved
for the codes of GS1 in the edition of 2023, and is rejected here: give the GS1 code itself.

Assumptions (the text of the standard is not public; no real example was found):
    * The table of lengths below is that of the edition of 2015, from general knowledge.
    * As the digits alone could be anything, an Ecode is written after the mark ``ecode:``.
    * The handle that stands for an Ecode is the Ecode under a gateway prefix, ``88.912.2/…``;
      construct the scheme with another ``gateway`` to move it. The prefix is fictional (an
      enterprise of the sandbox's general secondary node), not an allocation.
"""

import string
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from resolver.model.identifier import Identifier
from resolver.schemes.scheme import Reader

GATEWAY: Final = "88.912.2"

_MARK: Final = "ecode:"
_ALPHANUMERIC: Final = frozenset(string.ascii_letters + string.digits)


class _Version(NamedTuple):
    """Digits of the NSI; most characters of the MD (None: any number); digits only or not."""

    nsi: int
    md: int | None
    kind: str


_VERSIONS: Final = {
    "1": _Version(4, 20, "digits"),
    "2": _Version(4, 28, "digits"),
    "3": _Version(5, 39, "letters and digits"),
    "4": _Version(5, None, "any text"),
}


@dataclass(frozen=True, slots=True)
class EcodeScheme:
    """Ecodes; ``gateway`` is the prefix their handles have."""

    gateway: str = GATEWAY

    name: ClassVar[str] = "ecode"
    title: ClassVar[str] = "Ecode (GB/T 31866)"
    examples: ClassVar[tuple[str, ...]] = ("ecode:1000012345678", "Ecode:300000AB12")

    def recognises(self, text: str) -> bool:
        """Whether it begins with the mark."""
        return text[: len(_MARK)].lower() == _MARK

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        if not self.recognises(text):
            raise reader.rejected("text", f"it does not begin with '{_MARK}'", 0)
        at = len(_MARK)
        code = text[at:]
        version = _VERSIONS.get(code[:1])
        if version is None:
            reason = "is reserved for GS1" if code[:1] == "0" else "is not one of 1 to 4"
            raise reader.rejected("version (V)", f"'{code[:1]}' {reason}", at)
        nsi = code[1 : 1 + version.nsi]
        reader.digits("number system (NSI)", nsi, at + 1, version.nsi, version.nsi)
        md = code[1 + version.nsi :]
        _check_number(reader, version, md, at + 1 + version.nsi)
        return reader.identifier(
            _MARK + code,
            self.gateway,
            code,
            (("version (V)", code[0]), ("number system (NSI)", nsi), ("number (MD)", md)),
            (
                "the lengths of V, NSI and MD are those of the 2015 edition as generally known",
                "an Ecode is known by the mark 'ecode:' before it",
                f"Ecodes are resolved as handles below {self.gateway}; no mapping is published",
            ),
        )


def _check_number(reader: Reader, version: _Version, md: str, at: int) -> None:
    name = "number (MD)"
    if version.kind == "digits":
        reader.digits(name, md, at, 1, version.md)
        return
    if version.kind == "letters and digits":
        reader.characters(name, md, at, _ALPHANUMERIC, "a letter A to Z or a digit")
    if not md:
        raise reader.rejected(name, "it is missing", at)
    if version.md is not None and len(md) > version.md:
        raise reader.rejected(name, f"it is longer than {version.md} characters", at)
