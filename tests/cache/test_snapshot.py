"""What is cached is the same after it was written down and taken in, but for the time passed."""

import io
from contextlib import suppress
from ipaddress import ip_address

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache import Lifetimes, RecordCache, Route, RouteCache, State
from resolver.cache.entries import pack_entry, selection_key
from resolver.cache.snapshot import FORMAT, Taken, documents_in, packed, snapshot, take_in
from resolver.model.errors import ConfigError
from resolver.model.site import Interface, Server, Site
from resolver.model.value import HandleValue
from resolver.wire.values import ValueList

NOW, UNIX = 1000.0, 1_800_000_000
SITE = Site((Server(1, ip_address("127.0.0.1"), b"key", (Interface(3, 1, 2641),)),))


def caches() -> tuple[RecordCache, RouteCache]:
    lifetimes = Lifetimes(ttl_cap_s=3600, negative_ttl_s=60, prefetch=True)
    return RecordCache(1 << 20, lifetimes), RouteCache(1 << 20, ttl_cap_s=3600, negative_ttl_s=60)


def values(ttl: int = 86_400) -> ValueList:
    return ValueList.of([HandleValue(1, "URL", b"https://example.com", ttl=ttl)])


def filled() -> tuple[RecordCache, RouteCache]:
    records, routes = caches()
    records.put_values("88.901.1/a", values(), now=NOW, unix_now=UNIX)
    records.put_values("88.901.1/zähler", values(100), now=NOW, unix_now=UNIX)
    records.put_negative("88.901.1/none", 100, "no", now=NOW)
    routes.put(Route("88.901", sites=(SITE,), delegation=(SITE, SITE), ttl=50), NOW)
    routes.put(Route("88.902", service="88.901/SERVICE", ttl=500), NOW)
    return records, routes


def written(records: RecordCache, routes: RouteCache, now: float = NOW) -> bytes:
    return b"".join(snapshot(records, routes, "here", now, UNIX + int(now - NOW)))


def read(octets: bytes, later: float = 0.0, network: str = "here"):
    records, routes = caches()
    documents = documents_in(io.BytesIO(octets))
    # Another machine's clock, another start.
    taken = take_in(documents, records, routes, network, 50.0 + later, UNIX + int(later))
    return records, routes, taken


def test_all_that_holds() -> None:
    records, routes, taken = read(written(*filled()), later=10)
    assert taken == Taken(records=2, routes=2)
    found = records.get("88.901.1/A", 60.0)
    assert found is not None
    assert (found.values, found.state) == (values(), State.FRESH)
    assert found.expires_at == pytest.approx(60 + 3590, abs=0.2)
    short = records.get("88.901.1/zähler", 60.0)
    assert short is not None
    assert short.expires_at == pytest.approx(60 + 90, abs=0.2)
    assert records.get("88.901.1/none", 60.0) is None
    route = routes.get("88.901", 60.0)
    assert route is not None
    assert (route.sites, route.delegation) == ((SITE,), (SITE, SITE))
    assert route.expires_at == pytest.approx(60 + 40, abs=0.2)
    service = routes.get("88.902", 60.0)
    assert service is not None
    assert service.service == "88.901/SERVICE"


def test_what_has_expired_meanwhile() -> None:
    records, routes, taken = read(written(*filled()), later=101)
    assert taken == Taken(records=1, routes=1, expired=2)
    assert records.get("88.901.1/zähler", 151.0) is None
    assert routes.get("88.901", 151.0) is None


def test_what_had_expired_before() -> None:
    octets = written(*filled(), now=NOW + 101)
    assert len(list(documents_in(io.BytesIO(octets)))) == 1 + 1 + 1


def test_routes_are_of_one_network() -> None:
    records, routes, taken = read(written(*filled()), network="there")
    assert taken == Taken(records=2, expired=2)
    assert routes.known(60.0) == []
    assert records.get("88.901.1/a", 60.0) is not None


def test_what_is_known_already_stays() -> None:
    records, routes = caches()
    other = ValueList.of([HandleValue(7, "URL", b"newer")])
    records.put_values("88.901.1/a", other, now=50.0, unix_now=UNIX)
    routes.put(Route("88.901", sites=(SITE,), ttl=7), 50.0)
    take_in(documents_in(io.BytesIO(written(*filled()))), records, routes, "here", 50.0, UNIX)
    found, route = records.get("88.901.1/a", 50.0), routes.get("88.901", 50.0)
    assert found is not None
    assert found.values == other
    assert route is not None
    assert route.delegation == ()


def test_selections_are_left_out() -> None:
    records, routes = filled()
    key = selection_key(b"88.901.1/A", b"\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0")
    entry = next(iter(records.entries.table.values()))
    records.entries.put(key, pack_entry(99_999, 99_999, 1, key, entry[20:-4]))
    assert read(written(records, routes))[2] == Taken(records=2, routes=2)


def test_names_that_are_not_utf8() -> None:
    records, routes = caches()
    records.put_values("88.901.1/\udcff", values(), now=NOW, unix_now=UNIX)
    again, _, _ = read(written(records, routes))
    assert again.get("88.901.1/\udcff", 50.0) is not None


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x01", b"hello", packed(["other", UNIX, "here"]), packed([FORMAT]), b"\xc1" * 10],
)
def test_no_snapshot(octets: bytes) -> None:
    with pytest.raises(ConfigError, match="not a snapshot of a cache"):
        read(octets)


DAMAGED = [
    ["record", b"88.901.1/a", 10.0, 20.0, b"\0\0\0\1"],
    ["record", b"", 10.0, 20.0, values().octets],
    ["record", b"x" * 40_000, 10.0, 20.0, values().octets],
    ["record", b"88.901.1/a", 1e20, 1e20, values().octets],
    ["record", b"88.901.1/a", float("nan"), float("inf"), values().octets],
    ["record", "88.901.1/a", 10.0, 20.0, values().octets],
    ["route", "88.901", 10.0, True, [b"no site"], [], "", ""],
    ["route", "88.901", 10.0, True, [], []],
    ["thing"],
    7,
    None,
]


@pytest.mark.parametrize("document", DAMAGED)
def test_damaged_entries_are_left_out(document: object) -> None:
    octets = packed([FORMAT, UNIX, "here"]) + msgpack.packb(document)
    records, routes, taken = read(
        octets + written(*filled())[len(packed([FORMAT, UNIX, "here"])) :]
    )
    assert taken == Taken(records=2, routes=2, damaged=1)
    assert len(records.entries) == 2
    assert len(routes.known(50.0)) == 2


@given(st.binary(max_size=200))
def test_noise(octets: bytes) -> None:
    with suppress(ConfigError):
        read(packed([FORMAT, UNIX, "here"]) + octets)
