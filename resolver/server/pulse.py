"""How a process does: how late its event loop is, and what the kernel says it uses."""

import asyncio
import gc
import os
import resource
import time
from pathlib import Path
from typing import Final

from resolver.telemetry.counters import Histogram
from resolver.telemetry.states import ProcessStates

INTERVAL_S: Final = 0.25

_PAGE_OCTETS: Final = os.sysconf("SC_PAGE_SIZE")
_SELF: Final = Path("/proc/self")


class Pulse:
    """Looks at the event loop until it is closed."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: of the process.
        """
        self.name: Final = name
        self._started_at: Final = time.time()
        self._lag: Final = Histogram()
        self._loop: Final = asyncio.get_running_loop()
        self._due = self._loop.time() + INTERVAL_S
        self._timer = self._loop.call_at(self._due, self._beat)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def states(self) -> ProcessStates:
        """What the process is and uses now."""
        used, (virtual, resident, *_) = os.times(), (_SELF / "statm").read_bytes().split()
        return ProcessStates(
            cpu_s=used.user + used.system,
            resident=int(resident) * _PAGE_OCTETS,
            virtual=int(virtual) * _PAGE_OCTETS,
            open_files=_entries("fd"),
            most_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            threads=_entries("task"),
            started_at=self._started_at,
            gc=[
                (row["collections"], row["collected"], row["uncollectable"])
                for row in gc.get_stats()
            ],
            loop_lag=self._lag,
        )

    def _beat(self) -> None:
        now = self._loop.time()
        self._lag.observe(max(0.0, now - self._due))
        self._due = now + INTERVAL_S
        self._timer = self._loop.call_at(self._due, self._beat)


def _entries(folder: str) -> int:
    return sum(1 for _ in (_SELF / folder).iterdir())
