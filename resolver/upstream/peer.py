"""One server, reached over one transport: what every transport offers to those who ask.

Rules: a request is sent with a callback that hears its reply, or why there is none, exactly once,
and never before ``send`` has returned; a callback instead of a coroutine, as a task and a future
for each request cost more than all else about it. Who no longer wants to hear cancels.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final, Protocol

from resolver.model.errors import UpstreamError

Heard = Callable[[bytes | UpstreamError], None]
"""Told the reply to a request, or why there is none."""


class Sent(Protocol):
    """A request under way."""

    def cancel(self) -> None:
        """Nobody wants to hear what comes of it any more."""


class Peer:
    """One server, reached over one transport."""

    def send(self, octets: bytes, heard: Heard) -> Sent:
        """Send an encoded request, whose id the peer may replace."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of connections; whoever waits hears an UpstreamError."""
        raise NotImplementedError

    async def ask(self, octets: bytes) -> bytes:
        """``send`` for those who wait.

        Raises:
            UpstreamError: there is no reply.
        """
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def heard(outcome: bytes | UpstreamError) -> None:
            if future.done():
                return
            if isinstance(outcome, UpstreamError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        sent = self.send(octets, heard)
        try:
            return await future
        finally:
            sent.cancel()


def random_ids() -> Iterator[int]:
    """Random 32-bit numbers, so that somebody who does not see the requests cannot forge their
    replies; drawn 64 at a time, as each draw is a system call."""
    while True:
        yield from Struct(">64I").unpack(secrets.token_bytes(256))


class PendingTable:
    """Request id → who waits for its reply."""

    def __init__(self) -> None:
        self.waiting: Final[dict[int, Heard]] = {}
        self._ids: Final = random_ids()

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, heard: Heard) -> int:
        """A new id that nobody waits for, now with ``heard``."""
        while (request_id := next(self._ids)) in self.waiting:
            pass
        self.waiting[request_id] = heard
        return request_id

    def deliver(self, message: bytes) -> bool:
        """Hand ``message`` to whoever waits for its id; whether somebody did."""
        heard = self.waiting.pop(int.from_bytes(message[8:12], "big"), None)
        if heard is None:
            return False
        heard(message)
        return True

    def fail(self, error: UpstreamError) -> None:
        """Nobody who waits here will get a reply."""
        while self.waiting:
            self.waiting.popitem()[1](error)


def with_id(octets: bytes, request_id: int) -> bytes:
    """A request with another id."""
    return octets[:8] + request_id.to_bytes(4, "big") + octets[12:]
