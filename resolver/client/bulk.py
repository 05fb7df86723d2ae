"""Registers many records at a node, so that nothing is registered twice or forgotten.

Rules: so many requests are under way at once; each is settled by its own acknowledgement. A record
that exists with the very same values counts as registered, so that whatever was under way when a
connection, the node or this process died can simply be sent again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from resolver.client.errors import ResolutionError, error_for
from resolver.client.registrar import REQUEST_S, Registrar
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, RecordRequest, ResolveRequest
from resolver.wire.message import Message
from resolver.wire.values import ValueList

WINDOW: Final = 2000
ATTEMPTS: Final = 30
PAUSE_S: Final = 1.0
"""Between two attempts to reach a node that has gone away."""

CREATED: Final = "created"
REPLACED: Final = "replaced"
UNCHANGED: Final = "unchanged"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One record to register; ``line`` is where it came from."""

    line: int
    handle: str
    values: ValueList


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an item; ``reason`` of one that failed."""

    item: Item
    outcome: str
    reason: str = ""


async def register_all(
    connect: Callable[[], Registrar],
    items: Iterable[Item],
    *,
    overwrite: bool = False,
    window: int = WINDOW,
) -> AsyncIterator[Settled]:
    """Register ``items`` and tell what became of each, in their order.

    Args:
        connect: a registrar that is not open yet; called again when one is lost.
        overwrite: replace records that exist with other values.
        window: requests under way at once.

    Raises:
        UpstreamError: the node cannot be reached any more; what was told stays true.
        Refused: it does not let us in.
    """
    source, waiting = iter(items), deque[Item]()
    attempts = 0
    while True:
        registrar = connect()
        try:
            await registrar.open()
            attempts = 0
            async for settled in _registered(registrar, source, waiting, overwrite, window):
                attempts = 0
                yield settled
        except UpstreamError:
            attempts += 1
            if attempts >= ATTEMPTS:
                raise
            await asyncio.sleep(PAUSE_S)
        else:
            return
        finally:
            await registrar.close()


async def _registered(
    registrar: Registrar,
    source: Iterable[Item],
    waiting: deque[Item],
    overwrite: bool,
    window: int,
) -> AsyncIterator[Settled]:
    """``waiting`` are the items that are not settled yet; it is kept up to date."""
    replies: deque[asyncio.Future[Message]] = deque()
    flags = OpFlag.OVRW if overwrite else 0
    source = iter(source)
    again = deque(waiting)
    try:
        while True:
            # Refilled by halves: the node writes what comes together in one transaction.
            room = window - len(replies) if len(replies) <= window // 2 else 0
            for _ in range(room):
                item = again.popleft() if again else next(source, None)
                if item is None:
                    break
                if len(waiting) == len(replies):
                    waiting.append(item)
                body = RecordRequest(item.handle, item.values)
                replies.append(registrar.send(OpCode.CREATE_HANDLE, body, flags))
            if not replies:
                return
            if not replies[0].done():
                await asyncio.wait([replies[0]], timeout=REQUEST_S)
            settled = await _settled(registrar, waiting[0], _reply_of(replies[0], registrar))
            replies.popleft()
            waiting.popleft()
            yield settled
    finally:
        for future in replies:
            future.cancel()


def _reply_of(future: asyncio.Future[Message], registrar: Registrar) -> Message:
    if not future.done():
        raise UpstreamTimeout(f"{registrar.server} did not answer in {REQUEST_S:g} s")
    return future.result()


async def _settled(registrar: Registrar, item: Item, reply: Message) -> Settled:
    if reply.response_code == ResponseCode.SUCCESS:
        replaced = bool(reply.flags & OpFlag.OVRW)
        return Settled(item, REPLACED if replaced else CREATED)
    if reply.response_code == ResponseCode.HANDLE_EXISTS:
        found = await registrar.ask(OpCode.RESOLVE, ResolveRequest(item.handle))
        if isinstance(found.body, RecordAnswer) and found.body.values.stamped(
            0
        ) == item.values.stamped(0):
            return Settled(item, UNCHANGED)
        return Settled(item, FAILED, "it exists with other values; --overwrite replaces them")
    return Settled(item, FAILED, reason_of(item.handle, reply))


def reason_of(handle: str, reply: Message) -> str:
    """Why a request was refused, for people."""
    text = reply.body.message if isinstance(reply.body, ErrorAnswer) else None
    error: ResolutionError = error_for(handle, reply.response_code, text or "")
    return str(error)
