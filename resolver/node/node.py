"""A node: a chain of stages, run until one of them answers.

Rules: no sockets, no clock, no waiting. The chain is one visible tuple; what a role can do is what
is in it.
"""

from collections.abc import Sequence
from typing import Final

from resolver.model.codes import OpCode, ResponseCode
from resolver.node.outcome import Outcome, Stage, refusal
from resolver.node.stages import NOT_RESPONSIBLE_TEXT, STAGES
from resolver.node.state import NodeState
from resolver.wire.answer import Client
from resolver.wire.message import Message


class Node:
    """One node of the network, of any role."""

    def __init__(self, state: NodeState, chain: Sequence[str]) -> None:
        """
        Args:
            state: what the stages share.
            chain: names of stages (``resolver.node.stages.STAGES``) in the order they are asked.
        """
        self.state: Final = state
        self._stages: Final[tuple[Stage, ...]] = tuple(STAGES[name](state) for name in chain)

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome:
        """The answer to a decoded request, or what has to be resolved first.

        Args:
            request: a clear request message; only its header and body are looked at.
            client: who asks, and through which door.
            now: seconds of a monotonic clock.
            unix_now: unix seconds.
        """
        for stage in self._stages:
            outcome = stage.answer(request, client, now, unix_now)
            if outcome is not None:
                return outcome
        if request.op_code == OpCode.RESOLVE:
            return refusal(ResponseCode.NOT_RESPONSIBLE, NOT_RESPONSIBLE_TEXT)
        name = OpCode(request.op_code).name.lower().replace("_", " ")
        return refusal(
            ResponseCode.NOT_SUPPORTED, f"operation {request.op_code} ({name}) is not offered here"
        )
