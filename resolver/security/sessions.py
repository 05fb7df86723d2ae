"""Sessions: a key that client and server share, and what is done with it (docs/protocol.md §11).

Rules: a session's messages carry a MAC with a counter that only rises, so none can be sent twice;
sessions end by themselves after their time without a message, and their number is bounded.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from resolver.wire.credential import MAC, Credential, signed_octets
from resolver.wire.typed import DhPublicKey

MAX_SESSIONS: Final = 10_000
MAX_LIFETIME_S: Final = 86_400
MAC_ALGORITHM: Final = "HMAC-SHA256"
AES: Final = 3
"""The cipher's number in the answer to a set-up."""

_KEY_OCTETS: Final = 32
_AES_KEY_OCTETS: Final = 16
_BLOCK_OCTETS: Final = 16
_PRIME_BITS: Final = range(512, 2049)
_EXPONENT_OCTETS: Final = 64


class Session:
    """One session.

    Attributes:
        number: the session id.
        lifetime: seconds without a message after which it ends.
        is_open: until it is terminated.
    """

    def __init__(self, number: int, key: bytes, lifetime: int, unix_now: int) -> None:
        self.number: Final = number
        self.lifetime: Final = lifetime
        self.used_at = unix_now
        self.is_open = True
        self._key: Final = key
        self._heard = 0
        self._said = 0

    def accepts(self, message: bytes, credential: Credential | None) -> bool:
        """Whether ``message`` was made in this session, and is not one that was heard before."""
        if (
            credential is None
            or credential.type != MAC
            or credential.hash_algorithm != MAC_ALGORITHM
            or credential.session_counter <= self._heard
        ):
            return False
        expected = self._mac(message, credential.session_counter)
        if not hmac.compare_digest(expected, credential.signature):
            return False
        self._heard = credential.session_counter
        return True

    def credential_of(self, message: bytes) -> Credential:
        """What proves that ``message`` was made in this session."""
        self._said += 1
        signature = self._mac(message, self._said)
        return Credential(MAC, MAC_ALGORITHM, signature, session_counter=self._said)

    def seal(self, payload: bytes, random: Callable[[int], bytes]) -> bytes:
        """``payload``, a message without its envelope, encrypted."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        start = random(_BLOCK_OCTETS)
        filling = _BLOCK_OCTETS - len(payload) % _BLOCK_OCTETS
        cipher = Cipher(algorithms.AES(self._key[:_AES_KEY_OCTETS]), modes.CBC(start)).encryptor()
        return start + cipher.update(payload + bytes([filling]) * filling) + cipher.finalize()

    def unseal(self, sealed: bytes) -> bytes | None:
        """What ``seal`` made of; None if it is not of this session's key."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if len(sealed) < 2 * _BLOCK_OCTETS or len(sealed) % _BLOCK_OCTETS:
            return None
        start, text = sealed[:_BLOCK_OCTETS], sealed[_BLOCK_OCTETS:]
        cipher = Cipher(algorithms.AES(self._key[:_AES_KEY_OCTETS]), modes.CBC(start)).decryptor()
        payload = cipher.update(text) + cipher.finalize()
        filling = payload[-1]
        if not 1 <= filling <= _BLOCK_OCTETS or payload[-filling:] != bytes([filling]) * filling:
            return None
        return payload[:-filling]

    def _mac(self, message: bytes, counter: int) -> bytes:
        return hmac.digest(self._key, signed_octets(message, counter), hashlib.sha256)


class SessionTable:
    """The sessions of one node."""

    def __init__(self, random: Callable[[int], bytes], most: int = MAX_SESSIONS) -> None:
        self._random: Final = random
        self._most: Final = most
        self._open: Final[OrderedDict[int, Session]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, key: bytes, lifetime: int, unix_now: int) -> Session:
        """A new session; the one that was silent longest makes room if there are too many."""
        number = 0
        while not number or number in self._open:
            number = int.from_bytes(self._random(4), "big")
        lifetime = min(lifetime or MAX_LIFETIME_S, MAX_LIFETIME_S)
        session = self._open[number] = Session(number, key, lifetime, unix_now)
        if len(self._open) > self._most:
            self._open.popitem(last=False)[1].is_open = False
        return session

    def get(self, number: int, unix_now: int) -> Session | None:
        """The session called ``number``, if it is open and not too old."""
        session = self._open.get(number)
        if session is None:
            return None
        if unix_now > session.used_at + session.lifetime:
            self.end(session)
            return None
        session.used_at = unix_now
        self._open.move_to_end(number)
        return session

    def end(self, session: Session) -> None:
        """Terminate ``session``."""
        session.is_open = False
        self._open.pop(session.number, None)


def agree(theirs: DhPublicKey, random: Callable[[int], bytes]) -> tuple[DhPublicKey, bytes] | None:
    """Our half of a Diffie-Hellman exchange on the client's group, and the session key; None if
    the group or the client's number is not fit for it. Takes some 10 ms."""
    p, g, y = (int.from_bytes(number, "big") for number in (theirs.p, theirs.g, theirs.y))
    if p.bit_length() not in _PRIME_BITS or not p % 2 or not 1 < g < p - 1 or not 1 < y < p - 1:
        return None
    secret = int.from_bytes(random(_EXPONENT_OCTETS), "big")
    shared = pow(y, secret, p)
    if shared in (0, 1, p - 1):
        return None
    octets = shared.to_bytes((shared.bit_length() + 7) // 8, "big")
    ours = pow(g, secret, p)
    number = ours.to_bytes(ours.bit_length() // 8 + 1, "big")
    return DhPublicKey(number, theirs.p, theirs.g), octets[:_KEY_OCTETS]
