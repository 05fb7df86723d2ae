"""Public keys as PEM files and as HS_PUBKEY data (docs/protocol.md §5), and new key pairs."""

from dataclasses import dataclass
from typing import Final

from resolver.model.errors import WireError
from resolver.security.sm2 import (
    generate_sm2,
    sm2_private_pem,
    sm2_public,
    sm2_public_from_pem,
    sm2_public_pem,
)
from resolver.wire.typed import DsaPublicKey, PemPublicKey, PublicKey, RsaPublicKey

KINDS: Final = ("rsa", "dsa", "sm2")
RSA_BITS: Final = (2048, 3072, 4096)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key: its private half as PKCS #8 PEM, its public half as X.509 PEM and for a record."""

    private_pem: bytes
    public_pem: bytes
    public: PublicKey


def generate(kind: str, bits: int = RSA_BITS[0]) -> KeyPair:
    """A new key pair; ``bits`` matter to RSA alone (DSA has 2048).

    Raises:
        ValueError: ``kind`` is none of ``KINDS``.
    """
    if kind == "sm2":
        private = generate_sm2()
        pem = sm2_public_pem(sm2_public(private))
        return KeyPair(sm2_private_pem(private), pem, public_key_from_pem(pem))
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa

    key: rsa.RSAPrivateKey | dsa.DSAPrivateKey
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    elif kind == "dsa":
        key = dsa.generate_private_key(key_size=2048)
    else:
        raise ValueError(f"{kind!r} is no kind of key: {', '.join(KINDS)}")
    private_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(private_pem, public_pem, public_key_from_pem(public_pem))


def public_key_from_pem(pem: bytes) -> PublicKey:
    """The RSA, DSA or SM2 key in X.509 PEM, as a record holds it.

    Raises:
        WireError: it is none of these.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        sm2_public_from_pem(pem)
    except WireError:
        pass
    else:
        return PemPublicKey("SM2_PUB_KEY", pem.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WireError(f"not a public key in PEM form ({error})", offset=0) from None
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return RsaPublicKey(_octets(numbers.e), _octets(numbers.n))
    if isinstance(key, dsa.DSAPublicKey):
        public = key.public_numbers()
        parameters = public.parameter_numbers
        return DsaPublicKey(*map(_octets, (parameters.q, parameters.p, parameters.g, public.y)))
    raise WireError(f"a key of a kind that is not used here ({type(key).__name__})", offset=0)


def _octets(number: int) -> bytes:
    """Big-endian two's complement, as the protocol writes numbers."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
