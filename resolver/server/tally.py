"""How often each prefix was resolved here, kept over restarts.

Rules: counting is an addition to an int; every few seconds, and at the end, what was counted is
added to the figures in the store. A crash loses the last few seconds of the count, never more.
The number of prefixes that are told apart is bounded, as a recursive node is asked for any.
"""

import asyncio
import logging
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import StoreError
from resolver.model.handle import fold
from resolver.storage import Figures, Ledger, day_of

INTERVAL_S: Final = 5.0
MAX_PREFIXES: Final = 10_000
OTHERS: Final = "*"
"""Stands for the prefixes beyond the bound, and for those that nothing was found under."""

_PREFIX_RECORDS: Final = "0.NA"

_log: Final = logging.getLogger(__name__)


class Tally:
    """The resolutions of one node since the last time they were written down."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger: Final = ledger
        self._counts: dict[str, list[int]] = {}
        self._prefixes: Final[dict[str, str]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def count(self, handle: str, code: int, unix_now: int) -> None:
        """Count one resolution of ``handle`` that was answered with ``code``."""
        head, slash, _ = handle.partition("/")
        spelt = head if slash else _PREFIX_RECORDS
        prefix = self._prefixes.get(spelt)
        if prefix is None:
            prefix = self._told_apart(spelt, code)
        count = self._counts.get(prefix)
        if count is None:
            count = self._counts[prefix] = [0, 0]
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(INTERVAL_S, self._due, day_of(unix_now))
        count[0] += 1
        count[1] += code == ResponseCode.SUCCESS

    async def close(self, unix_now: int) -> None:
        """Write down what was counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await self._writing
        await self._write(day_of(unix_now))

    def _told_apart(self, spelt: str, code: int) -> str:
        """What a prefix is counted as: itself once something under it was found, so that nobody
        fills the store with prefixes they made up."""
        if code != ResponseCode.SUCCESS or len(self._prefixes) >= MAX_PREFIXES:
            return OTHERS
        prefix = self._prefixes[spelt] = fold(spelt)
        return prefix

    def _due(self, day: int) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write(day))

    async def _write(self, day: int) -> None:
        counts, self._counts = self._counts, {}
        figures = {prefix: Figures(*numbers) for prefix, numbers in counts.items()}
        if not figures:
            return
        try:
            await asyncio.to_thread(self._ledger.tally, day, figures)
        except StoreError as error:
            _log.warning("the figures of some seconds could not be written down: %s", error)
            for prefix, (requests, successes) in counts.items():
                count = self._counts.setdefault(prefix, [0, 0])
                count[0] += requests
                count[1] += successes
