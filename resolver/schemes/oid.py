"""OID: object identifiers, ``1.2.156.…``, also as ``urn:oid:1.2.156.…`` (RFC 3061).

Arcs are numbers without leading zeros, joined by dots; the first is 0, 1 or 2, and the second at
most 39 below 0 and 1 (ITU-T X.660). China's arc is 1.2.156.

Assumption: no public source says which handle stands for an OID. Here it is the dotted form under a
gateway prefix, ``88.912.1/1.2.156.…``; construct the scheme with another ``gateway`` to move it.
The prefix is fictional (an enterprise of the sandbox's general secondary node), not an allocation.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from resolver.model.identifier import Identifier
from resolver.schemes.scheme import Reader

GATEWAY: Final = "88.912.1"

_URN: Final = "urn:oid:"
_ROOTS: Final = {"0": "itu-t", "1": "iso", "2": "joint-iso-itu-t"}
_KNOWN: Final = {"1.2": "member-body", "1.2.156": "China"}
_SECOND_MOST: Final = 39


@dataclass(frozen=True, slots=True)
class OidScheme:
    """Object identifiers; ``gateway`` is the prefix their handles have."""

    gateway: str = GATEWAY

    name: ClassVar[str] = "oid"
    title: ClassVar[str] = "OID (object identifier)"
    examples: ClassVar[tuple[str, ...]] = ("1.2.156", "2.999.156.1", "urn:oid:2.999.1")

    def recognises(self, text: str) -> bool:
        """Whether it says so, or has no slash and starts with two numbers, the first below 3."""
        if text[: len(_URN)].lower() == _URN:
            return True
        return (
            "/" not in text and text[:1] in _ROOTS and text[1:2] == "." and "0" <= text[2:3] <= "9"
        )

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        at = len(_URN) if text[: len(_URN)].lower() == _URN else 0
        dotted = text[at:]
        arcs = dotted.split(".")
        if arcs[0] not in _ROOTS:
            raise reader.rejected("arc 1", "it is not 0, 1 or 2", at)
        if len(arcs) == 1:
            raise reader.rejected("text", "it has one arc only, and needs two", at)
        for number, arc in enumerate(arcs, 1):
            _check_arc(reader, f"arc {number}", arc, at)
            at += len(arc) + 1
        if arcs[0] != "2" and (len(arcs[1]) > 2 or int(arcs[1]) > _SECOND_MOST):
            raise reader.rejected(
                "arc 2", f"it is above {_SECOND_MOST}", len(text) - len(dotted) + 2
            )
        return reader.identifier(
            dotted,
            self.gateway,
            dotted,
            _parts(arcs),
            (f"OIDs are resolved as handles below {self.gateway}; no mapping is published",),
        )


def _check_arc(reader: Reader, name: str, arc: str, at: int) -> None:
    reader.digits(name, arc, at)
    if len(arc) > 1 and arc[0] == "0":
        raise reader.rejected(name, "it has a leading zero", at)


def _parts(arcs: list[str]) -> tuple[tuple[str, str], ...]:
    """The root, the arcs that have a known name, and the rest in one piece."""
    parts = [("root", f"{arcs[0]} ({_ROOTS[arcs[0]]})")]
    done = 1
    while (known := _KNOWN.get(".".join(arcs[: done + 1]))) and done < len(arcs):
        parts.append((f"arc {done + 1}", f"{arcs[done]} ({known})"))
        done += 1
    if done < len(arcs):
        parts.append(("arcs below", ".".join(arcs[done:])))
    return tuple(parts)
