"""What a node says before it becomes a message, and who it says it to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from resolver.wire.bodies import Body
from resolver.wire.traceparent import TraceParent

OWN: Final = "own"
CACHED: Final = "cached"
"""Where an answer is from that may be given again: the node's own records, its cache."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        transport: the door: ``udp``, ``tcp`` or ``http``.
        trace: whether the client wants to know the path of the answer.
        connection: identifies the TCP connection, for logins bound to it.
        parent: the span of the request, if its door records it.
    """

    transport: str
    host: str
    port: int
    trace: bool = False
    connection: object | None = None
    parent: TraceParent | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One exchange with an upstream on the way to an answer.

    Attributes:
        node: the upstream's name, or empty.
        address: ``host:port`` that was asked.
        question: what it was asked for: an identifier, or a prefix.
        kind: ``answer``, ``referral``, ``not found``, ``error`` or ``timeout``.
        target: where a referral leads; what went wrong for an error.
        ttl: seconds the reply may be kept.
        seconds: from asking to the reply.
    """

    node: str
    address: str
    transport: str
    question: str
    types: tuple[str, ...]
    kind: str
    code: int
    target: str
    authoritative: bool
    ttl: int | None
    cached: bool
    seconds: float


@dataclass(slots=True)
class Answer:
    """The outcome of a request.

    Attributes:
        code: a response code.
        authoritative: from the primary's own records (AUTH).
        recursion_count: for the reply's header; None repeats the request's.
        cache: ``hit``, ``miss``, ``negative``, ``stale`` or ``bypass``; empty where no cache is
            involved.
        ttl: seconds the answer may be kept.
        hops: the exchanges it took, if any.
        seconds: that they took.
        op_code: of the request it answers, where that is not the one it is sent for: the answer
            to a challenge brings the answer to what was challenged.
        session_id: of a session that begins with it.
        ready: OWN or CACHED if it depends on nothing but the question, so that it may be
            given again without a look at who asks; else empty.
        ready_until: of a CACHED one, for how long, in seconds of the node's clock.
        flags: that its message has besides those that every answer has.
    """

    code: int
    body: Body
    authoritative: bool = False
    recursion_count: int | None = None
    cache: str = ""
    ttl: int | None = None
    hops: Sequence[Hop] = ()
    seconds: float = 0.0
    op_code: int | None = None
    flags: int = 0
    session_id: int = 0
    ready: str = ""
    ready_until: float = 0.0
