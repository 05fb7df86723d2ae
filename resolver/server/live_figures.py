"""A node's figures for those who look at it live, over the control plane.

    figures []                   of each node in this process: what has been counted since the
                                 start, and the faults in force
    figures.kept []              what is written down: resolutions asked for here, and those of the
                                 tree below by prefix

Rule: nothing is computed before somebody asks.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from resolver.server.family import Family
from resolver.server.faults import Faults
from resolver.server.muster import Muster
from resolver.telemetry.counters import BUCKETS


class FigureControl:
    """What one node tells."""

    def __init__(
        self,
        muster: Muster,
        family: Family,
        faults: Faults,
        together: "dict[str, FigureControl]",
    ) -> None:
        """
        Args:
            muster: what all processes of the node have counted.
            together: all nodes of this process by name; whoever asks one learns of the others.
        """
        self._together: Final = together
        together[family.state.name] = self
        self._muster: Final = muster
        self._family: Final = family
        self._faults: Final = faults
        self.methods: Final[dict[str, Callable[[str, list[Any]], Any]]] = {
            "figures": self._all,
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
        }

    def _kept(self, peer: str, params: list[Any]) -> Any:
        return asyncio.to_thread(self._written)

    def _written(self) -> dict[str, Any]:
        requests = successes = 0
        for _, _, own in self._family.state.store.figures():
            requests += own.requests
            successes += own.successes
        below = [
            [prefix, figures.requests, figures.successes, figures.created, figures.deleted]
            for prefix, figures in self._family.totals().items()
        ]
        return {"own": [requests, successes], "below": below}
