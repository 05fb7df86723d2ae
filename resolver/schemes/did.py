"""DID: decentralised identifiers of the methods did:cn, did:vaa and did:bid (W3C DID Core).

* ``did:cn:88.100.1`` (method specification of 2025): the three-part prefix of an enterprise, see
  vaa.py. It stands for that prefix, so the handle is ``0.NA/88.100.1``.
* ``did:vaa:IDcontract1:86.100.1234/abcdfe.123``: an encoding rule ("contract") and an identifier of
  that rule, which is the handle. ``did:vaa:gxAcE6upFw6DNbG3rfngM3VxCNB``: the default contract, 27
  to 31 characters of base58.
* ``did:bid:[acsn:]suffix``: chain code of four letters or digits; suffix of 22 to 42, the first two
  of which name the key type (z SM2, e Ed25519, s secp256k1) and the encoding (f base58, s base64,
  t bech32) (BID specification 2.0). A chain code alone stands for the chain.

The scheme and the method are lower case; the rest is compared exactly, but for a handle inside.
DID URLs (with ``#``, ``?`` or a path) are rejected: they name something inside a DID document.

Assumptions:
    * The name of a did:vaa contract consists of letters and digits.
    * No public source maps did:bid, or did:vaa of the default contract, to a handle. Here it is the
      DID under a gateway prefix, ``88.912.5/did:bid:…``; construct the scheme with another
      ``gateway`` to move it. The prefix is fictional (an enterprise of the sandbox's general
      secondary node), not an allocation.
"""

import string
from dataclasses import dataclass
from typing import ClassVar, Final

from resolver.model.handle import fold
from resolver.model.identifier import Identifier
from resolver.schemes.handle import check_handle
from resolver.schemes.scheme import Reader
from resolver.schemes.vaa import ISSUER, prefix_parts

GATEWAY: Final = "88.912.5"

_MARK: Final = "did:"
_ALPHANUMERIC: Final = frozenset(string.ascii_letters + string.digits)
_BASE58: Final = _ALPHANUMERIC - frozenset("0OIl")
_KEY_TYPES: Final = {"z": "SM2", "e": "Ed25519", "s": "secp256k1"}
_ENCODINGS: Final = {"f": "base58", "s": "base64", "t": "bech32"}
_CHAIN_CODE: Final = 4


@dataclass(frozen=True, slots=True)
class DidScheme:
    """DIDs; ``gateway`` is the prefix of the handles of those that name none themselves."""

    gateway: str = GATEWAY

    name: ClassVar[str] = "did"
    title: ClassVar[str] = "DID (did:cn, did:vaa, did:bid)"
    examples: ClassVar[tuple[str, ...]] = (
        "did:cn:88.100.1",
        "did:vaa:IDcontract1:86.100.1234/abcdfe.123",
        "did:vaa:gxAcE6upFw6DNbG3rfngM3VxCNB",
        "did:bid:ef214PmkhKndUcArDQPgD5J4fFVwqJFPt",
        "did:bid:byol",
    )

    def recognises(self, text: str) -> bool:
        """Whether it begins with ``did:``, in any case."""
        return text[: len(_MARK)].lower() == _MARK

    def parse(self, text: str) -> Identifier:
        """Read ``text``; see the file's docstring for the rules."""
        reader = Reader(self.name, text)
        reader.check_text()
        if not self.recognises(text):
            raise reader.rejected("text", f"it does not begin with '{_MARK}'", 0)
        if not text.startswith(_MARK):
            raise reader.rejected("scheme", "'did' is written in lower case", 0)
        method, _, rest = text[len(_MARK) :].partition(":")
        at = len(_MARK) + len(method) + 1
        match method:
            case "cn":
                return _read_cn(reader, rest, at)
            case "vaa" if ":" in rest:
                return _read_contract(reader, rest, at)
            case "vaa":
                return self._read_default_contract(reader, text, rest, at)
            case "bid":
                return self._read_bid(reader, text, rest, at)
        raise reader.rejected("method", "it is not cn, vaa or bid", len(_MARK))

    def _read_default_contract(self, reader: Reader, text: str, rest: str, at: int) -> Identifier:
        _reject_url(reader, rest, at, "/?#")
        reader.characters("identifier", rest, at, _BASE58, "a character of base58")
        _check_length(reader, "identifier", rest, at, 27, 31)
        return self._below_gateway(reader, text, (("method", "vaa"), ("identifier", rest)))

    def _read_bid(self, reader: Reader, text: str, rest: str, at: int) -> Identifier:
        _reject_url(reader, rest, at, "/?#")
        parts = [("method", "bid")]
        head, colon, suffix = rest.partition(":")
        if colon or len(head) == _CHAIN_CODE:
            reader.characters("chain code", head, at, _ALPHANUMERIC, "a letter or a digit")
            _check_length(reader, "chain code", head, at, _CHAIN_CODE, _CHAIN_CODE)
            parts.append(("chain code", head))
            at += len(head) + 1
        else:
            suffix = head
        # The grammar also has a chain code with a colon and nothing behind it.
        if suffix:
            parts += _read_bid_suffix(reader, suffix, at)
        elif len(parts) == 1:
            raise reader.rejected("suffix", "it is missing", at)
        return self._below_gateway(reader, text.removesuffix(":"), tuple(parts))

    def _below_gateway(
        self, reader: Reader, did: str, parts: tuple[tuple[str, str], ...]
    ) -> Identifier:
        return reader.identifier(
            did,
            self.gateway,
            did,
            parts,
            (f"such DIDs are resolved as handles below {self.gateway}; no mapping is published",),
        )


