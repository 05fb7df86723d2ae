"""The access log of one process of a node, on disk.

Rules: what is told gathers in memory and is written by a thread, a second later; the loop never
waits for the disk. A file that has grown to its size is kept under another name, ``….1`` the
latest, and so many of these are kept. If the disk is slower than what comes, or full, what does not
fit into ``MAX_GATHERED`` is left out, and the node's log says how much.
"""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from resolver.telemetry.access import Asked, Head, encode, encode_head
from resolver.topology.plan import HostPlan, NodeSpec
from resolver.transport.access import AccessLog

INTERVAL_S: Final = 1.0
MAX_GATHERED: Final = 50_000
"""Requests, about 15 MB."""

_log: Final = logging.getLogger(__name__)


class AccessFile:
    """A file of bounded size, and what came before it."""

    def __init__(self, path: Path, form: str, head: Head, *, size: int, keep: int) -> None:
        """
        Args:
            path: the latest file; it ends in the name of its form.
            size: bytes of one file; a row more is still written.
            keep: files that are kept besides the latest.
        """
        self._path: Final = path
        self._form: Final = form
        self._head: Final = encode_head(form, head)
        self._size: Final = size
        self._keep: Final = keep
        self._gathered: list[Asked] = []
        self._left_out = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def keep(self, asked: Asked) -> None:
        """Write this down, soon."""
        if len(self._gathered) >= MAX_GATHERED:
            self._left_out += 1
            return
        self._gathered.append(asked)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._due)

    async def close(self) -> None:
        """Write down what is left."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await self._writing
        await self._write()

    def _due(self) -> None:
        self._timer = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        else:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._due)

    async def _write(self) -> None:
        gathered, self._gathered = self._gathered, []
        left_out, self._left_out = self._left_out, 0
        try:
            if gathered:
                await asyncio.to_thread(self._append, gathered)
        except OSError as error:
            left_out += len(gathered)
            _log.warning("%s cannot be written: %s", self._path, error)
        if left_out:
            _log.warning("%s: %d requests were left out", self._path, left_out)

    def _append(self, gathered: list[Asked]) -> None:
        """Append rows, on as many files as they take."""
        file = self._path.open("ab")
        try:
            for asked in gathered:
                if file.tell() >= self._size:
                    file.close()
                    self._rotate()
                    file = self._path.open("ab")
                if not file.tell():
                    file.write(self._head)
                file.write(encode(self._form, (asked,)))
        finally:
            file.close()

    def _rotate(self) -> None:
        for number in range(self._keep, 1, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        if self._keep:
            self._path.replace(self._numbered(1))
        else:
            self._path.unlink()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def access_log(plan: HostPlan, spec: NodeSpec, running: AsyncExitStack) -> AccessLog | None:
    """The access log of a process of a node, closed by ``running``; None if it has none."""
    wanted = plan.topology.log.access
    if wanted.form == "off":
        return None
    file = AccessFile(
        plan.data.access_log(spec.name, plan.worker, wanted.form),
        wanted.form,
        Head(spec.name, wanted.every),
        size=wanted.size,
        keep=wanted.keep,
    )
    running.push_async_callback(file.close)
    return AccessLog(wanted.every, time.time, file.keep)
