"""Carries out resolutions: the loop between a ``Resolution`` and the upstreams.

Rules: the driver never decides what to ask. Equal questions share one task (coalescing); a client
that goes away takes only itself. A defect in a resolution becomes response code 2 and a line in
the log, never a hang.
"""

import asyncio
import logging
from collections.abc import Hashable
from typing import Final, Protocol

from resolver.model.codes import ResponseCode
from resolver.model.errors import UpstreamError
from resolver.node.outcome import Pending
from resolver.resolution import Ask, Done, Reply, Resolution
from resolver.server.clock import Clock
from resolver.telemetry.counters import Counters
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer

_log: Final = logging.getLogger(__name__)


class Exchange(Protocol):
    """Sends an ``Ask`` and waits for its ``Reply``."""

    async def exchange(self, ask: Ask) -> Reply:
        """The reply; raises UpstreamError when there is none within ``ask.timeout``."""


async def drive(resolution: Resolution, upstream: Exchange, clock: Clock) -> Answer:
    """Carry ``resolution`` out to its end."""
    step = resolution.start(clock.now(), clock.unix())
    while not isinstance(step, Done):
        try:
            reply = await upstream.exchange(step)
        except UpstreamError as error:
            step = resolution.failed(error, clock.now())
        else:
            step = resolution.received(reply, clock.now())
    return step.answer


class Driver:
    """Runs the pending answers of one node."""

    def __init__(self, upstream: Exchange, clock: Clock, counters: Counters) -> None:
        self._upstream: Final = upstream
        self._clock: Final = clock
        self._counters: Final = counters
        self._running: Final[dict[Hashable, asyncio.Task[Answer]]] = {}

    async def resolve(self, pending: Pending) -> Answer:
        """The answer for one request; all requests with equal keys wait for the same task."""
        task = self._running.get(pending.key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._run(pending))
            self._running[pending.key] = task
            task.add_done_callback(lambda _: self._running.pop(pending.key, None))
        else:
            self._counters.coalesced += 1
        return pending.finish(await asyncio.shield(task))

    async def close(self) -> None:
        """Wait for what is running; its deadline bounds the wait."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _run(self, pending: Pending) -> Answer:
        try:
            answer = await drive(pending.resolution(), self._upstream, self._clock)
        except Exception:
            _log.exception("a resolution failed by a defect of this program: %r", pending.key)
            return Answer(ResponseCode.ERROR, ErrorAnswer("internal error, see the node's log"))
        pending.settle(answer, self._clock.now(), self._clock.unix())
        return answer
