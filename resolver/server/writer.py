"""Durable writes of one node, as many as wait in one transaction (group commit).

Rules: a change is acknowledged when it is on disk, not before. What arrives while a transaction is
being written waits for the next one, together; so the disk is waited for once for all of them.
Transactions are written on a thread of their own; readers never wait.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Final

from resolver.model.errors import StoreError
from resolver.storage.base import Change, RecordStore, check_record
from resolver.telemetry.counters import Counters

_log: Final = logging.getLogger(__name__)


MAX_BATCH: Final = 5000
"""Changes of one transaction, about."""

MAX_GATHER_S: Final = 0.01

Heard = Callable[[bool | StoreError], None]
"""Told whether a change was made, or why it could not be."""


class Writer:
    """Writes the changes of one node."""

    def __init__(self, store: RecordStore, unix_now: Callable[[], int], counters: Counters) -> None:
        """
        Args:
            unix_now: seconds, for the journal.
        """
        self.delay_s = 0.0
        """That each transaction takes longer, for rehearsals."""
        self._counters: Final = counters
        self._unix_now: Final = unix_now
        self._store: Final = store
        self._waiting: list[tuple[Change, Heard]] = []
        self._running: asyncio.Task[None] | None = None
        self._failed = 0
        """Transactions in a row that could not be written."""

    def submit(self, change: Change, heard: Heard) -> None:
        """Write ``change`` with the next transaction, then call ``heard``: not made if the record
        is no longer as it was before; with a StoreError it cannot be written, and nothing has
        changed."""
        if change.after is not None:
            # Checked here, so that one record that is too long does not fail the others.
            try:
                check_record(change.handle, change.after)
            except StoreError as error:
                heard(error)
                return
        self._waiting.append((change, heard))
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def commit(self, change: Change) -> bool:
        """``submit`` for those who wait.

        Raises:
            StoreError: it cannot be written; nothing has changed.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def heard(outcome: bool | StoreError) -> None:
            if done.done():
                return  # who asked has left; it is written all the same
            if isinstance(outcome, StoreError):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        self.submit(change, heard)
        return await done

    async def close(self) -> None:
        """Wait until everything is written."""
        if self._running is not None:
            await self._running

    async def _gather(self) -> None:
        """Wait as long as more changes come with every turn of the loop, a few milliseconds at
        most: the thread that writes and the loop that reads requests hinder each other, so it is
        better for both to write many at once."""
        until, seen = time.perf_counter() + MAX_GATHER_S, 0
        while seen < len(self._waiting) < MAX_BATCH and time.perf_counter() < until:
            seen = len(self._waiting)
            await asyncio.sleep(0)

    def _apply(self, changes: list[Change]) -> list[bool]:
        """On the thread that writes."""
        if self.delay_s:
            time.sleep(self.delay_s)
        return self._store.apply(changes, self._unix_now())

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch, self._waiting = self._waiting, []
                changes = [change for change, _ in batch]
                made: list[bool] | StoreError
                started = time.perf_counter()
                try:
                    made = await asyncio.to_thread(self._apply, changes)
                except StoreError as error:
                    made = error
                except Exception as error:  # a defect of the store: nobody may wait for ever
                    _log.exception("a change failed by a defect of this program")
                    made = StoreError(f"internal error: {error!r}")
                if isinstance(made, StoreError):
                    self._fail(made)
                else:
                    self._counters.commits.observe(time.perf_counter() - started)
                    self._succeed()
                outcomes: Iterable[bool | StoreError]
                outcomes = repeat(made) if isinstance(made, StoreError) else made
                for (_, heard), outcome in zip(batch, outcomes, strict=False):
                    heard(outcome)
        finally:
            self._running = None

    def _fail(self, error: StoreError) -> None:
        self._counters.write_failures += 1
        self._failed += 1
        if self._failed == 1:
            _log.error("changes are refused: %s", error)

    def _succeed(self) -> None:
        if self._failed:
            # When a disk is full, what is said of it first finds no room in the log either.
            _log.warning("changes are written again, after %d that could not be", self._failed)
            self._failed = 0
