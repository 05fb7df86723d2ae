"""Ready answers over HTTP equal those that the application makes, and are given no longer.

One node stands behind two doors, one of which has no ready answers; whatever is asked at both has
to come to the same status, headers and body.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.cache import BudgetCache
from resolver.model.value import HandleValue, Permission, TtlType
from resolver.storage.base import Change
from resolver.transport.http_hot import LONGEST_LOOK, MAX_BURST, MAX_LOOKS, HotRoute
from resolver.transport.ready import READY_S
from resolver.wire.values import ValueList
from tests.support.memory_network import MemoryNetwork, four_tiers, text_value
from tests.transport.raw_http import MOTOR, RawHttp, TwoDoors, get

HELD = "88.901.1/motor"
PATHS = [
    MOTOR,
    MOTOR,
    "/api/handles/88.901.1/MOTOR",
    "/api/handles/88.901.1%2Fmotor",
    "/api/handles/88.901.1/%6dotor",
    "/api/handles//88.901.1/motor",
    "/api/handles/88.901.1/secret",
    "/api/handles/88.901.1/dated",
    "/api/handles/88.901.1/none",
    "/api/handles/88.901.1/z%C3%A4hler",
    "/api/handles/88.901.1/Z%C3%84HLER",
    "/api/handles/88.901.1",
    "/api/handles/0.NA/88.901.1",
    "/api/handles/88.901.9/hosted",
    "/api/handles/0",
    "/api/handles/",
    "/api/handles/%ff",
    "/api/handles/%zz",
    "/api/handles/../handles/88.901.1/motor",
    MOTOR + "?type=URL",
    MOTOR + "?pretty",
    MOTOR + "?callback=f",
    MOTOR + "?publicOnly=false",
    MOTOR + "?auth",
    MOTOR + "?",
    MOTOR + "#x",
    "/api/site",
    "/api/nothing",
    "/88.901.1/motor",
]
HEADERS = [
    (),
    (),
    (),
    ("Accept: */*",),
    ("User-Agent: one", "Cookie: a=b"),
    ("Connection: keep-alive",),
    ("Connection: close",),
    ("Origin: https://app.example", "Accept-Encoding: gzip, deflate"),
    ("If-None-Match: *",),
    ('If-None-Match: "x", W/"y"',),
    ("If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT",),
    ("Range: bytes=0-9",),
    ("Expect: 100-something",),
    ("Authorization: Basic !",),
    ("Content-Length: 0",),
]


def network() -> MemoryNetwork:
    tree = four_tiers()
    until = tree.unix_now + 100
    dated = HandleValue(1, "URL", b"x", ttl=until, ttl_type=TtlType.ABSOLUTE, timestamp=1)
    tree.states["works"].store.put_many(
        [
            ("88.901.1/zähler", ValueList.of([text_value(1, "NAME", "Zähler ✓")])),
            ("88.901.1/dated", ValueList.of([dated])),
        ]
    )
    return tree


async def unreached(request: web.BaseRequest) -> web.StreamResponse:
    """The application behind a route that answers everything itself."""
    raise AssertionError(request.path)


@pytest.fixture
async def works() -> AsyncIterator[TwoDoors]:
    async with TwoDoors(network(), "works").open() as doors:
        yield doors


@pytest.fixture
async def recursive() -> AsyncIterator[TwoDoors]:
    async with TwoDoors(network(), "recursive").open() as doors:
        yield doors


# Equal


@pytest.mark.parametrize("name", ["works", "recursive", "optics"])
@settings(max_examples=25)
@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from(PATHS),
            st.sampled_from(HEADERS),
            st.sampled_from(["GET", "GET", "GET", "HEAD"]),
            st.sampled_from([0.0, 0.0, 0.0, 0.7, 1.0, 61.0, 601.0]),
            st.sampled_from([False, False, False, True]),
        ),
        max_size=30,
    ),
    passwords=st.booleans(),
)
def test_whatever_is_asked(name: str, asked: list[tuple], passwords: bool) -> None:
    async def run() -> None:
        doors = TwoDoors(network(), name)
        async with doors.open(passwords=passwords):
            for path, headers, method, later, change in asked:
                request = get(path, *headers, method=method)
                await doors.ordinary.ask(request)  # what is not known yet is resolved
                await doors.assert_equal(request)
                doors.tree.now += later
                if change:
                    text = f"https://example.com/{doors.tree.now}"
                    values = ValueList.of([text_value(1, "URL", text)])
                    doors.tree.states["works"].store.put_many([(HELD, values)])

    asyncio.run(run())


@pytest.mark.parametrize("name", ["works", "recursive"])
async def test_most_of_what_clients_ask_is_answered_so(name: str):
    async with TwoDoors(network(), name).open() as doors:
        for path in (MOTOR, "/api/handles/88.901.1%2FMoToR", "/api/handles/88.901.1/z%C3%A4hler"):
            for _ in range(2):
                await doors.ordinary.ask(get(path))
            await doors.hot.ask(get(path))
            before = doors.repeated
            assert (await doors.assert_equal(get(path))).status == 200
            assert doors.repeated == before + 1


async def test_a_request_of_another_look_is_answered_so_too(works: TwoDoors):
    await works.hot.ask(get())
    for number in range(5):
        await works.assert_equal(get(MOTOR, f"X-Request-Id: {number}"))
    assert works.repeated == 5


async def test_another_connection_knows_it_too(works: TwoDoors):
    await works.hot.ask(get())
    async with RawHttp(works.port) as other:
        assert (await other.ask(get())).status == 200
    assert works.repeated == 1


@pytest.mark.parametrize("header", sorted({*HEADERS} - {()}))
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_what_else_a_request_says(method: str, header: tuple[str, ...]):
    async with TwoDoors(network(), "works").open(passwords=True) as doors:
        for _ in range(2):
            await doors.hot.ask(get())
        for _ in range(2):
            await doors.assert_equal(get(MOTOR, *header, method=method))
            await doors.assert_equal(get())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_versions(works: TwoDoors, version: str):
    for _ in range(2):
        await works.hot.ask(get())
    for headers in ((), ("Connection: keep-alive",), ("Connection: close",)):
        await works.assert_equal(get(MOTOR, *headers, version=version))


# No longer than that


async def test_a_change_is_seen_at_once(works: TwoDoors):
    for _ in range(2):
        await works.hot.ask(get())
    store = works.state.store
    after = ValueList.of([text_value(1, "URL", "https://example.com/changed")])
    assert store.apply([Change(HELD, store.get(HELD), after)], 0) == [True]
    assert b"changed" in (await works.assert_equal(get())).body
    assert b"changed" in (await works.assert_equal(get())).body
    store.delete(HELD)
    assert (await works.assert_equal(get())).status == 404


async def test_a_record_that_is_no_longer_for_everybody(works: TwoDoors):
    for _ in range(2):
        await works.hot.ask(get())
    hidden = replace(text_value(2, "NOTE", "x"), permissions=Permission.ADMIN_READ)
    values = ValueList.of([text_value(1, "URL", "https://example.com/"), hidden])
    works.state.store.put_many([(HELD, values)])
    for _ in range(2):
        answer = await works.assert_equal(get())
        assert [value["index"] for value in json.loads(answer.body)["values"]] == [1]
    assert works.repeated == 1


async def test_a_prefix_that_moves(works: TwoDoors):
    for _ in range(2):
        await works.hot.ask(get())
    works.state.adopt("88.901.1", lives_here=False)
    assert (await works.hot.ask(get())).status == 400
    assert works.repeated == 1


async def test_own_records_are_looked_at_again_now_and_then(works: TwoDoors):
    for _ in range(2):
        await works.hot.ask(get())
    works.tree.now += READY_S + 1
    await works.assert_equal(get())
    assert works.repeated == 1
    await works.assert_equal(get())
    assert works.repeated == 2


async def test_what_is_cached_grows_old_and_expires(recursive: TwoDoors):
    for _ in range(3):
        await recursive.hot.ask(get())
    ages = []
    while recursive.repeated and len(ages) < 9:
        before = recursive.repeated
        answer = await recursive.assert_equal(get())
        if recursive.repeated == before:
            break
        ages.append(answer.headers["cache-control"])
        recursive.tree.now += 100
    # The shortest TTL of its values is 600.
    assert ages == [f"max-age={600 - 100 * number}" for number in range(6)]


async def test_a_cache_that_is_emptied(recursive: TwoDoors):
    for _ in range(4):
        await recursive.hot.ask(get())
    assert recursive.repeated
    before = recursive.repeated
    recursive.state.records.clear()
    await recursive.hot.ask(get())
    assert recursive.repeated == before


async def test_a_value_that_holds_until_a_date_is_told_by_the_second(works: TwoDoors):
    path = "/api/handles/88.901.1/dated"
    for left in (100, 99, 98):
        for _ in range(2):
            answer = await works.assert_equal(get(path))
            assert answer.headers["cache-control"] == f"max-age={left}"
        works.tree.now += 1
    assert works.repeated == 0


async def test_a_full_table_takes_no_room():
    doors = TwoDoors(network(), "works")
    doors.state.bodies = BudgetCache(100)
    async with TwoDoors(doors.tree, "works").open() as doors:
        for _ in range(3):
            await doors.assert_equal(get())
        assert doors.repeated == 0


async def test_looks_that_a_client_makes_up_take_no_room(works: TwoDoors):
    await works.hot.ask(get())
    ready = works.service.http_ready()
    assert ready is not None
    route, path = HotRoute(ready, web.Server(unreached).request_handler), MOTOR.encode()
    for _ in range(2):
        assert route.repeat(get()) == ([], 0)
        route.learn(get(), path)
    assert route.repeat(get())[1] == len(get())
    # Nobody uses them twice, so they make nobody forget others.
    for number in range(2 * MAX_LOOKS):
        route.learn(get(MOTOR, f"X-Request-Id: {number}"), path)
    assert route.repeat(get())[1] == len(get())
    for number in range(2 * MAX_LOOKS + 2):
        route.learn(get(MOTOR, f"X-Request-Id: {number // 2}"), path)
    assert route.repeat(get()) == ([], 0)
    long = get(MOTOR, "X-Long: " + "x" * LONGEST_LOOK)
    for _ in range(2):
        route.learn(long, path)
    assert route.repeat(long) == ([], 0)


async def test_so_much_at_once(works: TwoDoors):
    one = await works.hot.ask(get())
    ready = works.service.http_ready()
    assert ready is not None
    route = HotRoute(ready, web.Server(unreached).request_handler)
    for _ in range(2):
        route.learn(get(), MOTOR.encode())
    answers, at = route.repeat(get() * MAX_BURST)
    assert at == len(answers) * len(get())
    assert 0 < sum(map(len, answers)) - MAX_BURST < 2 * len(one.body) + 1000


# What HTTP caches are told


async def test_a_client_that_has_it_already(works: TwoDoors):
    answer = await works.assert_equal(get())
    tag = answer.headers["etag"]
    assert tag.startswith('"')
    for known in (tag, f'"x", W/{tag}', "*"):
        same = await works.assert_equal(get(MOTOR, f"If-None-Match: {known}"))
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
        assert same.headers["cache-control"] == answer.headers["cache-control"]
    other = await works.assert_equal(get(MOTOR, 'If-None-Match: "x"'))
    assert (other.status, other.body) == (200, answer.body)
    works.state.store.put_many([(HELD, ValueList.of([text_value(1, "URL", "https://e.com/")]))])
    assert (await works.assert_equal(get(MOTOR, f"If-None-Match: {tag}"))).status == 200


async def test_how_long_an_answer_may_be_kept(works: TwoDoors):
    for path, expected in (
        (MOTOR, "max-age=600"),
        (MOTOR + "?type=URL", "max-age=3600"),  # the cap; its TTL is a day
        (MOTOR + "?auth", "no-store"),
        (MOTOR + "?publicOnly=false", "no-store"),
        (MOTOR + "?trace", "no-store"),
        ("/api/handles/88.901.1/none", None),
        ("/api/site", None),
    ):
        answer = await works.hot.ask(get(path))
        assert answer.headers.get("cache-control") == expected
        assert ("etag" in answer.headers) == (expected is not None and "max-age" in expected)


async def test_what_somebody_may_read_is_not_kept():
    async with TwoDoors(network(), "works").open(passwords=True) as doors:
        path = "/api/handles/88.901.1/secret"
        # 2:88.901.1/secret, password "pass"
        somebody = get(path, "Authorization: Basic MiUzQTg4LjkwMS4xL3NlY3JldDpwYXNz")
        for _ in range(2):
            answer = await doors.assert_equal(somebody)
            assert answer.headers["cache-control"] == "no-store"
        assert doors.repeated == 0


# Counted


async def test_answers_are_counted():
    for name, hits in (("works", 0), ("recursive", 3)):
        async with TwoDoors(network(), name).open() as doors:
            for _ in range(3 if name == "recursive" else 1):
                await doors.hot.ask(get())
            counters, prefixes = doors.state.counters, doors.state.prefixes
            asked = counters.requests[1, "http", 1]
            looked = counters.cache_lookups.get(("leaf", "hit"), 0)
            dict(prefixes.take_answered())
            repeated = doors.repeated
            await doors.hot.send(get() + get())
            await doors.hot.response()
            await doors.hot.response()
            await doors.hot.ask(get(MOTOR, "X-Other: look"))
            assert doors.repeated == repeated + 3
            assert counters.requests[1, "http", 1] == asked + 3
            assert counters.cache_lookups.get(("leaf", "hit"), 0) == looked + hits
            assert dict(prefixes.take_answered()) == {prefixes.known(HELD): 3}
            assert b'class="http"' in doors.service.metrics()
