"""How fast the machine is just now.

Where others use the machine too, the same answer takes twice the CPU in one minute of what it takes
in another: neighbours share caches, memory and, on a virtual machine, the two halves of a core; so
do the two cores of a benchmark. A loop of arithmetic does not feel that as a node does: it told
10 % where answers had become 40 % dearer. So the measure is a node: beside every round a recursive
node of a small network of its own, on the same cores, is asked for what it has cached, and for
names that do not exist and that it does not remember. Costs of a calibration are multiples of these
two, and predictions for a run are made with those that were measured beside the run. What disturbs
a busy node besides, and so makes the tail of latencies, is measured in the same way.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Final

from bench.answers import Population, Question
from bench.machine import client_core, cpu_seconds
from bench.native import Figures, Load, NativeError, Requests, run_load
from bench.network import PREFIX, BenchNetwork
from bench.plan.calibration import HALF_LOAD, Pace
from bench.plan.sampling import MANY, sample_network, write_questions
from resolver.model.codes import ResponseCode

_MOMENT_S: Final = 0.1
_WINDOW: Final = 128
_CACHED: Final = 64
_ABSENT: Final = 4_000


class Reference:
    """The node whose answers are the measure."""

    def __init__(self, running: BenchNetwork, folder: Path, hits: int, misses: int) -> None:
        self._node: Final = running.recursive
        self._hits: Final = hits
        self._misses: Final = misses
        known = Population(_CACHED, {})
        self._cached: Final = write_questions(
            folder / "cached", (known.product(PREFIX, item + 1) for item in range(_CACHED))
        )
        code = int(ResponseCode.HANDLE_NOT_FOUND)
        self._absent: Final = write_questions(
            folder / "absent", (Question(f"{PREFIX}/absent-{n}", code) for n in range(_ABSENT))
        )
        self._last = self._measured(tail=False)
        self._at = -inf

    def pace(self, *, tail: bool = False) -> Pace:
        """The pace of this moment, or of a moment ago; takes some tenths of a second.

        Args:
            tail: that of latencies too.

        Raises:
            NativeError: an answer was not right.
        """
        if time.monotonic() - self._at > _MOMENT_S or tail > bool(self._last.tail_us):
            self._last = self._measured(tail=tail)
            self._at = time.monotonic()
        return self._last

    def _measured(self, *, tail: bool) -> Pace:
        hit_us = self._cost(self._cached, self._hits)
        miss_us = self._cost(self._absent, self._misses)
        tail_us = self._tail(HALF_LOAD * 1e6 / miss_us) if tail else 0.0
        return Pace(hit_us=hit_us, miss_us=miss_us, tail_us=tail_us)

    def _tail(self, rate: float) -> float:
        load = Load(
            seconds=60.0, window=_ABSENT, flows=MANY, count=self._misses, rate=rate,
            poisson=1, timeout=5.0, core=client_core(),
        )  # fmt: skip
        return self._asked(self._absent, load).latency_us["p99"]

    def _cost(self, requests: Requests, count: int) -> float:
        load = Load(
            seconds=60.0, window=_WINDOW, flows=MANY, count=count, timeout=5.0, core=client_core()
        )
        before = cpu_seconds(self._node.pids)
        self._asked(requests, load)
        return (cpu_seconds(self._node.pids) - before) / count * 1e6

    def _asked(self, requests: Requests, load: Load) -> Figures:
        node = self._node
        figures = run_load("udp", (node.address, node.port), requests, load)
        if figures.trouble():
            raise NativeError(f"{figures.trouble()} while the pace was measured")
        return figures


@contextmanager
def reference(folder: Path, hits: int = 8_000, misses: int = 1_500) -> Iterator[Reference]:
    """A small network beside the one that is measured, for as long as the block lasts.

    Args:
        folder: empty, for the network's data.
        hits, misses: questions that tell the pace.

    Raises:
        ResolverError: it does not start, or an answer is not right.
    """
    data = folder / "network"
    with sample_network(data, _CACHED, source="minimal", negative_ttl_s=0.0) as running:
        yield Reference(running, folder, hits, misses)
