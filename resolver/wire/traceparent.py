"""Which trace a request belongs to: the text of W3C Trace Context, and how a request message of
the Handle protocol carries it from one node of a network to another (docs/protocol.md §13).

Rules: the protocol has one place where a sender may say something about a message besides its body,
the credential behind it. There the text stands as the signer, of a type that nothing else uses,
with a MAC by the network's secret, over the text and the question. Servers that know no such type
do not look at a request's credential outside of a session; still, none but our own nodes get it.
Nobody outside can make a node record anything by a message.
"""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from resolver.wire.credential import Credential, write_credential
from resolver.wire.cursor import Writer
from resolver.wire.envelope import ENVELOPE_OCTETS
from resolver.wire.message import HEADER_OCTETS, NO_CREDENTIAL, Message

CARRIER: Final = "TRACEPARENT"
_ALGORITHM: Final = "HMAC-SHA256"
_BODY: Final = ENVELOPE_OCTETS + HEADER_OCTETS
_TEXT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_SAMPLED: Final = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A trace, and the span in it that is the parent of what comes next.

    Attributes:
        trace_id, span_id: 128 and 64 bits, neither of them 0.
        sampled: whether who began the trace wants it recorded.
    """

    trace_id: int
    span_id: int
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span_id:016x}-{int(self.sampled):02x}"

    @property
    def trace(self) -> str:
        """The id of the trace, as everybody writes it."""
        return f"{self.trace_id:032x}"


def parent_in(text: str) -> TraceParent | None:
    """The parent that ``text`` tells; None if it is none, which is as if there were no text."""
    found = _TEXT.fullmatch(text)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    trace_id, span_id = int(found["trace"], 16), int(found["span"], 16)
    if not trace_id or not span_id:
        return None
    return TraceParent(trace_id, span_id, bool(int(found["flags"], 16) & _SAMPLED))


def with_parent(request: bytes, parent: TraceParent, secret: bytes) -> bytes:
    """An encoded request that carries ``parent``, which has no credential yet."""
    assert request.endswith(NO_CREDENTIAL)
    asked, text = request[ENVELOPE_OCTETS : -len(NO_CREDENTIAL)], str(parent)
    credential = Credential(CARRIER, _ALGORITHM, _mac(text, asked, secret), signer=text)
    payload = asked + Writer().bytes_(write_credential(credential)).octets()
    length = len(payload).to_bytes(4, "big")
    return request[: ENVELOPE_OCTETS - len(length)] + length + payload


def parent_of(request: Message, octets: bytes, secret: bytes) -> TraceParent | None:
    """The parent that a request carries, whose message ``octets`` are; None if it carries none
    that is of this network."""
    credential = request.credential
    if credential is None or credential.type != CARRIER or request.envelope.session_id:
        return None
    end = _BODY + int.from_bytes(octets[_BODY - 4 : _BODY], "big")
    expected = _mac(credential.signer, octets[ENVELOPE_OCTETS:end], secret)
    if not hmac.compare_digest(credential.signature, expected):
        return None
    return parent_in(credential.signer)


def _mac(text: str, asked: bytes, secret: bytes) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    return hmac.new(secret, b"traceparent\0" + octets + b"\0" + asked, sha256).digest()
