"""MA: codes of the issuing agency MA (ISO/IEC 15459), ``MA.156.…``.

Assumptions (the grammar is not public; this is its generally known shape)::

    code     = "MA." country 1*("." node) ["/" category ["/" item]]
    country  = 3DIGIT        node = 1*DIGIT        ; 156 is China

    * Category and item are any printable text; letters are compared exactly, except the mark MA.
    * The handle that stands for an MA code is the code under a gateway prefix,
      ``88.912.4/MA.156.…``; construct the scheme with another ``gateway`` to move it. The prefix is
      fictional (an enterprise of the sandbox's general secondary node), not an allocation.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from resolver.model.identifier import Identifier
from resolver.schemes.scheme import Reader

GATEWAY: Final = "88.912.4"

_MARK: Final = "MA."


@dataclass(frozen=True, slots=True)
class MaScheme:
    """MA codes; ``gateway`` is the prefix their handles have."""

    gateway: str = GATEWAY

    name: ClassVar[str] = "ma"
    title: ClassVar[str] = "MA (ISO/IEC 15459)"
    examples: ClassVar[tuple[str, ...]] = ("MA.156.9999.1", "ma.156.9999.1/10.01/000001")

    def recognises(self, text: str) -> bool:
        """Whether it begins with the mark."""
        return text[: len(_MARK)].upper() == _MARK

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        if not self.recognises(text):
            raise reader.rejected("text", f"it does not begin with '{_MARK}'", 0)
        organisation, *below = text[len(_MARK) :].split("/", 2)
        country, *nodes = organisation.split(".")
        at = len(_MARK)
        parts = [("country", reader.digits("country", country, at, 3, 3))]
        if not nodes:
            raise reader.rejected("node 1", "it is missing", at + len(country))
        at += len(country) + 1
        for number, node in enumerate(nodes, 1):
            parts.append((f"node {number}", reader.digits(f"node {number}", node, at)))
            at += len(node) + 1
        for name, text_below in zip(("category", "item"), below, strict=False):
            if not text_below:
                raise reader.rejected(name, "nothing follows the slash", at - 1)
            parts.append((name, text_below))
            at += len(text_below) + 1
        normalised = _MARK + text[len(_MARK) :]
        return reader.identifier(
            normalised,
            self.gateway,
            normalised,
            tuple(parts),
            (
                "the parts of an MA code are divided as generally known; no grammar is published",
                f"MA codes are resolved as handles below {self.gateway}; no mapping is published",
            ),
        )
