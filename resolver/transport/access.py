"""What doors tell the access log: which of the requests they have answered.

Rules: one request of ``every`` is told, by counting; of a batch that was answered from octets it
costs one comparison whether any of it is to be told, and only that one is looked into, or over TCP
one near it. What is turned away unread (malformed, too busy, too much of one client) is not told.
"""

from collections.abc import Callable, Sized
from typing import Final

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.telemetry.access import Asked
from resolver.wire.answer import Client
from resolver.wire.bodies import ResolveRequest
from resolver.wire.message import Message, decode_request
from resolver.wire.stream import frame_end

READY: Final = "ready"
FAR: Final = 16
"""Requests; see ``AccessLog.stream``."""


class AccessLog:
    """What one process of a node tells."""

    def __init__(
        self, every: int, unix_now: Callable[[], float], keep: Callable[[Asked], None]
    ) -> None:
        """
        Args:
            every: of so many requests one is told.
            keep: takes what is told, and does not wait for anything.
        """
        self._every: Final = every
        self._unix_now: Final = unix_now
        self._keep: Final = keep
        self._passing = 0
        """Requests that pass before the next one that is told."""

    def chosen(self, count: int) -> range:
        """Which of the next ``count`` requests are to be told, by their place among these."""
        passing = self._passing
        if passing >= count:
            self._passing = passing - count
            return _NONE
        chosen = range(passing, count, self._every)
        self._passing = chosen[-1] + self._every - count
        return chosen

    def message(self, octets: bytes, transport: str, host: str, seconds: float) -> None:
        """Tell of a request message that had a ready answer."""
        try:
            request = decode_request(octets)
        except WireError:
            return  # only what was understood before has a ready answer
        self._tell(request, ResponseCode.SUCCESS, transport, host, READY, seconds)

    def stream(self, octets: bytes, at: int, replies: Sized, host: str, seconds: float) -> None:
        """Tell of the requests over TCP that begin at ``at`` and had these ready answers. Where one
        begins is found only from the one before; so instead of one far on, one is told that is
        not so far."""
        told = -1
        for chosen in self.chosen(len(replies)):
            for _ in range((chosen - told - 1) % FAR):
                at = frame_end(octets, at)
            end = frame_end(octets, at)
            self.message(octets[at:end], "tcp", host, seconds)
            told, at = chosen, end

    def identifier(self, identifier: str, host: str, seconds: float) -> None:
        """Tell of a request over HTTP for all values, that had a ready answer."""
        self._keep(
            Asked(
                round(self._unix_now(), 6),
                round(seconds * 1e3, 3),
                host,
                "http",
                READY,
                int(OpCode.RESOLVE),
                int(OpFlag.PUBL | OpFlag.RECU),
                identifier,
                (),
                (),
                int(ResponseCode.SUCCESS),
            )
        )

    def request(
        self,
        request: Message,
        code: int,
        client: Client,
        path: str,
        seconds: float,
        trace: str = "",
    ) -> None:
        """Tell of a request that was answered in the ordinary way, if it is its turn; always of one
        that is recorded in a ``trace``."""
        if self.chosen(1) or trace:
            self._tell(request, code, client.transport, client.host, path, seconds, trace)

    def _tell(
        self,
        request: Message,
        code: int,
        transport: str,
        host: str,
        path: str,
        seconds: float,
        trace: str = "",
    ) -> None:
        body = request.body
        indexes: tuple[int, ...] = ()
        types: tuple[str, ...] = ()
        # Of a login, which has the same body, the types are the password.
        if request.op_code == OpCode.RESOLVE and isinstance(body, ResolveRequest):
            indexes, types = body.indexes, body.types
        self._keep(
            Asked(
                round(self._unix_now(), 6),
                round(seconds * 1e3, 3),
                host,
                transport,
                path,
                int(request.op_code),
                int(request.flags),
                str(getattr(body, "handle", "")),
                indexes,
                types,
                int(code),
                trace,
            )
        )


_NONE: Final = range(0)
