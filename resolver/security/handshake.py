"""How two nodes of one network know each other on the control plane.

Both know the network's secret and prove it over the nonces of both sides, each in its own role, so
that neither proof can be sent back. The secret itself never travels. What follows is not encrypted:
the control plane is for loopback or for a network of its own.
"""

import hashlib
import hmac
from typing import Final

NONCE_OCTETS: Final = 16

CALLER: Final = b"caller"
CALLED: Final = b"called"

_PURPOSE: Final = b"wuhan control plane 1"


def control_secret(private_key: bytes) -> bytes:
    """The network's secret, made of the private key that all its nodes share."""
    return hmac.digest(private_key, _PURPOSE, hashlib.sha256)


def proof_of(secret: bytes, role: bytes, name: str, caller: bytes, called: bytes) -> bytes:
    """What shows that ``name`` knows ``secret``.

    Args:
        role: CALLER or CALLED.
        caller, called: the nonces of both sides.
    """
    text = b"\0".join((role, name.encode("utf-8", "surrogateescape")))
    return hmac.digest(secret, b"".join((text, b"\0", caller, called)), hashlib.sha256)


def proved(expected: bytes, given: object) -> bool:
    """Whether what the other side sent is the expected proof."""
    return isinstance(given, bytes) and hmac.compare_digest(expected, given)
