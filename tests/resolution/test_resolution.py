"""Global resolution through real nodes in memory: who is asked, what is learnt, what stops it."""

import pytest

from resolver.cache import Route, RouteCache
from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.handle import is_prefix_handle
from resolver.wire.bodies import ErrorAnswer, RecordAnswer
from resolver.wire.values import ValueList
from tests.support.memory_network import (
    MemoryNetwork,
    four_tiers,
    site_value,
    text_value,
)


@pytest.fixture
def network() -> MemoryNetwork:
    return four_tiers()


def test_cold_identifier_takes_one_question_per_tier(network: MemoryNetwork) -> None:
    answer = network.ask("recursive", "88.901.1/motor")

    assert answer.code == ResponseCode.SUCCESS
    assert network.asked == [
        ("wuhan", "0.NA/88.901"),
        ("optics", "0.NA/88.901.1"),
        ("works", "88.901.1/motor"),
    ]
    assert [(hop.node, hop.question, hop.kind, hop.target) for hop in answer.hops] == [
        ("wuhan", "88.901", "referral", "optics 127.0.0.1:2641"),
        ("optics", "88.901.1", "referral", "works 127.0.0.1:2641"),
        ("works", "88.901.1/motor", "answer", ""),
    ]
    assert answer.hops[-1].authoritative
    assert answer.recursion_count == 1


def test_second_question_is_a_hit_and_asks_nobody(network: MemoryNetwork) -> None:
    network.ask("recursive", "88.901.1/motor")
    network.asked.clear()

    answer = network.ask("recursive", "88.901.1/MOTOR", types=("URL",))

    assert network.asked == []
    assert answer.cache == "hit"
    assert isinstance(answer.body, RecordAnswer)
    assert answer.body.handle == "88.901.1/MOTOR"
    assert [value.type for value in answer.body.values] == ["URL"]


def test_routes_serve_the_neighbour(network: MemoryNetwork) -> None:
    network.ask("recursive", "88.901.1/motor")
    network.asked.clear()

    answer = network.ask("recursive", "88.901.1/secret")

    assert answer.code == ResponseCode.SUCCESS
    assert network.asked == [("works", "88.901.1/secret")]


def test_an_answer_lives_as_long_as_its_shortest_value(network: MemoryNetwork) -> None:
    network.ask("recursive", "88.901.1/motor")
    network.now += 599
    assert network.ask("recursive", "88.901.1/motor").cache == "hit"
    network.now += 2
    assert network.ask("recursive", "88.901.1/motor").cache == "miss"


def test_routes_live_no_longer_than_the_cap(network: MemoryNetwork) -> None:
    network.ask("recursive", "88.901.1/motor")
    network.asked.clear()
    network.now += 3601
    network.ask("recursive", "88.901.1/motor")
    assert len(network.asked) == 3


def test_missing_identifier_is_remembered_for_a_minute(network: MemoryNetwork) -> None:
    assert network.ask("recursive", "88.901.1/none").code == ResponseCode.HANDLE_NOT_FOUND
    assert network.ask("recursive", "88.901.1/none").cache == "negative"
    network.now += 61
    assert network.ask("recursive", "88.901.1/none").cache == "miss"


def test_unregistered_prefix_is_not_found_and_asks_once(network: MemoryNetwork) -> None:
    answer = network.ask("recursive", "88.950.3/x")
    assert answer.code == ResponseCode.HANDLE_NOT_FOUND
    assert isinstance(answer.body, ErrorAnswer)
    assert answer.body.message == "the prefix 88.950.3 is not registered"
    network.asked.clear()

    assert network.ask("recursive", "88.950.3/y").code == ResponseCode.HANDLE_NOT_FOUND
    assert network.asked == []


def test_authoritative_question_bypasses_the_record_cache(network: MemoryNetwork) -> None:
    network.ask("recursive", "88.901.1/motor")
    network.asked.clear()

    answer = network.ask("recursive", "88.901.1/motor", flags=OpFlag.PUBL | OpFlag.AUTH)

    assert answer.cache == "bypass"
    assert answer.authoritative
    assert network.asked[-1] == ("works", "88.901.1/motor")


def test_bare_prefix_gives_the_site_of_its_node(network: MemoryNetwork) -> None:
    answer = network.ask("recursive", "88.901.1", types=("HS_SITE",))

    assert isinstance(answer.body, RecordAnswer)
    assert answer.body.handle == "88.901.1"
    assert [value.type for value in answer.body.values] == ["HS_SITE"]
    assert network.asked == [("wuhan", "0.NA/88.901"), ("optics", "0.NA/88.901.1")]


def test_hosted_enterprise_is_answered_by_its_secondary(network: MemoryNetwork) -> None:
    answer = network.ask("recursive", "88.901.9/hosted")
    assert answer.code == ResponseCode.SUCCESS
    assert network.asked[-1] == ("optics", "88.901.9/hosted")


def test_service_handle_leads_to_the_site(network: MemoryNetwork) -> None:
    answer = network.ask("recursive", "88.902/x")
    assert answer.code == ResponseCode.SUCCESS
    assert ("optics", "88.901/SERVICE") in network.asked


def test_service_handles_in_a_circle_stop(network: MemoryNetwork) -> None:
    network.states["wuhan"].store.put_many(
        [
            ("0.NA/88.903", values(text_value(1, "HS_SERV", "88.904/S"))),
            ("0.NA/88.904", values(text_value(1, "HS_SERV", "88.903/S"))),
        ]
    )
    answer = network.ask("recursive", "88.903/x")
    assert answer.code in {ResponseCode.RECURSION_TOO_HIGH, ResponseCode.ERROR}
    assert len(network.asked) <= 16


