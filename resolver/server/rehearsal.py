"""What the faults in force (``resolver.server.faults``) do to a request at a node's doors.

Rules: a request waits first, if it has to; then it is refused, lost, garbled, kept for good or let
through. Whoever waits here is let go when the fault is over. Over TCP what is lost is the answer to
one request, and the connection goes on; over HTTP the connection ends, as nothing else looks like a
lost answer there. A node that is stopped closes each connection on which something is asked. What
a request has waited for here counts as part of the time that its answer took.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.node.endpoint import Endpoint
from resolver.server.faults import Faults, Met, Rule
from resolver.transport.door import Closable
from resolver.transport.http_faults import NoAnswer, Unanswered
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import (
    ErrorAnswer,
    HandleRequest,
    RecordRequest,
    RemoveRequest,
    ResolveRequest,
)
from resolver.wire.envelope import ENVELOPE_OCTETS
from resolver.wire.message import Message, decode_request

GARBAGE_OCTETS: Final = 64
"""Of a garbled answer over HTTP."""

_LOST: Final = frozenset({"drop", "hang", "stop"})

Receive = Callable[[bytes, Client, float], list[bytes] | Awaitable[list[bytes]]]
Ask = Callable[[Message, Client, float], Answer | Awaitable[Answer]]
Refused = Callable[[Message, Answer, Client, float], None]
"""The last argument of each: when the request came, as ``time.perf_counter`` says."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The faults of a node, and the ways that they stand in.

    Attributes:
        receive, ask: what is done about requests that are let through.
        refused: told of those that got an error from here.
        unix_now: seconds, for replies.
    """

    faults: Faults
    endpoint: Endpoint
    receive: Receive
    ask: Ask
    refused: Refused
    unix_now: Callable[[], int]

    def of_message(self, octets: bytes, client: Client) -> Awaitable[list[bytes]] | None:
        """What becomes of a message; None if no fault meets it."""
        request = _request_in(octets)
        met = self.faults.meet(None if request is None else _handle_in(request))
        return None if met is None else self._messages(met, octets, request, client)

    def of_request(self, request: Message, client: Client) -> Awaitable[Answer] | None:
        """What becomes of a request that came as HTTP; None if no fault meets it."""
        met = self.faults.meet(_handle_in(request))
        return None if met is None else self._answer(met, request, client)

    async def _messages(
        self, met: Met, octets: bytes, request: Message | None, client: Client
    ) -> list[bytes]:
        fault, came = met.fault, time.perf_counter()
        await _wait(met)
        if fault.outcome in _LOST:
            if client.transport == "http":
                raise Unanswered
            if fault.outcome == "stop" and isinstance(client.connection, Closable):
                client.connection.abort()
            return []
        if fault.outcome == "error" and request is not None:
            answer = _error(fault.code)
            self.refused(request, answer, client, came)
            return self.endpoint.encode(request, octets, answer, self.unix_now(), None, False)
        outcome = self.receive(octets, client, came)
        messages = outcome if isinstance(outcome, list) else await outcome
        if fault.outcome == "garbage":
            return [garbled(message, met.rule.random) for message in messages]
        return messages

    async def _answer(self, met: Met, request: Message, client: Client) -> Answer:
        fault, came = met.fault, time.perf_counter()
        await _wait(met)
        if fault.outcome in _LOST:
            return Answer(ResponseCode.ERROR, NoAnswer("no answer: a fault is rehearsed"))
        if fault.outcome == "garbage":
            octets = met.rule.random.randbytes(GARBAGE_OCTETS)
            garbage = NoAnswer("garbage: a fault is rehearsed", octets)
            return Answer(ResponseCode.ERROR, garbage)
        if fault.outcome == "error":
            answer = _error(fault.code)
            self.refused(request, answer, client, came)
            return answer
        outcome = self.ask(request, client, came)
        return outcome if isinstance(outcome, Answer) else await outcome


def garbled(message: bytes, random: Random) -> bytes:
    """``message`` with its envelope as it was, so that it finds the one who asked, and behind it
    the same number of other octets."""
    return message[:ENVELOPE_OCTETS] + random.randbytes(len(message) - ENVELOPE_OCTETS)


async def _wait(met: Met) -> None:
    if met.delay_s:
        await _over(met.rule, met.delay_s)
    if met.fault.outcome == "hang":
        await _over(met.rule, None)


async def _over(rule: Rule, seconds: float | None) -> None:
    """Until the fault is over, ``seconds`` at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await rule.over.wait()


def _error(code: int) -> Answer:
    return Answer(code, ErrorAnswer("a fault is rehearsed"))


def _handle_in(request: Message) -> str | None:
    """What the request is about, if that is a handle."""
    body = request.body
    if isinstance(body, ResolveRequest | HandleRequest | RecordRequest | RemoveRequest):
        return body.handle
    return None


def _request_in(octets: bytes) -> Message | None:
    """The request; None if it is none, or cannot be read without its session's key."""
    try:
        return decode_request(octets)
    except WireError:
        return None
