"""What a resolution and its driver say to each other.

Rules: a resolution never performs I/O and never reads a clock; the driver never decides. The
driver carries out each ``Ask``, hands back a ``Reply`` or an ``UpstreamError``, and stops at
``Done``.
"""

from dataclasses import dataclass

from resolver.model.site import Site
from resolver.wire.answer import Answer
from resolver.wire.bodies import ResolveRequest
from resolver.wire.message import Message


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to be sent to one site.

    Attributes:
        site: whom to ask; the responsible server is chosen by the handle's hash (Site.server_for).
        request: the question itself.
        flags: header flags (OpFlag bits) of the request.
        recursion_count: header field of the request; nested look-ups count up.
        timeout: seconds the whole exchange may take, retransmissions and other transports included.
    """

    site: Site
    request: ResolveRequest
    flags: int
    recursion_count: int
    timeout: float


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Done:
    """The resolution's outcome: an answer with any response code, and the hops that led to it."""

    answer: Answer


Step = Ask | Done
