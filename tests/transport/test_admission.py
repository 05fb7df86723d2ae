"""Token buckets, and who counts as one client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.transport.admission import KNOWN_S, Admission, Buckets, KnownClients, client_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("2001:db8:0:ff00::1", "2001:db8:0:ffff:abcd::2", True),
        ("2001:db8:0:ff00::1", "2001:db8:0:fe00::1", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("not an address:", "not an address:", True),
        ("", "", True),
    ],
)
def test_who_is_one_client(one: str, other: str, same: bool) -> None:
    assert (client_of(one) == client_of(other)) is same


def test_a_bucket_fills_again() -> None:
    buckets = Buckets(rate=10, burst=5)
    assert [buckets.take("a", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert not buckets.take("a", 0.09)
    assert buckets.take("a", 0.11)
    assert not buckets.take("a", 0.12)
    assert [buckets.take("a", 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert buckets.take("b", 100.0), "one client's bucket is not another's"


def test_debts() -> None:
    buckets = Buckets(rate=10, burst=5)
    assert buckets.owe("a", 0.0, 5) == 0.0
    assert buckets.owe("a", 0.0, 20) == pytest.approx(2.0)
    assert buckets.owe("a", 1.0, 0) == pytest.approx(1.0)
    assert not buckets.take("a", 1.5)
    assert buckets.take("a", 2.2)


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 3)), max_size=50))
def test_nobody_gets_more_than_the_rate_and_the_burst(asked: list[tuple[float, int]]) -> None:
    buckets, now, taken = Buckets(rate=4, burst=6), 0.0, 0
    for later, tokens in asked:
        now += later
        taken += tokens * buckets.take("a", now, tokens)
        assert taken <= 6 + 4 * now + 1e-6


def test_clients_are_bounded() -> None:
    buckets = Buckets(rate=1, most=3)
    for client in "abcd":
        assert buckets.take(client, 0.0)
    assert len(buckets) == 3
    assert not buckets.take("d", 0.0)
    assert buckets.take("a", 0.0), "who is forgotten starts anew"


def test_known_clients() -> None:
    known = KnownClients(most=2)
    known.seen("127.0.0.1", 0.0)
    assert known.knows("127.0.0.1", KNOWN_S - 1)
    assert not known.knows("127.0.0.1", KNOWN_S)
    assert not known.knows("127.0.0.2", 0.0)
    for host in ("127.0.0.3", "127.0.0.4"):
        known.seen(host, 1.0)
    assert not known.knows("127.0.0.1", 1.0)


def test_nothing_is_asked_for_unless_configured() -> None:
    admission = Admission()
    assert (admission.requests, admission.misses, admission.known) == (None, None, None)
