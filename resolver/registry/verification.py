"""Operation 201: another node asks whether a user of ours proved who they are (docs/protocol.md
§3, §9). It may not read the secret, so we check the proof for it."""

from functools import partial
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.model.handle import canonical
from resolver.model.value import HandleValue
from resolver.registry.edits import Refusal
from resolver.registry.identity import Holdings, refused
from resolver.resolution import Plan, Process, Work
from resolver.security import proves
from resolver.wire.answer import Answer
from resolver.wire.bodies import VerifiedAnswer, VerifyRequest
from resolver.wire.proof import SECRET_KEY, Proof, decode_proof


class Verification(Process):
    """Checks one proof with the secret keys of a record that lives here."""

    def __init__(self, asked: VerifyRequest, version: tuple[int, int], holdings: Holdings) -> None:
        """
        Args:
            version: of the reply; it says how proofs are written.
        """
        super().__init__()
        self._asked: Final = asked
        self._version: Final = version
        self._holdings: Final = holdings

    def run(self) -> Plan[Answer]:
        """See ``Process``."""
        asked = self._asked
        handle = canonical(asked.user)
        if not self._holdings.holds(handle):
            return refused(Refusal(ResponseCode.NOT_RESPONSIBLE, "That prefix doesn't live here"))
        record = self._holdings.store.get(handle)
        if record is None:
            return refused(Refusal(ResponseCode.HANDLE_NOT_FOUND))
        try:
            proof = decode_proof(SECRET_KEY, asked.signed_response, self._version)
        except WireError as error:
            return refused(Refusal(ResponseCode.PROTOCOL_ERROR, error.what))
        found: list[bool] = []
        for key in record.select((asked.index,) if asked.index else (), ()):
            if key.type.upper() == SECRET_KEY:
                yield Work(partial(self._check, proof, key, found))
        return Answer(ResponseCode.SUCCESS, VerifiedAnswer(any(found)), authoritative=True)

    def _check(self, proof: Proof, key: HandleValue, found: list[bool]) -> None:
        asked = self._asked
        found.append(proves(proof, key, asked.nonce + asked.digest, asked.user))
