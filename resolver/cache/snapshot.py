"""What is cached, written down so that it can be taken in again: after a restart, or elsewhere.

A snapshot is a stream of MessagePack documents: first ``FORMAT``, the moment (unix seconds) and of
what network it is, then an array for each entry that still holds,

    ["record", handle, seconds it is fresh, seconds it holds, values]
    ["route", prefix, seconds it holds, exists, sites, delegation, service, delegation service]

in which octets are as they travel (values, HS_SITE records). Lifetimes go on while a snapshot lies
on the disk. Routes say who listens where, so they are of use in the same network only. Not kept:
negative answers and failures, which live for moments; selections, which are made again of their
records.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgpack

from resolver.cache.entries import TICK_S, is_record, key_of, moments_of, tick_of, values_of
from resolver.cache.records import RecordCache
from resolver.cache.routes import Route, RouteCache
from resolver.model.errors import ConfigError, WireError
from resolver.model.site import Site
from resolver.wire.typed import decode_site, encode_site
from resolver.wire.values import ValueList

FORMAT: Final = "wuhan cache 1"

MAX_DOCUMENT_OCTETS: Final = 1 << 20

_RECORD: Final = "record"
_ROUTE: Final = "route"


@dataclass(slots=True)
class Taken:
    """What was taken in from a snapshot: entries; those that were not, as they had expired or lead
    to another network; and those that were damaged."""

    records: int = 0
    routes: int = 0
    expired: int = 0
    damaged: int = 0


def snapshot(
    records: RecordCache, routes: RouteCache, network: str, now: float, unix_now: int
) -> Iterator[bytes]:
    """The octets of a snapshot, piece by piece. The caches must not change meanwhile.

    Args:
        network: the same for all that have the same nodes at the same addresses.
    """
    yield packed([FORMAT, unix_now, network])
    for entry in list(records.entries.table.values()):
        fresh, expires = moments_of(entry)
        if expires > tick_of(now) and is_record(entry):
            handle, values = key_of(entry)[:-12], values_of(entry)
            yield packed([_RECORD, handle, fresh * TICK_S - now, expires * TICK_S - now, values])
    for route in routes.known(now):
        sites, delegation = (
            [encode_site(site) for site in part] for part in (route.sites, route.delegation)
        )
        yield packed(
            [
                _ROUTE, route.prefix, route.expires_at - now, route.exists,
                sites, delegation, route.service, route.delegation_service,
            ]
        )  # fmt: skip


def documents_in(stream: BinaryIO) -> Iterator[Any]:
    """The documents of a snapshot.

    Raises:
        ConfigError: it is none.
    """
    unpacker = msgpack.Unpacker(
        stream, max_buffer_size=MAX_DOCUMENT_OCTETS, unicode_errors="surrogateescape"
    )
    try:
        yield from unpacker
    except (ValueError, msgpack.UnpackException) as error:
        raise ConfigError(f"not a snapshot of a cache, or a damaged one: {error}") from None


def take_in(
    documents: Iterable[Any],
    records: RecordCache,
    routes: RouteCache,
    network: str,
    now: float,
    unix_now: int,
) -> Taken:
    """Put what still holds into the caches; what is there already stays.

    Raises:
        ConfigError: it is no snapshot.
    """
    taken, rest = Taken(), iter(documents)
    match next(rest, None):
        case [format_, int(written_at), str(of)] if format_ == FORMAT:
            # A clock that was set back makes nothing live longer than it was to.
            age, is_same = max(0, unix_now - written_at), of == network
        case _:
            raise ConfigError(f"not a snapshot of a cache: it does not begin with {FORMAT!r}")
    for document in rest:
        try:
            _take(document, taken, records, routes if is_same else None, now, age)
        except (WireError, ValueError, TypeError):
            taken.damaged += 1
    return taken


def _take(
    document: Any,
    taken: Taken,
    records: RecordCache,
    routes: RouteCache | None,
    now: float,
    age: float,
) -> None:
    match document:
        case ["record", bytes(handle), float(fresh), float(holds), bytes(values)]:
            if holds <= age:
                taken.expired += 1
                return
            ValueList.parse(values)
            until = now - age
            records.put_entry(handle, values, until + fresh, until + holds)
            taken.records += 1
        case [
            "route", str(prefix), float(holds), bool(exists),
            list(sites), list(delegation), str(service), str(delegation_service),
        ]:  # fmt: skip
            if holds <= age or routes is None:
                taken.expired += 1
                return
            route = Route(
                prefix, _sites(sites), _sites(delegation), service, delegation_service, exists,
                ttl=holds - age,
            )  # fmt: skip
            if routes.get(prefix, now) is None:
                routes.put(route, now)
            taken.routes += 1
        case _:
            taken.damaged += 1


def _sites(documents: list[Any]) -> tuple[Site, ...]:
    return tuple(map(decode_site, documents))


def packed(document: list[Any]) -> bytes:
    """A document as it stands in a snapshot."""
    return bytes(msgpack.packb(document, unicode_errors="surrogateescape"))
