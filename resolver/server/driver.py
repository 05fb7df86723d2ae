"""Carries out what takes several steps: resolutions, and changes of records.

Rules: the driver never decides. Equal questions share one run (coalescing); a client that goes away
takes only itself. A defect becomes response code 2 and a line in the log, never a hang. No task is
made for a run: a step that waits ends in a callback, which takes the next step.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from resolver.model.codes import ResponseCode
from resolver.model.errors import StoreError, UpstreamError
from resolver.node.outcome import Pending
from resolver.resolution import Ask, Commit, Done, Outcome, Process, Reply, Step, Work
from resolver.server.clock import Clock
from resolver.server.traces import Span, Traced, told_of
from resolver.server.writer import Writer
from resolver.telemetry.counters import Counters
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer

_log: Final = logging.getLogger(__name__)


class Asking(Protocol):
    """Sends an ``Ask``."""

    def ask(self, ask: Ask, heard: Callable[[Reply | UpstreamError], None]) -> object:
        """Send it; ``heard`` is told the reply, or an UpstreamError when there is none within
        ``ask.timeout``, later than this returns."""


Heard = Callable[[Answer], None]

MAX_RUNNING: Final = 10_000
"""Runs of one node at a time; more clients than that hear that it is too busy."""


class Driver:
    """Runs the pending answers of one node."""

    def __init__(self, upstream: Asking, writer: Writer, clock: Clock, counters: Counters) -> None:
        self.upstream: Final = upstream
        self.writer: Final = writer
        self.clock: Final = clock
        self._counters: Final = counters
        self._shared: Final[dict[Hashable, Run]] = {}
        self._running = 0
        self._idle = asyncio.Event()

    def begin(self, pending: Pending, done: Heard, traced: Traced | None = None) -> None:
        """Carry out what one request takes, then call ``done`` with its answer. All requests with
        equal keys wait for the same run; one without a key has its own. What a run asks is recorded
        if the request was, for which it began."""
        key = pending.key
        run = None if key is None else self._shared.get(key)
        if run is not None:
            self._counters.coalesced += 1
            run.waiting.append((pending, done))
            if traced is not None:
                traced.joined(run.traced)
        elif self._running >= MAX_RUNNING:
            busy = ErrorAnswer("too much is under way here")
            done(pending.finish(Answer(ResponseCode.SERVER_BUSY, busy)))
        else:
            self._running += 1
            self._counters.running += 1
            run = Run(self, pending, done, traced)
            if key is not None:
                self._shared[key] = run
            run.begin()

    def ended(self, run: "Run", answer: Answer) -> None:
        """A run has come to its answer."""
        self._running -= 1
        self._counters.running -= 1
        if run.pending.key is not None:
            del self._shared[run.pending.key]
            run.pending.settle(answer, self.clock.now(), self.clock.unix())
        for pending, done in run.waiting:
            done(pending.finish(answer))
        if not self._running:
            self._idle.set()

    async def close(self) -> None:
        """Wait for what is under way; its deadline bounds the wait."""
        while self._running:
            self._idle.clear()
            await self._idle.wait()
        await self.writer.close()


class Run:
    """One process on its way, step by step.

    Of bulk registrations thousands are under way at a time; so this is an object with slots, and
    no nest of functions.
    """

    __slots__ = ("_driver", "_process", "pending", "traced", "waiting")

    def __init__(
        self, driver: Driver, pending: Pending, done: Heard, traced: Traced | None = None
    ) -> None:
        self.pending: Final = pending
        self.traced: Final = traced
        self.waiting: Final[list[tuple[Pending, Heard]]] = [(pending, done)]
        self._driver: Final = driver
        self._process: Process | None = None

    def begin(self) -> None:
        """Take the first step."""
        clock = self._driver.clock
        try:
            self._process = self.pending.process()
            step = self._process.start(clock.now(), clock.unix())
        except Exception:
            step = Done(_defect())
        self._take(step)

    def _resume(self, outcome: Outcome) -> None:
        assert self._process is not None
        try:
            step = self._process.resume(outcome, self._driver.clock.now())
        except Exception:
            step = Done(_defect())
        self._take(step)

    def _take(self, step: Step) -> None:
        match step:
            case Done():
                self._driver.ended(self, step.answer)
            case Commit():
                self._driver.writer.submit(step.change, self._resume)
            case Ask():
                try:
                    self._ask(step)
                except Exception:
                    self._take(Done(_defect()))
            case Work():
                work = asyncio.get_running_loop().run_in_executor(None, step.run)
                work.add_done_callback(self._worked)

    def _ask(self, ask: Ask) -> None:
        if self.traced is None:
            self._driver.upstream.ask(ask, self._resume)
            return
        span = self.traced.asking(ask)
        self._driver.upstream.ask(replace(ask, parent=span.parent), partial(self._heard, span))

    def _heard(self, span: Span, outcome: Reply | UpstreamError) -> None:
        span.end(*told_of(outcome))
        self._resume(outcome)

    def _worked(self, work: "asyncio.Future[None]") -> None:
        error = work.exception()
        if error is None or isinstance(error, StoreError):
            self._resume(error)
        else:
            _log.error("a request failed by a defect of this program", exc_info=error)
            self._take(Done(_internal_error()))


def _defect() -> Answer:
    """The answer when this program has failed; called while the exception is being handled."""
    _log.exception("a request failed by a defect of this program")
    return _internal_error()


def _internal_error() -> Answer:
    return Answer(ResponseCode.ERROR, ErrorAnswer("internal error, see the node's log"))