def _read_cn(reader: Reader, rest: str, at: int) -> Identifier:
    _reject_url(reader, rest, at, "/?#")
    parts = prefix_parts(reader, rest, at, whole=True)
    return reader.identifier(f"did:cn:{rest}", rest, None, (("method", "cn"), *parts))


def _read_contract(reader: Reader, rest: str, at: int) -> Identifier:
    contract, _, handle = rest.partition(":")
    if not contract:
        raise reader.rejected("contract", "its name is missing", at)
    reader.characters("contract", contract, at, _ALPHANUMERIC, "a letter or a digit")
    at += len(contract) + 1
    # '?' and '#' may stand in the suffix of a handle, so only the DID's own part is looked at.
    check_handle(reader, handle, at)
    prefix, slash, suffix = handle.partition("/")
    if prefix.partition(".")[0] == ISSUER:
        prefix_parts(reader, prefix, at)
    parts: tuple[tuple[str, str], ...] = (("method", "vaa"), ("contract", contract))
    parts = (*parts, ("prefix", prefix), *((("suffix", suffix),) if slash else ()))
    return reader.identifier(
        f"did:vaa:{contract}:{fold(handle)}",
        prefix,
        suffix if slash else None,
        parts,
        ("the name of a did:vaa contract consists of letters and digits",),
    )


def _read_bid_suffix(reader: Reader, suffix: str, at: int) -> list[tuple[str, str]]:
    reader.characters("suffix", suffix, at, _ALPHANUMERIC, "a letter or a digit")
    _check_length(reader, "suffix", suffix, at, 22, 42)
    key_type, encoding = _KEY_TYPES.get(suffix[0]), _ENCODINGS.get(suffix[1])
    if key_type is None:
        raise reader.rejected("key type", "it is not z, e or s", at)
    if encoding is None:
        raise reader.rejected("encoding", "it is not f, s or t", at + 1)
    if encoding == "base58":
        reader.characters("suffix", suffix[2:], at + 2, _BASE58, "a character of base58")
    return [
        ("key type", f"{suffix[0]} ({key_type})"),
        ("encoding", f"{suffix[1]} ({encoding})"),
        ("address", suffix[2:]),
    ]


def _reject_url(reader: Reader, rest: str, at: int, marks: str) -> None:
    for offset, character in enumerate(rest):
        if character in marks:
            raise reader.rejected(
                "text", f"'{character}' makes it a DID URL; give the DID alone", at + offset
            )


def _check_length(reader: Reader, part: str, text: str, at: int, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        allowed = str(least) if least == most else f"{least} to {most}"
        raise reader.rejected(part, f"it has {len(text)} characters, and must have {allowed}", at)
