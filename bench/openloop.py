"""An open-loop load: requests leave at their times whether or not answers have come back.

Latency is counted from the moment a request was due, so a server that falls behind shows it
(no coordinated omission).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.envelope import Envelope
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


def request_octets(handle: str, request_id: int) -> bytes:
    """A resolve request for all public values of ``handle``."""
    return encode_message(
        Message(
            envelope=Envelope(request_id=request_id),
            op_code=OpCode.RESOLVE,
            flags=OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL,
            expiration=int(time.time()) + 43200,
            body=ResolveRequest(handle),
        )
    )


async def udp_load(
    address: tuple[str, int], handles: Sequence[str], *, rate: float, drain_s: float = 5.0
) -> Outcome:
    """Ask ``address`` for each of ``handles`` once over UDP, ``rate`` a second, and check every
    answer: the right handle, code 1, at least one value. Answers must fit one datagram.

    Unanswered requests are counted after ``drain_s`` seconds.
    """
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    due: dict[int, tuple[str, float]] = {}
    done = asyncio.Event()
    sent_all = False

    def received(data: bytes, now: float) -> None:
        message = decode_message(data)
        asked = due.pop(message.envelope.request_id, None)
        if asked is None:
            outcome.count_wrong("unknown request id")
            return
        body = message.body
        if message.response_code != ResponseCode.SUCCESS:
            outcome.count_wrong(f"response code {message.response_code}")
        elif not isinstance(body, RecordAnswer) or body.handle != asked[0] or not len(body.values):
            outcome.count_wrong("another record")
        else:
            outcome.seconds.append(now - asked[1])
        if sent_all and not due:
            done.set()

    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Client(received), remote_addr=address
    )
    try:
        start = time.perf_counter() + 0.05
        for number, handle in enumerate(handles):
            moment = start + number / rate
            wait = moment - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            elif wait < -0.001:
                outcome.late += 1
            due[number + 1] = (handle, moment)
            transport.sendto(request_octets(handle, number + 1))
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
