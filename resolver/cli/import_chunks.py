"""The chunks of a file to import, read by several processes at once.

Rules: the results come in the order of the file; no more chunks are on their way than keep the
processes busy, so memory does not grow with the file. Short files are read here: other processes
take some 0.3 s to start. They are started anew (not forked), as commands may have threads by then.
"""

import gc
import os
import signal
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context
from typing import BinaryIO, Final

from resolver.model.errors import StoreError
from resolver.storage.chunks import Chunk, Parsed, Route, parse_chunk, read_chunks

MOST_PROCESSES: Final = 6
"""What one writer keeps up with."""

_READ_HERE: Final = 4
"""Chunks of a file that is too short for other processes."""

_WAITING: Final = 4
"""Chunks on their way for each process."""


@dataclass(frozen=True, slots=True)
class Everything:
    """A ``Route`` to one node, whatever the handle."""

    name: str

    def __call__(self, handle: str) -> str:
        return self.name


def parsed_chunks(stream: BinaryIO, route: Route) -> Generator[Parsed, None, None]:
    """What the chunks of ``stream`` hold; a generator, to be closed if it is left early."""
    chunks = read_chunks(stream)
    first = list(islice(chunks, _READ_HERE))
    if len(first) < _READ_HERE:
        for chunk in first:
            yield parse_chunk(chunk, route)
        return
    yield from _in_processes(chain(first, chunks), route)


def _in_processes(chunks: Iterator[Chunk], route: Route) -> Iterator[Parsed]:
    processes = min(MOST_PROCESSES, len(os.sched_getaffinity(0)))
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _prepare, (route,))
    waiting: deque[Future[Parsed]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_parse, chunk))
            if len(waiting) >= _WAITING * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise StoreError(
            "a process that read the file was killed; what was imported before stays, so the"
            " import can be run again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_routes: Final[list[Route]] = []
"""Of a worker process: where records go."""


def _prepare(route: Route) -> None:
    """Make a new process ready: Ctrl-C is the business of the one that started it, and what is
    made of a chunk has no cycles, so nobody needs to look for garbage."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    _routes.append(route)


def _parse(chunk: Chunk) -> Parsed:
    return parse_chunk(chunk, _routes[0])
