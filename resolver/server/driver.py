"""Carries out what takes several steps: resolutions, and changes of records.

Rules: the driver never decides. Equal questions share one task (coalescing); a client that goes
away takes only itself. A defect becomes response code 2 and a line in the log, never a hang.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Protocol

from resolver.model.codes import ResponseCode
from resolver.node.outcome import Pending
from resolver.resolution import Ask, Commit, Done, Outcome, Process, Reply, Step
from resolver.server.clock import Clock
from resolver.server.writer import Writer
from resolver.telemetry.counters import Counters
from resolver.upstream.driving import drive
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer

_log: Final = logging.getLogger(__name__)


class Exchange(Protocol):
    """Sends an ``Ask`` and waits for its ``Reply``."""

    async def exchange(self, ask: Ask) -> Reply:
        """The reply; raises UpstreamError when there is none within ``ask.timeout``."""


MAX_RUNNING: Final = 10_000
"""Processes of one node at a time; more clients than that hear that it is too busy."""


class Driver:
    """Runs the pending answers of one node."""

    def __init__(
        self, upstream: Exchange, writer: Writer, clock: Clock, counters: Counters
    ) -> None:
        self.writer: Final = writer
        self.clock: Final = clock
        self._upstream: Final = upstream
        self._counters: Final = counters
        self._running: Final[dict[Hashable, asyncio.Task[Answer]]] = {}
        self._asking: Final[set[asyncio.Task[Answer]]] = set()
        self._alone = 0

    def begin(self, pending: Pending, done: Callable[[Answer], None]) -> None:
        """Carry out what one request takes, then call ``done`` with its answer.

        All requests with equal keys wait for the same task. One without a key, a change of a
        record as a rule, is driven right here, and takes a task only if it has to ask somebody:
        a task for each would cost more than the change.
        """
        task = self._running.get(pending.key)
        if task is not None:
            self._counters.coalesced += 1
        elif len(self._running) + self._alone >= MAX_RUNNING:
            busy = ErrorAnswer("too much is under way here")
            done(pending.finish(Answer(ResponseCode.SERVER_BUSY, busy)))
            return
        elif pending.key is None:
            self._alone += 1
            _Single(self, pending, done).begin()
            return
        else:
            task = asyncio.get_running_loop().create_task(self._run(pending.process))
            self._running[pending.key] = task
            task.add_done_callback(partial(self._settle, pending))
        task.add_done_callback(lambda task: done(pending.finish(task.result())))

    async def close(self) -> None:
        """Wait for what is under way; its deadline bounds the wait."""
        while self._running or self._asking:
            tasks = [*self._running.values(), *self._asking]
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.writer.close()

    def ask(self, process: Process, step: Step, done: Callable[[Answer], None]) -> None:
        """Go on with a process from ``step`` in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._run(lambda: process, step))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        task.add_done_callback(lambda task: done(task.result()))

    def end_single(self) -> None:
        """One less of those that belong to one request alone is under way."""
        self._alone -= 1

    def _settle(self, pending: Pending, task: asyncio.Task[Answer]) -> None:
        del self._running[pending.key]
        pending.settle(task.result(), self.clock.now(), self.clock.unix())

    async def _run(self, process: Callable[[], Process], step: Step | None = None) -> Answer:
        """Carry a process out to its end, from ``step`` on if it is under way."""
        try:
            return await drive(
                process(),
                self._upstream.exchange,
                self.writer.commit,
                now=self.clock.now,
                unix_now=self.clock.unix,
                step=step,
            )
        except Exception:
            return _defect()


class _Single:
    """A process that belongs to one request alone, driven step by step.

    An object, not a nest of functions: of bulk registrations thousands are under way at a time,
    and each thing that one consists of is looked through by every search for garbage.
    """

    __slots__ = ("_done", "_driver", "_pending", "_process")

    def __init__(self, driver: Driver, pending: Pending, done: Callable[[Answer], None]) -> None:
        self._driver: Final = driver
        self._pending: Final = pending
        self._done: Final = done
        self._process: Final = pending.process()

    def begin(self) -> None:
        """Take the first step."""
        clock = self._driver.clock
        try:
            step = self._process.start(clock.now(), clock.unix())
        except Exception:
            step = Done(_defect())
        self._take(step)

    def _resume(self, outcome: Outcome) -> None:
        try:
            step = self._process.resume(outcome, self._driver.clock.now())
        except Exception:
            step = Done(_defect())
        self._take(step)

    def _take(self, step: Step) -> None:
        if isinstance(step, Commit):
            self._driver.writer.submit(step.change, self._resume)
        elif isinstance(step, Done):
            self._end(step.answer)
        else:
            self._driver.ask(self._process, step, self._end)

    def _end(self, answer: Answer) -> None:
        self._driver.end_single()
        self._done(self._pending.finish(answer))


def _defect() -> Answer:
    """The answer when this program has failed; called while the exception is being handled."""
    _log.exception("a request failed by a defect of this program")
    return Answer(ResponseCode.ERROR, ErrorAnswer("internal error, see the node's log"))
