"""VAA: the identifiers of the industrial internet, ``88.118.8/JXDY2106023``.

VAA is the ISO/IEC 15459 issuing agency code of the Chinese academy that runs the national top
nodes; its identifiers start with 88. The prefix follows the ABNF of the did:cn method
specification (2025)::

    prefix = issuer "." industry "." enterprise
    issuer = 2DIGIT    industry = 3*5DIGIT    enterprise = 1*128DIGIT

What follows the slash is defined by each industry, so any printable text is accepted. Letters are
compared without ASCII case, as servers do (docs/protocol.md §7).

Assumptions:
    * Shorter prefixes, those of the top node (``88``) and of secondary nodes (``88.118``), are read
      too, alone or with a suffix; the ABNF speaks of enterprises only.
    * The vendors' tighter limits (255 or 128 octets, one slash) are not enforced: products differ.
"""

from typing import ClassVar, Final

from resolver.model.handle import fold
from resolver.model.identifier import Identifier
from resolver.schemes.scheme import Reader

ISSUER: Final = "88"

_ASSUMED_SHORT: Final = (
    "a prefix of fewer than three parts is that of the top node or of a secondary node; "
    "the published grammar describes enterprise prefixes only"
)


class VaaScheme:
    """Prefixes and identifiers below 88."""

    name: ClassVar[str] = "vaa"
    title: ClassVar[str] = "VAA (industrial internet)"
    examples: ClassVar[tuple[str, ...]] = (
        "88.118.8/JXDY2106023",
        "88.1021.150/002",
        "88.901.1/000001",
        "88.901.1",
        "88.901",
    )

    def recognises(self, text: str) -> bool:
        """Whether the first label is 88."""
        return text.partition("/")[0].partition(".")[0] == ISSUER

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        if not self.recognises(text):
            raise reader.rejected("prefix", f"it does not begin with {ISSUER}.", 0)
        prefix, slash, suffix = text.partition("/")
        parts = prefix_parts(reader, prefix, 0)
        if slash:
            if not suffix:
                raise reader.rejected(
                    "suffix", "nothing follows the slash; a prefix alone has none", len(prefix)
                )
            parts = (*parts, ("suffix", suffix))
        return reader.identifier(
            fold(text),
            prefix,
            suffix if slash else None,
            parts,
            () if prefix.count(".") == 2 else (_ASSUMED_SHORT,),
        )


def prefix_parts(
    reader: Reader, prefix: str, at: int, *, whole: bool = False
) -> tuple[tuple[str, str], ...]:
    """Issuer, industry and enterprise of ``prefix``, which stands at ``at``; all three must be
    there when ``whole``.

    Raises:
        IdentifierRejected: by the ABNF above.
    """
    labels = prefix.split(".")
    if len(labels) > len(_LABELS):
        start = at + len(".".join(labels[: len(_LABELS)]))
        raise reader.rejected("prefix", "it has more than three parts", start)
    parts = []
    for label, (name, least, most) in zip(labels, _LABELS, strict=False):
        parts.append((name, reader.digits(f"{name} code", label, at, least, most)))
        at += len(label) + 1
    if whole and len(labels) < len(_LABELS):
        missing = _LABELS[len(labels)][0]
        raise reader.rejected("prefix", f"the {missing} code is missing", at - 1)
    return tuple(parts)


_LABELS: Final = (("issuer", 2, 2), ("industry", 3, 5), ("enterprise", 1, 128))
