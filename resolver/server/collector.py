"""When a node looks for garbage in cycles.

A burst of requests is a burst of young objects, all of them referred to, and looking through them
again and again costs a node under load a fifth of its CPU. So the collector is let run by count
only when very much is new, and every second when something is: what HTTP connections leave behind
is gone soon, and nobody waits long for one pass. Whatever is not in a cycle is freed at once as
ever.
"""

import asyncio
import gc
from typing import Final

YOUNG_OBJECTS: Final = 150_000
"""Container objects made and not freed between two passes, at most. At 50,000 they cost a bulk
registration 7 µs."""

FEW_OBJECTS: Final = 10_000
"""No pass every second for fewer; looking through these takes a millisecond."""

INTERVAL_S: Final = 1.0


class Collector:
    """Looks for garbage until it is closed."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # what is there now stays
        gc.set_threshold(YOUNG_OBJECTS)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._tick)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _tick(self) -> None:
        if gc.get_count()[0] > FEW_OBJECTS:
            gc.collect(0)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._tick)
