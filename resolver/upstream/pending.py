"""Requests that wait for their reply on one connection."""

import asyncio
import secrets
from collections.abc import Iterator
from struct import Struct
from typing import Final

from resolver.model.errors import UpstreamError


def _draw() -> Iterator[int]:
    """Random 32-bit numbers, drawn 64 at a time, as each draw is a system call."""
    while True:
        yield from Struct(">64I").unpack(secrets.token_bytes(256))


class PendingTable:
    """Request id → the future its reply goes to.

    Ids are random, so that somebody who does not see the requests cannot forge their replies.
    """

    def __init__(self) -> None:
        self._waiting: Final[dict[int, asyncio.Future[bytes]]] = {}
        self._ids: Final = _draw()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self) -> tuple[int, asyncio.Future[bytes]]:
        """A new id that nobody waits for, and its future."""
        while (request_id := next(self._ids)) in self._waiting:
            pass
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        return request_id, future

    def discard(self, request_id: int) -> None:
        """Nobody waits for this id any more."""
        self._waiting.pop(request_id, None)

    def deliver(self, request_id: int, message: bytes) -> bool:
        """Hand ``message`` to whoever waits for the id; whether somebody did."""
        future = self._waiting.pop(request_id, None)
        if future is None or future.done():
            return False
        future.set_result(message)
        return True

    def fail(self, error: UpstreamError) -> None:
        """Nobody here will get a reply."""
        for future in self._drain():
            if not future.done():
                future.set_exception(error)

    def _drain(self) -> Iterator[asyncio.Future[bytes]]:
        while self._waiting:
            yield self._waiting.popitem()[1]
