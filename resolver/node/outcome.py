"""What a stage of the pipeline may say about a request."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from resolver.model.codes import ResponseCode
from resolver.resolution import Process
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import ErrorAnswer
from resolver.wire.message import Message


@dataclass(slots=True)
class Pending:
    """An answer that upstreams have to be asked for.

    Attributes:
        key: requests with equal keys may share one resolution; None is shared with nobody.
        process: makes what comes to the answer, not yet started.
        settle: called once with the process's answer, ``now`` and ``unix_now``: keeps it.
        finish: called for every request that waited, with the process's answer: makes that
            request's own.
        meanwhile: an answer to give if there is no other after ``patience_s`` seconds; then the
            process goes on for those who come later.
    """

    key: Hashable | None
    process: Callable[[], Process]
    settle: Callable[[Answer, float, int], None]
    finish: Callable[[Answer], Answer]
    meanwhile: Answer | None = None
    patience_s: float = 0.0


Outcome = Answer | Pending


class Stage(Protocol):
    """One stage of the pipeline."""

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """This stage's answer, or None to leave the request to the next one."""


def refusal(code: ResponseCode, message: str = "") -> Answer:
    """An answer with no values, given by this node itself."""
    return Answer(code, ErrorAnswer(message), authoritative=True)
