"""What a stage of the pipeline may say about a request."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from resolver.model.codes import ResponseCode
from resolver.resolution import Resolution
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import ErrorAnswer
from resolver.wire.message import Message


@dataclass(frozen=True, slots=True)
class Pending:
    """An answer that upstreams have to be asked for.

    Attributes:
        key: requests with equal keys may share one resolution.
        resolution: makes the resolution, not yet started.
        settle: called once with the resolution's answer, ``now`` and ``unix_now``: keeps it.
        finish: called for every request that waited, with the resolution's answer: makes that
            request's own.
    """

    key: Hashable
    resolution: Callable[[], Resolution]
    settle: Callable[[Answer, float, int], None]
    finish: Callable[[Answer], Answer]


Outcome = Answer | Pending


class Stage(Protocol):
    """One stage of the pipeline."""

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """This stage's answer, or None to leave the request to the next one."""


def refusal(code: ResponseCode, message: str = "") -> Answer:
    """An answer with no values, given by this node itself."""
    return Answer(code, ErrorAnswer(message), authoritative=True)
