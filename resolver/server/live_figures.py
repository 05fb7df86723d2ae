"""A node's figures for those who look at it live, over the control plane.

    figures []                   of each node in this process: what has been counted since the
                                 start, and the faults in force
    figures.recent [at]          the slow and failed resolutions of these nodes that came later
    figures.kept []              what is written down: the resolutions of the tree below by prefix

Rule: nothing is computed before somebody asks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from resolver.model.errors import RefusedError
from resolver.server.family import Family
from resolver.server.faults import Faults
from resolver.server.muster import Muster
from resolver.server.progress import Progress
from resolver.server.recent import Recent, latest
from resolver.telemetry.counters import BUCKETS

Others = Callable[[str, list[Any]], Awaitable[list[Any]]]
"""Calls a method in the other processes of a node: what each says."""


class FigureControl:
    """What one node tells."""

    def __init__(
        self,
        muster: Muster,
        family: Family,
        progress: Progress,
        faults: Faults,
        recent: Recent,
        others: Others,
        together: "dict[str, FigureControl]",
    ) -> None:
        """
        Args:
            muster: what all processes of the node have counted.
            progress: of the tree below it.
            recent: slow and failed resolutions in this process of the node.
            others: calls the other processes of the node.
            together: all nodes of this process by name; whoever asks one learns of the others.
        """
        self._together: Final = together
        together[family.state.name] = self
        self._muster: Final = muster
        self._family: Final = family
        self._progress: Final = progress
        self._faults: Final = faults
        self._recent: Final = recent
        self._others: Final = others
        self.methods: Final[dict[str, Callable[[str, list[Any]], Any]]] = {
            "figures": self._all,
            "figures.recent": self._latest,
            "figures.kept": self._kept,
        }

    def _all(self, peer: str, params: list[Any]) -> dict[str, Any]:
        return {name: node.now() for name, node in self._together.items()}

    def now(self) -> dict[str, Any]:
        """What this node tells of itself."""
        counters = self._muster.counters()
        answers: dict[int, int] = {}
        for (_, _, code), number in counters.requests.items():
            answers[code] = answers.get(code, 0) + number
        durations = [0] * (len(BUCKETS) + 1)
        for histogram in counters.durations.values():
            durations = [a + b for a, b in zip(durations, histogram.counts, strict=True)]
        return {
            "answers": list(answers.items()),
            "durations": durations,
            "lookups": [[*key, number] for key, number in counters.cache_lookups.items()],
            "records": self._family.state.store.count(),
            "faults": self._faults.told(),
            "stopped": self._faults.is_stopped,
            "recent_at": self._recent.last_at,
        }

    async def _latest(self, peer: str, params: list[Any]) -> list[dict[str, Any]]:
        match params:
            case [int() | float() as at]:
                rows = []
                for node in self._together.values():
                    rows += await node.since(at)
                return latest(rows)
        raise RefusedError("a moment is expected, in unix seconds")

    async def since(self, at: float) -> list[dict[str, Any]]:
        """The slow and failed resolutions of all processes of this node that came later."""
        found = self._recent.since(at)
        for rows in await self._others("recent", [at]):
            found += rows
        return found

    def _kept(self, peer: str, params: list[Any]) -> Any:
        return asyncio.to_thread(self._written)

    def _written(self) -> dict[str, Any]:
        below = [
            [prefix, figures.requests, figures.successes, figures.created, figures.deleted]
            for prefix, figures in self._progress.by_prefix().items()
        ]
        return {"below": below}
