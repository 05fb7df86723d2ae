"""Identifier schemes: what a text names, and which handle is to be resolved for it.

Order of reading: the first scheme that recognises a text reads it, and its refusal is final, so
that the reason is the one a person needs. The texts of the schemes are told apart by how they
begin; Handle comes last because nearly any text with a slash is a handle.

To add a scheme, write its file and put one line into ``SCHEMES``; the tests in tests/schemes run
over all of them.
"""

from collections.abc import Iterable
from typing import Final

from resolver.model.identifier import Identifier, IdentifierRejected, Rejection
from resolver.schemes.did import DidScheme
from resolver.schemes.ecode import EcodeScheme
from resolver.schemes.gs1 import Gs1Scheme
from resolver.schemes.handle import HandleScheme
from resolver.schemes.ma import MaScheme
from resolver.schemes.oid import OidScheme
from resolver.schemes.scheme import Reader, Scheme
from resolver.schemes.vaa import VaaScheme

__all__ = ["SCHEMES", "Scheme", "read"]

SCHEMES: Final[tuple[Scheme, ...]] = (
    VaaScheme(),
    DidScheme(),
    Gs1Scheme(),
    EcodeScheme(),
    MaScheme(),
    OidScheme(),
    HandleScheme(),
)


def read(text: str, schemes: Iterable[Scheme] = SCHEMES) -> Identifier:
    """The identifier that ``text`` is, by the first of ``schemes`` that recognises it.

    Raises:
        IdentifierRejected: that scheme's reason; or, if none recognises the text, the reason of
            each, in order.
    """
    Reader("", text).check_text()
    rejections: list[Rejection] = []
    tried = tuple(schemes)
    for scheme in tried:
        if scheme.recognises(text):
            return scheme.parse(text)
    for scheme in tried:
        try:
            return scheme.parse(text)
        except IdentifierRejected as rejected:
            rejections += rejected.rejections
    raise IdentifierRejected(text, tuple(rejections))
