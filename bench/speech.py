"""What the benchmarks ask: resolve requests of the Handle protocol and TXT questions of the DNS."""

import struct
import time
from typing import Final

from bench.native import Request
from resolver.model.codes import OpCode, OpFlag
from resolver.wire.bodies import ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, encode_message

MAX_ANSWER: Final = 1232
"""Octets of a DNS answer that the questions with EDNS allow, so that it comes in one datagram."""

LIFETIME_S: Final = 43200

_HEADER: Final = struct.Struct(">HHHHHH")
_TXT, _IN, _OPT = 16, 1, 41
_RECURSION_DESIRED: Final = 0x0100


def handle_request(handle: str) -> Request:
    """A request for all public values, as hdllib sends it; the answer repeats the handle."""
    message = Message(
        envelope=Envelope(),
        op_code=OpCode.RESOLVE,
        flags=OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL,
        expiration=int(time.time()) + LIFETIME_S,
        body=ResolveRequest(handle),
    )
    return Request(encode_message(message), handle.encode())


def domain_question(domain: str, *, edns: bool = False) -> Request:
    """A recursive TXT question; the answer repeats the name."""
    name = b"".join(bytes([len(label)]) + label.encode() for label in domain.split(".")) + b"\0"
    octets = _HEADER.pack(0, _RECURSION_DESIRED, 1, 0, 0, int(edns)) + name
    octets += struct.pack(">HH", _TXT, _IN)
    if edns:
        octets += struct.pack(">BHHIH", 0, _OPT, MAX_ANSWER, 0, 0)
    return Request(octets, name)
