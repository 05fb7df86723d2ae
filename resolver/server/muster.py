"""What all processes of a node have counted together, and how they do.

Each process writes down every second what it has counted, in a file of its own; whoever is asked
for the node's metrics adds the files of the others to what it has counted itself. A process that is
started again goes on from its file, so no count ever goes down while the network runs.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgpack

from resolver.cache import CacheStatistics
from resolver.telemetry.counters import Counters
from resolver.telemetry.merging import add_counters, pack_counters
from resolver.telemetry.states import NodeStates, ProcessStates

INTERVAL_S: Final = 1.0

Caches = Callable[[], Mapping[str, CacheStatistics]]
States = Callable[[], NodeStates]

_log: Final = logging.getLogger(__name__)


class Muster:
    """The counts of one node."""

    def __init__(
        self,
        counters: Counters,
        caches: Caches,
        own: Path | None,
        others: Callable[[], list[Path]],
        states: States = NodeStates,
        process: tuple[str, Callable[[], ProcessStates]] | None = None,
    ) -> None:
        """
        Args:
            counters: of this process.
            caches: what is in its caches, by class.
            own: the file of this process; None if it is the only one of its node.
            others: the files of the others.
            states: how the node does, seen from this process.
            process: its name, and how it does; only of one that has a file.
        """
        self._counters: Final = counters
        self._caches: Final = caches
        self._states: Final = states
        self._process: Final = process
        self._own: Final = own
        self._others: Final = others
        self._timer: asyncio.TimerHandle | None = None
        if own is not None:
            with suppress(FileNotFoundError):
                add_counters(counters, _read(own)["counters"], gauges=False)
            self._write()

    def counters(self) -> Counters:
        """What the node has counted."""
        if self._own is None:
            return self._counters
        total = Counters()
        add_counters(total, pack_counters(self._counters))
        for document in self._documents():
            add_counters(total, document["counters"])
        return total

    def caches(self) -> dict[str, CacheStatistics]:
        """What is in the caches of all its processes."""
        total = dict(self._caches())
        for document in self._documents() if self._own is not None else ():
            for name, figures in document["caches"].items():
                own = total.get(name, CacheStatistics(0, 0, 0, 0))
                total[name] = CacheStatistics(
                    own.entries + figures[0],
                    own.bytes + figures[1],
                    own.budget + figures[2],
                    own.evictions + figures[3],
                )
        return total

    def states(self) -> NodeStates:
        """How the node does."""
        total = self._states()
        for document in self._documents() if self._own is not None else ():
            total.join_packed(document["states"])
        return total

    def other_processes(self) -> dict[str, ProcessStates]:
        """How its other processes do, by name."""
        found = {}
        for document in self._documents() if self._own is not None else ():
            if document["process"] is not None:
                name, packed = document["process"]
                found[name] = ProcessStates.unpacked(packed)
        return found

    def close(self) -> None:
        """Write down the last of it."""
        if self._timer is not None:
            self._timer.cancel()
            self._write()
            self._timer.cancel()

    def _documents(self) -> list[dict[str, Any]]:
        found = []
        for path in self._others():
            with suppress(FileNotFoundError):
                found.append(_read(path))
        return found

    def _write(self) -> None:
        assert self._own is not None
        caches = {
            name: (figures.entries, figures.bytes, figures.budget, figures.evictions)
            for name, figures in self._caches().items()
        }
        process = None
        if self._process is not None:
            name, states = self._process
            process = (name, states().packed())
        document = {
            "counters": pack_counters(self._counters),
            "caches": caches,
            "states": self._states().packed(),
            "process": process,
        }
        draft = self._own.with_suffix(".new")
        try:
            draft.write_bytes(msgpack.packb(document))
            draft.replace(self._own)
        except OSError as error:
            _log.warning("what was counted is not written down: %s", error)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._write)


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = msgpack.unpackb(path.read_bytes())
    return document
