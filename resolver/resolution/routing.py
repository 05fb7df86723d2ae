"""What the values of a prefix's record say about who to ask (RFC 3651 §3.2)."""

from functools import lru_cache
from typing import Final

from resolver.cache.routes import Route
from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.model.site import Site
from resolver.wire.bodies import ReferralAnswer
from resolver.wire.typed import decode_site
from resolver.wire.values import ValueList

SITE_TYPES: Final = ("HS_SITE", "HS_SITE.6")
DELEGATION_TYPES: Final = ("HS_SITE.PREFIX",)
SERVICE_TYPE: Final = "HS_SERV"
DELEGATION_SERVICE_TYPE: Final = "HS_SERV.PREFIX"
ROUTE_TYPES: Final = (*SITE_TYPES, *DELEGATION_TYPES, SERVICE_TYPE, DELEGATION_SERVICE_TYPE)


def route_from_values(prefix: str, values: ValueList, unix_now: int) -> Route:
    """The route that the values of ``0.NA/<prefix>`` describe; site values that do not decode are
    skipped, as a client that finds another one can still go on."""
    sites, delegation, service, delegation_service = _described(values)
    return Route(
        prefix,
        sites=sites,
        delegation=delegation,
        service=service,
        delegation_service=delegation_service,
        ttl=values.lifetime(unix_now),
    )


@lru_cache(maxsize=1024)
def _described(values: ValueList) -> tuple[tuple[Site, ...], tuple[Site, ...], str, str]:
    """Sites, delegation, and the services in their places. The record of a prefix is read again
    whenever its route has expired, and mostly says the same."""
    return (
        sites_in(values, SITE_TYPES),
        sites_in(values, DELEGATION_TYPES),
        text_of(values, SERVICE_TYPE),
        text_of(values, DELEGATION_SERVICE_TYPE),
    )


def sites_in(values: ValueList, types: tuple[str, ...]) -> tuple[Site, ...]:
    """The sites that values of ``types`` describe, those with servers only."""
    sites = []
    for value in values.of_type(*types):
        if len(value.data) > MAX_SITE_OCTETS:
            continue
        try:
            site = _site(value.data)
        except WireError:
            continue
        if site.servers:
            sites.append(site)
    return tuple(sites)


MAX_SITE_OCTETS: Final = 8192
"""A site of some twenty servers. A longer one is skipped: decoded it would take many times that."""

_site: Final = lru_cache(maxsize=256)(decode_site)
"""The same few sites come again with every route that expires; decoding one takes 30 µs."""


def text_of(values: ValueList, type_: str) -> str:
    """The text of the first value of ``type_``, or nothing."""
    return next((value.text for value in values.of_type(type_)), "")


def referral_sites(code: int, referral: ReferralAnswer) -> tuple[Site, ...]:
    """The sites that a 302 or 303 carries; none where it names a service handle instead."""
    types = DELEGATION_TYPES if code == ResponseCode.PREFIX_REFERRAL else SITE_TYPES
    return () if referral.values is None else sites_in(referral.values, types)
