"""When a node looks for garbage in cycles.

A burst of requests is a burst of young objects, all of them referred to, and looking through them
again and again, as Python does by their number, costs a node under load a fifth of its CPU. So it
looks by the clock: every second at what is new, if that is much; now and then at what is older.
What HTTP connections leave behind is gone soon, and whatever is not in a cycle is freed at once as
ever.
"""

import asyncio
import gc
from typing import Final

INTERVAL_S: Final = 1.0

FEW_OBJECTS: Final = 10_000
"""New since the last look; fewer are left for the next one. Looking through these takes a
millisecond."""

OLDER_EVERY: Final = 10
OLDEST_EVERY: Final = 100
"""Looks, until one goes through what survived one look, and through everything."""

MOST_OBJECTS: Final = 150_000
"""New since the last look; at so many Python looks by itself, whatever the clock says."""


class Collector:
    """Looks for garbage until it is closed."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # what is there now stays
        gc.set_threshold(MOST_OBJECTS)
        self._looks = 0
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._look)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        self._looks += 1
        if not self._looks % OLDEST_EVERY:
            gc.collect()
        elif not self._looks % OLDER_EVERY:
            gc.collect(1)
        elif gc.get_count()[0] > FEW_OBJECTS:
            gc.collect(0)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._look)
