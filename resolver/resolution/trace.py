"""The trace of a resolution: one hop for each exchange (what ``dig +trace`` shows for names)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, overload

from resolver.model.address import format_address
from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.model.handle import described_prefix, is_prefix_handle
from resolver.model.site import Protocol as Transport
from resolver.model.site import Site
from resolver.resolution.steps import Reply
from resolver.wire.answer import Hop
from resolver.wire.bodies import RecordAnswer, ResolveRequest

REFERRALS: Final = frozenset({ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL})
NOT_FOUND: Final = frozenset({ResponseCode.HANDLE_NOT_FOUND, ResponseCode.VALUES_NOT_FOUND})


def site_label(site: Site) -> str:
    """How a person knows a site: its name, if it has one, and its first server's address."""
    server = site.servers[0]
    port = server.port(Transport.TCP) or server.port(Transport.UDP) or server.port(Transport.HTTP)
    host = str(server.address)
    address = format_address(host, port) if port else host
    name = site.attribute("name")
    return f"{name} {address}" if name else address


def hop_of(
    site: Site, request: ResolveRequest, outcome: Reply | UpstreamError, unix_now: int
) -> Hop:
    """How one exchange looks in the trace; where a referral leads is for the caller to add."""
    handle = request.handle
    question = described_prefix(handle) if is_prefix_handle(handle) else handle
    name = site.attribute("name") or ""
    if isinstance(outcome, UpstreamError):
        return Hop(
            node=name, address=site_label(site).rpartition(" ")[2], transport="",
            question=question, types=request.types,
            kind="timeout" if isinstance(outcome, UpstreamTimeout) else "error",
            code=0, target=str(outcome), authoritative=False, ttl=None, cached=False, seconds=0.0,
        )  # fmt: skip
    message = outcome.message
    values = message.body.values if isinstance(message.body, RecordAnswer) else None
    return Hop(
        node=name, address=outcome.server, transport=outcome.transport, question=question,
        types=request.types, kind=_kind(message.response_code), code=message.response_code,
        target="", authoritative=bool(message.flags & OpFlag.AUTH),
        ttl=None if values is None else values.lifetime(unix_now),
        cached=False, seconds=outcome.seconds,
    )  # fmt: skip


def leading_to(hop: Hop, sites: tuple[Site, ...]) -> Hop:
    """``hop`` as the referral to ``sites`` that it turned out to be."""
    return replace(hop, kind="referral", target=site_label(sites[0])) if sites else hop


class Trail(Sequence[Hop]):
    """The hops of one resolution, made only when somebody looks at them.

    Hardly anybody does, and making them takes a tenth of the time that a recursive node spends on
    a cold resolution; so what happened is noted, and told on demand.
    """

    def __init__(self) -> None:
        self.unix_now = 0
        self._noted: Final[list[tuple[Site, ResolveRequest, Reply | UpstreamError]]] = []
        self._led_to: Final[dict[int, tuple[Site, ...]]] = {}

    def note(self, site: Site, request: ResolveRequest, outcome: Reply | UpstreamError) -> None:
        """Add an exchange."""
        self._noted.append((site, request, outcome))

    def point_at(self, sites: tuple[Site, ...]) -> None:
        """Note that the last reply led to ``sites``."""
        if self._noted:
            self._led_to[len(self._noted) - 1] = sites

    def __len__(self) -> int:
        return len(self._noted)

    @overload
    def __getitem__(self, number: int) -> Hop: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Hop, ...]: ...
    def __getitem__(self, number: int | slice) -> Hop | tuple[Hop, ...]:
        return tuple(self)[number]

    def __iter__(self) -> Iterator[Hop]:
        for number, (site, request, outcome) in enumerate(self._noted):
            hop = hop_of(site, request, outcome, self.unix_now)
            yield leading_to(hop, self._led_to.get(number, ()))


def _kind(code: int) -> str:
    if code in REFERRALS:
        return "referral"
    if code == ResponseCode.SUCCESS:
        return "answer"
    return "not found" if code in NOT_FOUND else "error"
