"""A client that opens a Diffie-Hellman session and sends messages in it. Written from
docs/protocol.md §8 and §11; shares no code with the server's side of sessions."""

import hashlib
import hmac
import secrets
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from resolver.wire.bodies import SessionAnswer, SessionSetupRequest
from resolver.wire.credential import Credential, signed_octets
from resolver.wire.envelope import ENVELOPE_OCTETS, decode_envelope, encode_envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.typed import DhPublicKey, decode_public_key, encode_public_key


class SessionClient:
    """One session, from its set-up on."""

    def __init__(self) -> None:
        self.number = 0
        self._secret: Final = secrets.randbits(512)
        self._key = b""
        self._counter = 0
        self._heard = 0

    def set_up(self, recorded: Message) -> bytes:
        """The recorded request to begin a session, with a key of our own on its group."""
        body = recorded.body
        assert isinstance(body, SessionSetupRequest)
        assert body.public_key is not None
        theirs = decode_public_key(body.public_key)
        assert isinstance(theirs, DhPublicKey)
        p, g = (int.from_bytes(number, "big") for number in (theirs.p, theirs.g))
        y = pow(g, self._secret, p)
        ours = replace(theirs, y=y.to_bytes(y.bit_length() // 8 + 1, "big"))
        return encode_message(
            replace(recorded, body=replace(body, public_key=encode_public_key(ours)))
        )

    def begin(self, reply: Message) -> None:
        """Take the key from the server's answer."""
        body = reply.body
        assert isinstance(body, SessionAnswer)
        assert int.from_bytes(body.data[:4], "big") == 3, "the cipher is AES"
        theirs = decode_public_key(body.data[4:])
        assert isinstance(theirs, DhPublicKey)
        p, y = (int.from_bytes(number, "big") for number in (theirs.p, theirs.y))
        shared = pow(y, self._secret, p)
        self._key = shared.to_bytes((shared.bit_length() + 7) // 8, "big")[:32]
        self.number = reply.envelope.session_id

    def signed(
        self, request: Message, *, counter: int | None = None, sealed: bool = False
    ) -> bytes:
        """``request`` in this session, with a MAC, encrypted if wanted."""
        self._counter = self._counter + 1 if counter is None else counter
        request = replace(
            request,
            envelope=replace(request.envelope, session_id=self.number, encrypted=False),
            credential=None,
        )
        mac = self._mac(encode_message(request), self._counter)
        credential = Credential("HS_MAC", "HMAC-SHA256", mac, session_counter=self._counter)
        octets = encode_message(replace(request, credential=credential))
        return self.seal(octets) if sealed else octets

    def unsigned(self, request: Message, *, sealed: bool = False) -> bytes:
        """``request`` in this session without a MAC, as challenge answers go."""
        envelope = replace(request.envelope, session_id=self.number)
        octets = encode_message(replace(request, envelope=envelope))
        return self.seal(octets) if sealed else octets

    def heard(self, octets: bytes) -> Message:
        """The server's reply, decrypted if it is encrypted; its MAC, if it has one, is checked."""
        envelope = decode_envelope(octets)
        if envelope.encrypted:
            start, text = octets[20:36], octets[36:]
            cipher = Cipher(algorithms.AES(self._key[:16]), modes.CBC(start)).decryptor()
            padded = cipher.update(text) + cipher.finalize()
            unpadder = padding.PKCS7(128).unpadder()
            payload = unpadder.update(padded) + unpadder.finalize()
            clear = replace(envelope, encrypted=False)
            octets = encode_envelope(clear, len(payload)) + payload
        reply = decode_message(octets)
        credential = reply.credential
        if credential is not None and credential.type == "HS_MAC":
            assert credential.session_counter == self._heard + 1
            self._heard = credential.session_counter
            assert credential.signature == self._mac(octets, self._heard)
        return reply

    def seal(self, octets: bytes) -> bytes:
        """The message encrypted."""
        padder = padding.PKCS7(128).padder()
        padded = padder.update(octets[ENVELOPE_OCTETS:]) + padder.finalize()
        start = secrets.token_bytes(16)
        cipher = Cipher(algorithms.AES(self._key[:16]), modes.CBC(start)).encryptor()
        payload = start + cipher.update(padded) + cipher.finalize()
        envelope = replace(decode_envelope(octets), encrypted=True)
        return encode_envelope(envelope, len(payload)) + payload

    def _mac(self, octets: bytes, counter: int) -> bytes:
        return hmac.new(self._key, signed_octets(octets, counter), hashlib.sha256).digest()
