"""What all users have in common: their questions, when these are due, and whom they ask.

A workload's client application becomes a class of Locust users (``build``), each user one instance
of the application. Questions, and the times they are due, follow from the workload's seed, the
client's name and the user's number.
"""

import time
from collections.abc import Iterator
from itertools import count, repeat
from typing import ClassVar, Final

from locust import User
from locust.env import Environment

from bench.answers import Population, Question
from bench.target import Target
from bench.users.feed import Feed, Meter, feed_of
from bench.workloads.arrivals import due_times
from bench.workloads.model import ClientModel, Workload
from bench.workloads.names import Asked, questions
from resolver.cluster.state import NodeState

ROUND_S: Final = 0.5
"""How long a user goes on before Locust may stop it or let it wait."""

_GOLDEN: Final = 0.618_033_988_75
_WORKERS: Final = 10_000
"""Users of the second worker are numbered from here."""


class Client(User):
    """A client application.

    Attributes:
        settings: of the application, from the workload.
        meter: what is measured of all users of this class.
        number: of this user among them.
        node: whom it asks.
        due: when the next question is due, in seconds of ``time.perf_counter``.
    """

    abstract = True
    workload: ClassVar[Workload]
    settings: ClassVar[ClientModel]
    target: ClassVar[Target]
    population: ClassVar[Population]
    numbers: ClassVar[Iterator[int]]

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        kind = type(self)
        self.number = next(kind.numbers)
        worker = getattr(environment.runner, "worker_index", 0)
        if worker > 0:
            self.number += worker * _WORKERS
        settings = self.settings
        self.feed: Feed = feed_of(environment)
        self.meter: Meter = self.feed.meter(
            settings.transport.upper(), settings.name, settings.tier
        )
        self.node: NodeState = self.target.node_for(settings, self.number)
        self.prefixes = self.target.scope_of(settings, self.number)
        self.seed = f"{self.workload.seed}/{settings.name}/{self.number}"
        asked = Asked(self.population, self.prefixes, settings.exponent, self.seed, self.number)
        self.questions: Iterator[Question] = questions(asked, settings)
        self._times: Iterator[float] = repeat(0.0)
        self.due = 0.0

    def on_start(self) -> None:
        """Look up when the first question is due; those before now are another user's time."""
        rate = self.settings.rate
        now = time.perf_counter()
        if rate:
            phase = self.number * _GOLDEN % 1
            times = due_times(self.workload.arrival, rate, self.seed, phase)
            started = self.feed.started
            self._times = (started + at for at in times)
            self.next_due()
            while self.due < now:
                self.next_due()
        else:
            self.due = 0.0

    def next_due(self) -> None:
        """Go on to the next arrival. One that has no time of its own is due at once."""
        self.due = next(self._times)


def numbers() -> Iterator[int]:
    """Numbers for the users of one class."""
    return count()
