"""The trace of a resolution: one hop for each exchange (what ``dig +trace`` shows for names)."""

from typing import Final

from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.model.handle import described_prefix, is_prefix_handle
from resolver.model.site import Protocol as Transport
from resolver.model.site import Site
from resolver.resolution.routing import DELEGATION_TYPES, SITE_TYPES, sites_in
from resolver.resolution.steps import Reply
from resolver.wire.answer import Hop
from resolver.wire.bodies import ResolveRequest
from resolver.wire.values import ValueList

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
    site: Site,
    request: ResolveRequest,
    outcome: Reply | UpstreamError,
    leads_to: tuple[str, ...],
    unix_now: int,
) -> Hop:
    """How one exchange looks in the trace of a resolution.

    ``leads_to`` names the type of value that was followed afterwards; empty if none was to be.
    """
    handle = request.handle
    question = described_prefix(handle) if is_prefix_handle(handle) else handle
    name = site.attribute("name") or ""
    if isinstance(outcome, UpstreamError):
        kind = "timeout" if isinstance(outcome, UpstreamTimeout) else "error"
        address = site_label(site).rpartition(" ")[2]
        return Hop(
            node=name, address=address, transport="", question=question, types=request.types,
            kind=kind, code=0, target=str(outcome), authoritative=False, ttl=None, cached=False,
            seconds=0.0,
        )  # fmt: skip
    message = outcome.message
    values = getattr(message.body, "values", None)
    code = message.response_code
    target, kind = "", _kind(code, leads_to)
    if isinstance(values, ValueList) and kind == "referral":
        types = leads_to or (*DELEGATION_TYPES, *SITE_TYPES)
        target = next((site_label(found) for found in sites_in(values, types)), "")
    return Hop(
        node=name, address=outcome.server, transport=outcome.transport, question=question,
        types=request.types, kind=kind, code=code, target=target,
        authoritative=bool(message.flags & OpFlag.AUTH),
        ttl=values.lifetime(unix_now) if isinstance(values, ValueList) else None,
        cached=False, seconds=outcome.seconds,
    )  # fmt: skip


def _kind(code: int, leads_to: tuple[str, ...]) -> str:
    if code in REFERRALS or (code == ResponseCode.SUCCESS and leads_to):
        return "referral"
    if code == ResponseCode.SUCCESS:
        return "answer"
    return "not found" if code in NOT_FOUND else "error"