def test_delegation_to_oneself_stops(network: MemoryNetwork) -> None:
    """Two nodes that refer 88.905 to each other: the work is bounded."""
    network.states["wuhan"].store.put_many(
        [("0.NA/88.905", values(site_value(2, "HS_SITE.PREFIX", network.site("wuhan"))))]
    )
    answer = network.ask("recursive", "88.905.1/x")
    assert answer.code != ResponseCode.SUCCESS
    assert len(network.asked) <= 16


def test_dead_node_gives_a_clear_error_within_the_deadline() -> None:
    network = four_tiers(deadline_s=3.0, ask_timeout_s=2.0)
    network.down.add("works")
    started = network.now

    answer = network.ask("recursive", "88.901.1/motor")

    assert answer.code == ResponseCode.ERROR
    assert isinstance(answer.body, ErrorAnswer)
    assert answer.body.message == "nobody answered for 88.901.1/motor: works did not answer"
    assert network.now - started <= 3.0
    assert answer.hops[-1].kind == "timeout"


def test_moved_enterprise_is_found_again(network: MemoryNetwork) -> None:
    """A cached route that no longer answers is looked up once more."""
    network.ask("recursive", "88.901.1/motor")
    moved = network.states["works"]
    network.endpoints["annex"] = network.endpoints["works"]
    network.down.add("works")
    network.states["optics"].store.put_many(
        [("0.NA/88.901.1", values(site_value(1, "HS_SITE", network.site("annex"))))]
    )
    assert moved.store.get("88.901.1/secret") is not None

    answer = network.ask("recursive", "88.901.1/secret")

    assert answer.code == ResponseCode.SUCCESS
    assert network.asked[-1] == ("annex", "88.901.1/secret")


def test_upper_tier_recurses_when_asked_to(network: MemoryNetwork) -> None:
    answer = network.ask("wuhan", "88.901.1/motor", flags=OpFlag.PUBL | OpFlag.RECU)
    assert answer.code == ResponseCode.SUCCESS
    assert network.asked == [("optics", "0.NA/88.901.1"), ("works", "88.901.1/motor")]


def test_upstreams_are_asked_for_no_more_than_the_question(network: MemoryNetwork) -> None:
    """No tier above the enterprise learns which identifier was asked for."""
    network.ask("recursive", "88.901.1/motor")
    for node, handle in network.asked:
        assert node == "works" or is_prefix_handle(handle)


def values(*items):
    from resolver.wire.values import ValueList

    return ValueList.of(items)


@pytest.mark.parametrize("handle", ["88.901.7/x", "88.901.7"])
def test_a_secondary_node_that_moved_is_found_again(network: MemoryNetwork, handle: str) -> None:
    """Its delegation is cached for an hour; a prefix below it is asked for the first time."""
    network.ask("recursive", "88.901.1/motor")
    old = network.states["optics"]
    network.add(
        "moved",
        "secondary",
        delegates=["88.901"],
        records=[("0.NA/88.901.7", [site_value(1, "HS_SITE", network.site("seventh"))])],
    )
    network.add(
        "seventh",
        "enterprise",
        homes=["88.901.7"],
        records=[("88.901.7/x", [text_value(1, "URL", "https://example.com/7")])],
    )
    moved = [site_value(2, "HS_SITE.PREFIX", network.site("moved"))]
    network.states["wuhan"].store.put_many([("0.NA/88.901", ValueList.of(moved))])
    network.down.add(old.name)
    network.asked.clear()

    assert network.ask("recursive", handle).code == ResponseCode.SUCCESS
    assert network.asked[:3] == [
        ("optics", "0.NA/88.901.7"),
        ("wuhan", "0.NA/88.901"),
        ("moved", "0.NA/88.901.7"),
    ]


def test_a_way_that_leads_nowhere_is_looked_for_once(network: MemoryNetwork) -> None:
    network.ask("recursive", "88.901.1/motor")
    network.down.add("optics")
    network.asked.clear()
    answer = network.ask("recursive", "88.901.7/x")
    assert answer.code == ResponseCode.ERROR
    assert network.asked == [
        ("optics", "0.NA/88.901.7"),
        ("wuhan", "0.NA/88.901"),
        ("optics", "0.NA/88.901.7"),
    ]


def test_an_old_route_serves_while_nobody_can_be_asked(network: MemoryNetwork) -> None:
    """The identifiers of a prefix resolve when the nodes above it are gone and its route is old."""
    state = network.states["recursive"]
    state.routes = RouteCache(
        1 << 20,
        ttl_cap_s=100,
        negative_ttl_s=60,
        hints=(Route("88", delegation=(network.site("wuhan"),)),),
        stale_s=1000,
    )
    assert network.ask("recursive", "88.901.1/motor").code == ResponseCode.SUCCESS
    network.now += 101
    network.down = {"wuhan", "optics"}
    network.asked.clear()

    answer = network.ask("recursive", "88.901.1/secret")

    assert answer.code == ResponseCode.SUCCESS
    assert network.asked == [("wuhan", "0.NA/88.901"), ("works", "88.901.1/secret")]
    assert state.counters.cache_lookups[("route", "stale")] == 1
    network.asked.clear()
    network.ask("recursive", "88.901.1/nothing")
    assert network.asked == [("works", "88.901.1/nothing")], "for a moment nobody else is asked"

    network.now += 10
    answer = network.ask("recursive", "88.901.1/secret", flags=OpFlag.PUBL | OpFlag.AUTH)
    assert answer.code == ResponseCode.ERROR, "an authoritative answer needs a fresh route"
    network.now += 1000
    assert network.ask("recursive", "88.901.1/new").code == ResponseCode.ERROR

    network.down = set()
    assert network.ask("recursive", "88.901.1/new").code == ResponseCode.HANDLE_NOT_FOUND
