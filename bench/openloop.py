"""An open-loop load: requests leave at their times whether or not answers have come back.

Latency is counted from the moment a request was due, so a server that falls behind shows it
(no coordinated omission).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.envelope import Envelope, decode_envelope
from resolver.wire.message import Message, decode_message, encode_message


@dataclass(slots=True)
class Outcome:
    """What came of a load.

    Attributes:
        seconds: latency of each right answer, from the time the request was due.
        wrong: response codes and reasons of the others, with their number.
        late: requests that left more than a millisecond after they were due.
        elapsed: from the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: dict[str, int] = field(default_factory=dict)
    late: int = 0
    elapsed: float = 0.0

    def count_wrong(self, reason: str) -> None:
        """Count one answer that was not right."""
        self.wrong[reason] = self.wrong.get(reason, 0) + 1

    def percentile(self, share: float) -> float:
        """The latency, in seconds, that ``share`` (0–1) of the right answers did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Client(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, float], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._received(data, time.perf_counter())


class Speech(Protocol):
    """What is asked, and what a right answer is."""

    def request(self, name: str, number: int) -> bytes:
        """A request for ``name`` with the id ``number`` (16 bits)."""

    def number_of(self, reply: bytes) -> int:
        """The id of the request that ``reply`` answers."""

    def trouble_with(self, reply: bytes, name: str) -> str:
        """What is wrong with ``reply`` as an answer about ``name``; empty if nothing."""


class Handles:
    """Resolve requests for all public values, and answers that have any."""

    def request(self, name: str, number: int) -> bytes:
        """A request as hdllib sends it."""
        return encode_message(
            Message(
                envelope=Envelope(request_id=number),
                op_code=OpCode.RESOLVE,
                flags=OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL,
                expiration=int(time.time()) + 43200,
                body=ResolveRequest(name),
            )
        )

    def number_of(self, reply: bytes) -> int:
        """The request id in the envelope."""
        return decode_envelope(reply).request_id

    def trouble_with(self, reply: bytes, name: str) -> str:
        """The response code, if it is not 1; or that it is about another handle or empty."""
        message = decode_message(reply)
        body = message.body
        if message.response_code != ResponseCode.SUCCESS:
            return f"response code {message.response_code}"
        if not isinstance(body, RecordAnswer) or body.handle != name or not len(body.values):
            return "another record"
        return ""


async def udp_load(
    address: tuple[str, int],
    names: Sequence[str],
    *,
    rate: float,
    speech: Speech | None = None,
    drain_s: float = 5.0,
) -> Outcome:
    """Ask ``address`` for each of ``names`` once over UDP, ``rate`` a second, and check every
    answer. Answers must fit one datagram.

    Args:
        speech: the protocol, the Handle protocol by default.
        drain_s: seconds after the last request; what is unanswered then, is counted as such.
    """
    speech = speech or Handles()
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    due: dict[int, tuple[str, float]] = {}
    done = asyncio.Event()
    sent_all = False

    def received(data: bytes, now: float) -> None:
        asked = due.pop(speech.number_of(data), None)
        if asked is None:
            outcome.count_wrong("unknown request id")
            return
        trouble = speech.trouble_with(data, asked[0])
        if trouble:
            outcome.count_wrong(trouble)
        else:
            outcome.seconds.append(now - asked[1])
        if sent_all and not due:
            done.set()

    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Client(received), remote_addr=address
    )
    try:
        start = time.perf_counter() + 0.05
        for number, name in enumerate(names):
            moment = start + number / rate
            wait = moment - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            elif wait < -0.001:
                outcome.late += 1
            if due.pop(number & 0xFFFF, None) is not None:
                outcome.count_wrong("no answer")
            due[number & 0xFFFF] = (name, moment)
            transport.sendto(speech.request(name, number & 0xFFFF))
        sent_all = True
        if due:
            try:
                await asyncio.wait_for(done.wait(), drain_s)
            except TimeoutError:
                for _ in due:
                    outcome.count_wrong("no answer")
        outcome.elapsed = time.perf_counter() - start
    finally:
        transport.close()
    return outcome
