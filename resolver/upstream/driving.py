"""The loop between a process that decides and the world that takes time."""

import asyncio
from collections.abc import Awaitable, Callable

from resolver.model.errors import StoreError, UpstreamError
from resolver.resolution import Ask, Commit, Done, Outcome, Process, Reply, Step, Work
from resolver.storage.base import Change
from resolver.wire.answer import Answer


async def drive(
    process: Process,
    exchange: Callable[[Ask], Awaitable[Reply]],
    commit: Callable[[Change], Awaitable[bool]],
    *,
    now: Callable[[], float],
    unix_now: Callable[[], int],
    step: Step | None = None,
) -> Answer:
    """Carry ``process`` out to its end.

    Args:
        exchange: sends a question; raises UpstreamError when there is no reply.
        commit: writes a change; raises StoreError when it cannot.
        now, unix_now: the clocks, in seconds.
        step: where to go on, if it has been started.
    """
    if step is None:
        step = process.start(now(), unix_now())
    while not isinstance(step, Done):
        outcome: Outcome
        try:
            match step:
                case Ask():
                    outcome = await exchange(step)
                case Commit():
                    outcome = await commit(step.change)
                case Work():
                    outcome = await asyncio.to_thread(step.run)
        except (UpstreamError, StoreError) as error:
            outcome = error
        step = process.resume(outcome, now())
    return step.answer


async def no_commit(change: Change) -> bool:
    """For those who only ask."""
    raise StoreError(f"{change.handle} cannot be changed from here")
