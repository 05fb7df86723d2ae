"""Budget, lifetimes and keys of the caches."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache import BudgetCache, Lifetimes, RecordCache, Route, RouteCache
from resolver.cache.budget import ENTRY_OVERHEAD
from resolver.cache.policies import POLICIES
from resolver.cache.records import STALE_RETRY_S
from resolver.model.codes import ResponseCode
from resolver.model.site import Interface, Server, Site
from resolver.model.value import HandleValue, TtlType
from resolver.wire.values import ValueList

SITE = Site((Server(1, ip_address("127.0.0.1"), b"", ()),))


def values(**fields: int) -> ValueList:
    return ValueList.of([HandleValue(1, "URL", b"https://example.com", **fields)])


@pytest.mark.parametrize("policy", sorted(POLICIES))
@given(
    puts=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 400), st.integers(0, 20)), max_size=60
    )
)
def test_a_cache_never_exceeds_its_budget(policy: str, puts: list[tuple[int, int, int]]) -> None:
    budget = 4 * (ENTRY_OVERHEAD + 100)
    cache: BudgetCache[int] = BudgetCache(budget, policy)
    for now, (key, size, life) in enumerate(puts):
        cache.put(key, size, size=size, expires_at=now + life)
        statistics = cache.statistics()
        assert statistics.bytes <= budget
        assert statistics.entries == len(cache)
        found = cache.get(key, now)
        assert found == (size if life > 0 and size + ENTRY_OVERHEAD <= budget else None)
    cache.clear()
    assert cache.statistics().bytes == 0


def test_least_recently_used_leaves_first() -> None:
    cache: BudgetCache[str] = BudgetCache(2 * ENTRY_OVERHEAD, "lru")
    cache.put("a", "A", size=0, expires_at=10)
    cache.put("b", "B", size=0, expires_at=10)
    assert cache.get("a", 0) == "A"
    cache.put("c", "C", size=0, expires_at=10)
    assert cache.get("b", 0) is None
    assert cache.get("a", 0) == "A"
    assert cache.statistics().evictions == 1


def test_record_lives_as_long_as_its_values_within_the_cap() -> None:
    cache = RecordCache(1 << 20, Lifetimes(ttl_cap_s=100, negative_ttl_s=10))
    cache.put_values("88.901.1/a", values(ttl=30), now=0, unix_now=0)
    cache.put_values("88.901.1/b", values(ttl=86400), now=0, unix_now=0)
    cache.put_values(
        "88.901.1/c", values(ttl=1050, ttl_type=TtlType.ABSOLUTE), now=0, unix_now=1000
    )
    cache.put_values("88.901.1/d", values(ttl=0), now=0, unix_now=0)
    assert [cache.get(f"88.901.1/{name}", 29) is not None for name in "abcd"] == [
        True,
        True,
        True,
        False,
    ]
    assert cache.get("88.901.1/a", 30) is None
    assert cache.get("88.901.1/c", 50) is None
    assert cache.get("88.901.1/b", 99) is not None
    assert cache.get("88.901.1/b", 100) is None


def test_negative_answers_are_kept_briefly_and_failures_not_at_all() -> None:
    cache = RecordCache(1 << 20, Lifetimes(ttl_cap_s=100, negative_ttl_s=10))
    cache.put_negative("88.901.1/a", ResponseCode.HANDLE_NOT_FOUND, "no", now=0)
    cache.put_negative("88.901.1/b", ResponseCode.ERROR, "broken", now=0)
    found = cache.get("88.901.1/A", 9)
    assert found is not None
    assert (found.code, found.values, found.message) == (100, None, "no")
    assert cache.get("88.901.1/b", 0) is None
    assert cache.get("88.901.1/a", 10) is None
    off = RecordCache(1 << 20, Lifetimes(ttl_cap_s=100, negative_ttl_s=0))
    off.put_negative("88.901.1/a", ResponseCode.HANDLE_NOT_FOUND, "no", now=0)
    assert off.get("88.901.1/a", 0) is None


def test_nearest_delegation_wins_and_hints_never_expire() -> None:
    hints = (Route("", delegation=(SITE,)), Route("88", delegation=(SITE,)))
    cache = RouteCache(1 << 20, ttl_cap_s=100, negative_ttl_s=10, hints=hints)

    def nearest(prefix: str, now: float) -> str | None:
        route = cache.delegation_above(prefix, now)
        return None if route is None else route.prefix

    assert nearest("10.1045", 0) == ""
    assert nearest("88.901.1", 0) == "88"
    cache.put(Route("88.901", sites=(SITE,), ttl=50), 0)
    assert nearest("88.901.1", 0) == "88", "a route that leads nowhere down is no delegation"
    cache.put(Route("88.901", delegation=(SITE,), ttl=50), 0)
    assert nearest("88.901.1", 49) == "88.901"
    assert nearest("88.901", 0) == "88", "a prefix is not its own ancestor"
    assert nearest("88.901.1", 50) == "88"
    assert cache.get("88", 0) is None, "hints are where to start, not what is known"
    assert RouteCache(1, ttl_cap_s=1, negative_ttl_s=1).delegation_above("88", 0) is None


def test_missing_prefixes_are_forgotten_soon() -> None:
    cache = RouteCache(1 << 20, ttl_cap_s=100, negative_ttl_s=10)
    kept = cache.put(Route("88.950", exists=False), 0)
    assert kept.ttl == 10
    assert cache.get("88.950", 9) is not None
    assert cache.get("88.950", 10) is None


def test_a_route_whose_life_is_over_serves_for_a_while() -> None:
    cache = RouteCache(1 << 20, ttl_cap_s=100, negative_ttl_s=10, stale_s=50)
    cache.put(Route("88.901", sites=(SITE,), delegation=(SITE,), ttl=100), 0)
    assert cache.stale("88.901", 99) is None, "it is not stale yet"
    stale = cache.stale("88.901", 100)
    assert stale is not None
    assert cache.get("88.901", 100) is None
    assert cache.delegation_above("88.901.1", 100) is None
    assert cache.known(100) == []
    cache.hold(stale, 100)
    assert cache.get("88.901", 100 + STALE_RETRY_S - 0.1) is not None
    assert cache.get("88.901", 100 + STALE_RETRY_S) is None
    assert cache.stale("88.901", 149) is not None
    cache.hold(stale, 149)
    assert cache.get("88.901", 150) is None, "to hold it does not make it live longer"
    assert cache.stale("88.901", 150) is None


def test_that_there_is_no_prefix_is_nothing_to_fall_back_on() -> None:
    cache = RouteCache(1 << 20, ttl_cap_s=100, negative_ttl_s=10, stale_s=50)
    cache.put(Route("88.950", exists=False), 0)
    assert cache.stale("88.950", 10) is None


def test_a_record_without_public_values_is_kept_as_long_as_none() -> None:
    cache = RecordCache(1 << 16, Lifetimes(ttl_cap_s=3600, negative_ttl_s=60))
    cache.put_values("88.901.1/x", ValueList.of(()), now=0, unix_now=0)
    assert cache.get("88.901.1/x", 59) is not None
    assert cache.get("88.901.1/x", 61) is None


def test_a_site_counts_for_what_it_holds() -> None:
    cache = RouteCache(1 << 20, ttl_cap_s=60, negative_ttl_s=60)
    cache.put(Route("10.1", sites=(SITE,), ttl=60), 0)
    small = cache.statistics().bytes
    key = Server(1, ip_address("127.0.0.1"), b"k" * 300, (Interface(3, 1, 1),) * 50)
    cache.put(Route("10.2", sites=(Site((key,)),), ttl=60), 0)
    assert cache.statistics().bytes - small > small + 300 + 50 * 150
