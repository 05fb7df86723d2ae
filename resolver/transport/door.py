"""What a door needs from the node behind it."""

from collections.abc import Awaitable
from typing import Protocol, runtime_checkable

from resolver.model.site import Site
from resolver.model.value import Reference
from resolver.transport.admission import Admission
from resolver.transport.http_ready import HttpReady
from resolver.transport.ready import Ready
from resolver.transport.rpc import Control
from resolver.transport.spans import Spans
from resolver.wire.answer import Answer, Client
from resolver.wire.message import Message
from resolver.wire.proof import Proof


@runtime_checkable
class Closable(Protocol):
    """A client's connection that can be cut off."""

    def abort(self) -> None:
        """Close it now, whatever waits to be said."""


class Service(Protocol):
    """A node, seen from its doors."""

    @property
    def name(self) -> str:
        """The node's name."""

    @property
    def control(self) -> Control | None:
        """What the control plane may do here; None if it may do nothing."""

    @property
    def admission(self) -> Admission:
        """How much clients may ask."""

    @property
    def spans(self) -> Spans | None:
        """Where requests are recorded; None if none is."""

    @property
    def is_stopped(self) -> bool:
        """Whether the node plays dead, for a rehearsal."""

    def receive(self, octets: bytes, client: Client) -> list[bytes] | Awaitable[list[bytes]]:
        """The reply messages (whole, with envelopes) for one whole message.

        Awaitable if upstreams have to be asked first. Never raises: octets that are no request
        get an error reply.
        """

    def ready(self, transport: str) -> Ready | None:
        """The ready answers for a transport; None if every request has to be looked at."""

    def http_ready(self) -> HttpReady | None:
        """The same for HTTP."""

    def keeps(self, answer: Answer) -> int:
        """Seconds for which whoever gets an answer with values may keep it."""

    def ask(self, request: Message, client: Client) -> Answer | Awaitable[Answer]:
        """The answer to a request that came in another form than a message."""

    def prove(
        self, user: Reference, proof: Proof, nonce: bytes, cnonce: bytes, client: Client
    ) -> Awaitable[Answer]:
        """Whether the client is ``user``, as it says and proves over both nonces; if so
        ``client.connection`` is known as theirs from then on."""

    def sign(self, octets: bytes) -> tuple[str, bytes] | None:
        """(name of the hash algorithm, signature by the node's key); None if it has none."""

    def rejected(self, transport: str, reason: str) -> None:
        """Count what a door turned away: ``oversize``, ``timeout``, ``half-closed``,
        ``malformed``, ``fragment``, ``overload``, ``too many connections``, ``unsent``."""

    def shed(self, reason: str, times: int = 1) -> None:
        """Count requests that were turned away, or answers that were cut, so that others get
        theirs: ``rate``, ``miss_budget``, ``overload``, ``late``, ``unconfirmed``."""

    def site(self) -> Site:
        """The node's own site."""

    def prefixes(self) -> list[str]:
        """The prefixes whose identifiers live here."""

    def metrics(self, scope: str = "node") -> bytes | Awaitable[bytes] | None:
        """Metrics in Prometheus' text format: of the ``node``, of its ``process``, of the whole
        ``network``; None if this node does not tell the latter. ``open``: of the node, in the
        format of OpenMetrics, with exemplars."""

    def health(self) -> dict[str, object]:
        """Who this is and whether it answers."""
