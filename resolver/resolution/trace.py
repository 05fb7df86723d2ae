"""The trace of a resolution: one hop for each exchange (what ``dig +trace`` shows for names)."""

from dataclasses import replace
from typing import Final

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
    address = f"{server.address}:{port}" if port else str(server.address)
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


def _kind(code: int) -> str:
    if code in REFERRALS:
        return "referral"
    if code == ResponseCode.SUCCESS:
        return "answer"
    return "not found" if code in NOT_FOUND else "error"
