"""The requests of an access log, at their times, and what came of them.

Rules: each resolution that was recorded is asked once, with its flags, indexes and types, so many
times as quickly as it was recorded; other operations are left out, as they change records or need
keys. Time runs on when the node is slow (an open loop), so latencies count from when a request was
due; only when ``MAX_WAITING`` wait for an answer is the next one late. Requests without an answer
are told, not asked again.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic, time
from typing import Final, cast

from resolver.model.codes import OpCode, OpFlag
from resolver.model.errors import ConfigError, UpstreamError
from resolver.model.handle import fold, prefix_of
from resolver.telemetry.access import Asked, Head, read
from resolver.wire.bodies import ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import LIFETIME_S, Message, encode_message
from resolver.wire.stream import FrameReader, OversizeError

MAX_WAITING: Final = 2000
CONNECTIONS: Final = 4
PATIENCE_S: Final = 10.0
"""After the last request, for the answers that are missing."""

_BURST: Final = 200
"""Requests that are written before answers are looked at."""

_CODE_AT: Final = 24
_FLAGS: Final = OpFlag.AUTH | OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL | OpFlag.DNRF
"""Those of the recorded flags that are set again; the others take keys or sessions."""


@dataclass(slots=True)
class Replayed:
    """What came of a log.

    Attributes:
        heads: of the files.
        recorded, answered: resolutions by prefix, as they were recorded and as they were answered.
        recorded_codes, codes: the same by response code.
        others: operations that were left out.
        otherwise: answers with another code than was recorded.
        unanswered: requests that had no answer in time.
        late_s: by how much the latest one left too late.
        seconds: from the first request to the last answer.
        latencies: seconds from when a request was due to its answer.
    """

    heads: list[Head] = field(default_factory=list)
    recorded: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    recorded_codes: Counter[int] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    others: int = 0
    otherwise: int = 0
    unanswered: int = 0
    late_s: float = 0.0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether every resolution that was recorded has been made again."""
        return self.recorded == self.answered


@dataclass(slots=True)
class _Waiting:
    """A request under way."""

    asked: Asked
    due: float


class _Connection(asyncio.Protocol):
    """One connection to the node."""

    def __init__(self, replay: "_Replay") -> None:
        self._replay: Final = replay
        self._frames: Final = FrameReader()
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are no asyncio.WriteTransport by inheritance, only by what they do.
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what has arrived."""
        try:
            for message in self._frames.feed(data):
                self._replay.heard(message)
        except OversizeError:
            self._replay.lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the connection is gone."""
        self.transport = None
        self._replay.lost()


def rows_of(paths: Iterable[Path], replayed: Replayed) -> list[Asked]:
    """The resolutions of some files by time; what else there is goes to ``replayed``.

    Raises:
        ConfigError: one is no access log, or there are no resolutions in any.
    """
    rows: list[Asked] = []
    for path in paths:
        with path.open("rb") as file:
            head, asked = read(file, str(path))
            replayed.heads.append(head)
            for row in asked:
                if row.op == OpCode.RESOLVE:
                    rows.append(row)
                    replayed.recorded[_prefix(row.id)] += 1
                    replayed.recorded_codes[row.code] += 1
                else:
                    replayed.others += 1
    if not rows:
        raise ConfigError("there is no resolution in what was recorded, so nothing to ask")
    rows.sort(key=lambda row: row.time)
    return rows


async def replay(
    address: tuple[str, int], rows: list[Asked], speed: float, replayed: Replayed
) -> None:
    """Ask the node at ``address`` for all ``rows``.

    Args:
        speed: how many times as quickly as it was recorded; infinity does not wait.

    Raises:
        UpstreamError: the node cannot be reached.
    """
    run = _Replay(replayed)
    loop = asyncio.get_running_loop()
    connections: list[_Connection] = []
    try:
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _Connection(run), *address)
            connections.append(connection)
        await run.ask(rows, speed, connections)
    except OSError as error:
        host, port = address
        raise UpstreamError(f"{host}:{port} cannot be reached: {error.strerror or error}") from None
    finally:
        for connection in connections:
            if connection.transport is not None:
                connection.transport.close()


class _Replay:
    """What is under way."""

    def __init__(self, replayed: Replayed) -> None:
        self._replayed: Final = replayed
        self._waiting: Final[dict[bytes, _Waiting]] = {}
        self._is_lost = False
        self._changed: Final = asyncio.Event()

    async def ask(self, rows: list[Asked], speed: float, connections: list[_Connection]) -> None:
        """See ``replay``."""
        began, first = monotonic(), rows[0].time
        expiration = int(time()) + LIFETIME_S
        for number, row in enumerate(rows):
            due = began + (row.time - first) / speed
            now = monotonic()
            if due > now:
                await asyncio.sleep(due - now)
            elif not number % _BURST:
                await asyncio.sleep(0)
            await self._until(MAX_WAITING - 1)
            transport = connections[number % len(connections)].transport
            if self._is_lost or transport is None:
                break
            self._replayed.late_s = max(self._replayed.late_s, monotonic() - due)
            octets = _request(row, number, expiration)
            self._waiting[octets[8:12]] = _Waiting(row, monotonic() if speed == inf else due)
            transport.write(octets)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._until(0)
        replayed = self._replayed
        replayed.seconds = monotonic() - began
        replayed.unanswered = replayed.recorded.total() - replayed.answered.total()

    async def _until(self, waiting: int) -> None:
        """Wait until no more than so many wait for an answer, or a connection is lost."""
        while len(self._waiting) > waiting and not self._is_lost:
            self._changed.clear()
            await self._changed.wait()

    def heard(self, message: bytes) -> None:
        """An answer has come."""
        waiting = self._waiting.pop(message[8:12], None)
        if waiting is None:
            return
        replayed, row = self._replayed, waiting.asked
        code = int.from_bytes(message[_CODE_AT : _CODE_AT + 4], "big")
        replayed.answered[_prefix(row.id)] += 1
        replayed.codes[code] += 1
        replayed.otherwise += code != row.code
        replayed.latencies.append(monotonic() - waiting.due)
        self._changed.set()

    def lost(self) -> None:
        """A connection is gone, and with it what was under way on it."""
        self._is_lost = True
        self._changed.set()


def _request(row: Asked, number: int, expiration: int) -> bytes:
    message = Message(
        Envelope(request_id=number & 0xFFFFFFFF),
        OpCode.RESOLVE,
        flags=row.flags & _FLAGS,
        expiration=expiration,
        body=ResolveRequest(row.id, row.indexes, row.types),
    )
    return encode_message(message)


def quantile(values: list[float], share: float) -> float:
    """The value that a share of all do not exceed; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def _prefix(identifier: str) -> str:
    return fold(prefix_of(identifier)) if "/" in identifier else fold(identifier)
