"""How often each prefix was resolved here, kept over restarts.

Rules: counting is an addition to an int; every few seconds, and at the end, what was counted is
added to the figures in the store. A crash loses the last few seconds of the count, never more.
Prefixes are told apart by their numbers (``resolver.cache.prefixes``), of which there are not many;
ready answers are counted there, by whoever gives them.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from resolver.cache.prefixes import PrefixNumbers
from resolver.model.codes import ResponseCode
from resolver.model.errors import StoreError
from resolver.storage import Figures, Ledger, day_of

INTERVAL_S: Final = 5.0

_log: Final = logging.getLogger(__name__)


class Tally:
    """The resolutions of one node since the last time they were written down."""

    def __init__(
        self, ledger: Ledger, prefixes: PrefixNumbers, unix_now: Callable[[], int]
    ) -> None:
        self._ledger: Final = ledger
        self._prefixes: Final = prefixes
        self._unix_now: Final = unix_now
        self._counts: dict[int, list[int]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def count(self, handle: str, code: int, *, forwarded: bool = False) -> None:
        """Count one resolution of ``handle`` that was answered with ``code``, after others were
        asked or not."""
        found = code == ResponseCode.SUCCESS
        number = self._prefixes.number(handle) if found else self._prefixes.known(handle)
        count = self._counts.get(number)
        if count is None:
            count = self._counts[number] = [0, 0, 0, 0]
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._due)
        count[0] += 1
        count[1] += found
        if forwarded:
            count[2] += 1
            count[3] += found

    async def close(self) -> None:
        """Write down what was counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await self._writing
        await self._write()

    def _due(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(INTERVAL_S, self._due)
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write())

    async def _write(self) -> None:
        counts, self._counts = self._counts, {}
        for number, answered in self._prefixes.take_answered():
            count = counts.setdefault(number, [0, 0, 0, 0])
            count[0] += answered
            count[1] += answered
        names = self._prefixes.names
        figures = {
            names[number]: Figures(
                requests, successes, forwarded=forwarded, forwarded_successes=found
            )
            for number, (requests, successes, forwarded, found) in counts.items()
        }
        if not figures:
            return
        try:
            await asyncio.to_thread(self._ledger.tally, day_of(self._unix_now()), figures)
        except StoreError as error:
            _log.warning("the figures of some seconds could not be written down: %s", error)
            for number, more in counts.items():
                known = self._counts.get(number, (0, 0, 0, 0))
                self._counts[number] = [a + b for a, b in zip(known, more, strict=True)]
