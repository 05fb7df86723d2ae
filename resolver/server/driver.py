"""Carries out what takes several steps: resolutions, and changes of records.

Rules: the driver never decides. Equal questions share one task (coalescing); a client that goes
away takes only itself. A defect becomes response code 2 and a line in the log, never a hang.
"""

import asyncio
import logging
from collections.abc import Hashable
from typing import Final, Protocol

from resolver.model.codes import ResponseCode
from resolver.node.outcome import Pending
from resolver.resolution import Ask, Reply
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

    async def resolve(self, pending: Pending) -> Answer:
        """The answer for one request; all requests with equal keys wait for the same task."""
        task = self._running.get(pending.key)
        if task is None:
            if len(self._running) >= MAX_RUNNING:
                return pending.finish(
                    Answer(ResponseCode.SERVER_BUSY, ErrorAnswer("too much is under way here"))
                )
            task = asyncio.get_running_loop().create_task(self._run(pending))
            self._running[pending.key] = task
            task.add_done_callback(lambda _: self._running.pop(pending.key, None))
        else:
            self._counters.coalesced += 1
        return pending.finish(await asyncio.shield(task))

    async def close(self) -> None:
        """Wait for what is running; its deadline bounds the wait."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._writer.close()

    async def _run(self, pending: Pending) -> Answer:
        try:
            answer = await drive(
                pending.process(),
                self._upstream.exchange,
                self._writer.commit,
                now=self._clock.now,
                unix_now=self._clock.unix,
            )
        except Exception:
            _log.exception("a request failed by a defect of this program: %r", pending.key)
            return Answer(ResponseCode.ERROR, ErrorAnswer("internal error, see the node's log"))
        pending.settle(answer, self._clock.now(), self._clock.unix())
        return answer
