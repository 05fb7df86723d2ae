"""What takes several steps: a generator that yields them and is told what came of each."""

from collections.abc import Generator
from typing import Final, TypeVar

from resolver.resolution.steps import Ask, Commit, Done, Outcome, Step, Work
from resolver.wire.answer import Answer

T = TypeVar("T")
Plan = Generator[Ask | Work | Commit, Outcome, T]
"""Yields steps, is sent their outcomes, returns a result."""


class Stop(Exception):
    """Ends a plan with this answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer: Final = answer


class Process:
    """A plan on its way to an answer.

    ``start`` gives the first step; after each one but ``Done`` call ``resume`` with what came of
    it for the next.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.started_at = 0.0
        self.unix_now = 0
        self._plan: Final = self.run()

    def run(self) -> Plan[Answer]:
        """The plan; begun by ``start``."""
        raise NotImplementedError

    def itself(self) -> "Process":
        """This process, for those who are to be told how to make it."""
        return self

    def concluded(self, answer: Answer) -> Answer:
        """The answer as it leaves the process."""
        return answer

    def start(self, now: float, unix_now: int) -> Step:
        """The first step; ``now`` in seconds of a monotonic clock, ``unix_now`` in unix seconds."""
        self.now = self.started_at = now
        self.unix_now = unix_now
        return self._advance(None)

    def resume(self, outcome: Outcome, now: float) -> Step:
        """The next step after ``outcome``."""
        self.now = now
        return self._advance(outcome)

    def _advance(self, outcome: Outcome) -> Step:
        try:
            return self._plan.send(outcome)
        except StopIteration as end:
            answer: Answer = end.value
        except Stop as stop:
            answer = stop.answer
        return Done(self.concluded(answer))
