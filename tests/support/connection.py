"""A client of one node in a network in memory, which proves who it is with a secret key."""

from typing import Final

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.wire.bodies import Body, ChallengeAnswer, ChallengeAnswerRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.proof import MacProof, challenge_octets, encode_proof
from tests.conformance.prover import mac_of
from tests.support.memory_network import MemoryNetwork

USER: Final = "88.901.1/USER"
SECRET: Final = b"known to the user"
FLAGS: Final = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL


class Connection:
    """A client of one node."""

    def __init__(self, network: MemoryNetwork, node: str = "works") -> None:
        self.network = network
        self.node = node

    def send(self, op_code: int, body: Body, *, flags: int = FLAGS, session_id: int = 0) -> Message:
        message = Message(
            envelope=Envelope(request_id=7, session_id=session_id),
            op_code=op_code,
            flags=flags,
            body=body,
        )
        octets = encode_message(message)
        return decode_message(self.network.send_octets(self.node, octets))

    def answer(
        self, challenge: Message, user: str = USER, *, index: int = 300, secret: bytes = SECRET
    ) -> Message:
        assert isinstance(challenge.body, ChallengeAnswer)
        assert challenge.digest is not None
        octets = challenge_octets(challenge.body.nonce, challenge.digest)
        proof = encode_proof(MacProof(3, mac_of(3, secret, octets)))
        return self.send(
            OpCode.CHALLENGE_ANSWER,
            ChallengeAnswerRequest("HS_SECKEY", user, index, proof),
            session_id=challenge.envelope.session_id,
        )

    def do(
        self, op_code: int, body: Body, user: str = USER, *, flags: int = FLAGS, **key: object
    ) -> Message:
        """Ask, and answer the challenge if there is one."""
        reply = self.send(op_code, body, flags=flags)
        if reply.response_code != ResponseCode.AUTHENTICATION_NEEDED:
            return reply
        assert reply.op_code == op_code
        return self.answer(reply, user, **key)  # type: ignore[arg-type]
