"""What a door needs from the node behind it."""

from collections.abc import Awaitable
from typing import Protocol

from resolver.model.site import Site
from resolver.transport.rpc import Control
from resolver.wire.answer import Answer, Client
from resolver.wire.message import Message


class Service(Protocol):
    """A node, seen from its doors."""

    @property
    def name(self) -> str:
        """The node's name."""

    @property
    def control(self) -> Control | None:
        """What the control plane may do here; None if it may do nothing."""

    def receive(self, octets: bytes, client: Client) -> list[bytes] | Awaitable[list[bytes]]:
        """The reply messages (whole, with envelopes) for one whole message.

        Awaitable if upstreams have to be asked first. Never raises: octets that are no request
        get an error reply.
        """

    def ask(self, request: Message, client: Client) -> Answer | Awaitable[Answer]:
        """The answer to a request that came in another form than a message."""

    def rejected(self, transport: str, reason: str) -> None:
        """Count what a door turned away: ``oversize``, ``timeout``, ``half-closed``,
        ``malformed``, ``fragment``, ``overload``, ``too many connections``."""

    def site(self) -> Site:
        """The node's own site."""

    def prefixes(self) -> list[str]:
        """The prefixes whose identifiers live here."""

    def metrics(self) -> bytes:
        """The node's metrics in Prometheus' text format."""

    def health(self) -> dict[str, object]:
        """Who this is and whether it answers."""
