"""What a process (a resolution, a change of a record) and its driver say to each other.

Rules: a process never performs I/O, never waits and never reads a clock; the driver never decides.
The driver carries out each step, hands back what came of it, and stops at ``Done``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from resolver.model.errors import ResolverError
from resolver.model.site import Site
from resolver.storage.base import Change
from resolver.wire.answer import Answer
from resolver.wire.bodies import ResolveRequest, VerifyRequest
from resolver.wire.message import Message
from resolver.wire.traceparent import TraceParent


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to be sent to one site.

    Attributes:
        site: whom to ask; the responsible server is chosen by the handle's hash (Site.server_for).
        request: the question itself.
        flags: header flags (OpFlag bits) of the request; with CERT (and RRDG) a
            success only counts if the server has signed it, for this request.
        recursion_count: header field of the request; nested look-ups count up.
        timeout: seconds the whole exchange may take, retransmissions and other transports included.
        parent: the span of the exchange, if it is recorded; the driver adds it.
    """

    site: Site
    request: ResolveRequest | VerifyRequest
    flags: int
    recursion_count: int
    timeout: float
    parent: TraceParent | None = None

    @property
    def handle(self) -> str:
        """What the question is about."""
        request = self.request
        return request.user if isinstance(request, VerifyRequest) else request.handle


@dataclass(slots=True)
class Reply:
    """A reply that belongs to an ``Ask``.

    Attributes:
        message: the decoded reply; its response code may be any.
        server: ``host:port`` that answered.
        transport: ``udp``, ``tcp`` or ``http``.
        seconds: from sending to receiving.
    """

    message: Message
    server: str
    transport: str
    seconds: float


@dataclass(slots=True)
class Done:
    """The resolution's outcome: an answer with any response code, and the hops that led to it."""

    answer: Answer


@dataclass(slots=True)
class Work:
    """Something that takes long, to be called on a thread of its own; it brings nothing back."""

    run: Callable[[], None]


@dataclass(slots=True)
class Commit:
    """A change to be written durably; brings back whether it was, or a StoreError.

    It is not if the record is no longer as it was before.
    """

    change: Change


Step = Ask | Work | Commit | Done
Outcome = Reply | bool | None | ResolverError
"""What comes of a step: a reply or an UpstreamError, nothing, whether it was written or a
StoreError."""
