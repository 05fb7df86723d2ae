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
from resolver.resolution import Ask, Commit, Done, Process, Reply, Step
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
        self._upstream: Final = upstream
        self._writer: Final = writer
        self._clock: Final = clock
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
            process = pending.process()
            self._advance(
                process, pending, done, lambda: process.start(self._clock.now(), self._clock.unix())
            )
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
        await self._writer.close()

    def _settle(self, pending: Pending, task: asyncio.Task[Answer]) -> None:
        del self._running[pending.key]
        pending.settle(task.result(), self._clock.now(), self._clock.unix())

    def _advance(
        self,
        process: Process,
        pending: Pending,
        done: Callable[[Answer], None],
        next_step: Callable[[], Step],
    ) -> None:
        """Take the next step of a process that belongs to one request alone."""
        try:
            step = next_step()
        except Exception:
            step = Done(_defect())
        match step:
            case Done():
                self._alone -= 1
                done(pending.finish(step.answer))
            case Commit():
                self._writer.submit(
                    step.change,
                    lambda outcome: self._advance(
                        process, pending, done, lambda: process.resume(outcome, self._clock.now())
                    ),
                )
            case _:
                task = asyncio.get_running_loop().create_task(self._run(lambda: process, step))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
                task.add_done_callback(
                    lambda task: self._advance(process, pending, done, lambda: Done(task.result()))
                )

    async def _run(self, process: Callable[[], Process], step: Step | None = None) -> Answer:
        """Carry a process out to its end, from ``step`` on if it is under way."""
        try:
            return await drive(
                process(),
                self._upstream.exchange,
                self._writer.commit,
                now=self._clock.now,
                unix_now=self._clock.unix,
                step=step,
            )
        except Exception:
            return _defect()


def _defect() -> Answer:
    """The answer when this program has failed; called while the exception is being handled."""
    _log.exception("a request failed by a defect of this program")
    return Answer(ResponseCode.ERROR, ErrorAnswer("internal error, see the node's log"))
