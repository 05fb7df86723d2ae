"""Whether a reply was signed by the server it came from (docs/protocol.md §8)."""

from resolver.model.errors import WireError
from resolver.security.proofs import verifies
from resolver.wire.credential import SIGNED, signed_octets
from resolver.wire.message import Message
from resolver.wire.proof import SignatureProof
from resolver.wire.typed import decode_public_key


def is_signed_by(octets: bytes, message: Message, public_key: bytes) -> bool:
    """Whether ``message`` carries a signature by the server whose HS_SITE has ``public_key``.

    Args:
        octets: the message as it came.
    """
    credential = message.credential
    if (
        credential is None
        or credential.type != SIGNED
        or isinstance(credential.hash_algorithm, int)
    ):
        return False
    try:
        public = decode_public_key(public_key)
        signed = signed_octets(octets, credential.session_counter)
    except WireError:
        return False
    proof = SignatureProof(credential.hash_algorithm, credential.signature)
    return verifies(public, proof, signed)
