"""Many identifiers in one request: every item is what a request for it alone would get, in the
order of the request, wherever it comes from."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.model.errors import UpstreamError
from resolver.resolution import Ask, Reply
from resolver.transport import http_batch
from resolver.transport.http_batch import MAX_ASKED, MAX_BODY, PART
from resolver.wire.batch import MAX_HANDLES
from resolver.wire.values import ValueList
from tests.support.memory_network import MemoryNetwork, four_tiers, text_value
from tests.transport.raw_http import MOTOR, RawHttp, Response, TwoDoors, exchanged, get

JSON, MSGPACK = "application/json", "application/msgpack"
HELD = "88.901.1/motor"
HANDLES = [
    HELD,
    HELD,
    "88.901.1/MOTOR",
    "88.901.1/secret",
    "88.901.1/none",
    "88.901.1/empty",
    "88.901.1/zähler",
    "88.901.1/Z\u00c4HLER",
    "88.901.1",
    "0.NA/88.901.1",
    "88.901.9/hosted",
    "88.902/x",
    "99.1/x",
    "0",
    "",
    "/",
    "88.901.1/" + "x" * 2040,
]


def network() -> MemoryNetwork:
    tree = four_tiers()
    tree.states["works"].store.put_many(
        [
            ("88.901.1/zähler", ValueList.of([text_value(1, "NAME", "Zähler ✓")])),
            ("88.901.1/empty", ValueList.of([])),
            *((f"88.901.1/{number}", ValueList.of([text_value(1, "URL", f"u{number}")]))
              for number in range(20)),
        ]
    )  # fmt: skip
    return tree


@pytest.fixture
async def works() -> AsyncIterator[TwoDoors]:
    async with TwoDoors(network(), "works").open() as doors:
        yield doors


@pytest.fixture
async def recursive() -> AsyncIterator[TwoDoors]:
    async with TwoDoors(network(), "recursive").open() as doors:
        yield doors


def post(body: bytes, media_type: str) -> bytes:
    head = (
        "POST /api/resolve HTTP/1.1\r\nHost: node\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask_json(client: RawHttp, document: Any) -> Any:
    response = await client.ask(post(json.dumps(document).encode(), JSON))
    assert (response.status, response.headers["content-type"]) == (200, JSON)
    return json.loads(response.body)


async def ask_msgpack(client: RawHttp, document: Any) -> list[Any]:
    response = await client.ask(post(msgpack.packb(document), MSGPACK))
    assert (response.status, response.headers["content-type"]) == (200, MSGPACK)
    unpacker = msgpack.Unpacker()
    unpacker.feed(response.body)
    return list(unpacker)


# Equal


@pytest.mark.parametrize("name", ["works", "recursive", "optics"])
@settings(max_examples=20)
@given(
    asked=st.lists(
        st.tuples(
            st.lists(st.sampled_from(HANDLES), max_size=12),
            st.sampled_from([0.0, 0.7, 61.0, 601.0]),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_items_are_what_a_get_shows(name: str, asked: list[tuple]) -> None:
    async def run() -> None:
        doors = TwoDoors(network(), name)
        async with doors.open():
            for handles, later, change in asked:
                items = await ask_json(doors.hot, handles)
                pairs = await ask_msgpack(doors.hot, handles)
                for handle, item, (code, values) in zip(handles, items, pairs, strict=True):
                    alone = await doors.ordinary.ask(get(f"/api/handles/{quote(handle, safe='')}"))
                    expected = json.loads(alone.body)
                    if not handle:
                        expected["handle"] = ""  # it is told in another way there
                    assert item == expected
                    assert code == item["responseCode"]
                    if "values" in item and code != 200:
                        assert len(ValueList.parse(values)) == len(item["values"])
                    else:
                        assert values == item.get("message", "")
                doors.tree.now += later
                if change:
                    text = f"https://example.com/{doors.tree.now}"
                    values = ValueList.of([text_value(1, "URL", text)])
                    doors.tree.states["works"].store.put_many([(HELD, values)])

    asyncio.run(run())


@pytest.mark.parametrize("name", ["works", "recursive"])
async def test_what_is_at_hand_is_taken_from_there(name: str):
    async with TwoDoors(network(), name).open() as doors:
        handles = [f"88.901.1/{number % 20}" for number in range(2 * PART + 7)]
        for _ in range(2):
            pairs = await ask_msgpack(doors.hot, handles)
        assert [ValueList.parse(values)[0].text for _, values in pairs] == [
            f"u{number % 20}" for number in range(2 * PART + 7)
        ]
        counters, prefixes = doors.state.counters, doors.state.prefixes
        dict(prefixes.take_answered())
        hits = counters.cache_lookups.get(("leaf", "hit"), 0)
        repeated, asked = doors.repeated, counters.requests[1, "http", 1]
        await ask_msgpack(doors.hot, handles)
        assert doors.repeated == repeated + len(handles)
        assert counters.requests[1, "http", 1] == asked + len(handles)
        assert dict(prefixes.take_answered()) == {prefixes.known(HELD): len(handles)}
        expected = len(handles) if name == "recursive" else 0
        assert counters.cache_lookups.get(("leaf", "hit"), 0) == hits + expected


async def test_a_change_is_seen_at_once(works: TwoDoors):
    await ask_msgpack(works.hot, [HELD])
    works.state.store.put_many([(HELD, ValueList.of([text_value(1, "URL", "changed")]))])
    ((code, values),) = await ask_msgpack(works.hot, [HELD])
    assert (code, [value.text for value in ValueList.parse(values)]) == (1, ["changed"])


async def test_a_question_about_some_values_leaves_nothing_behind(works: TwoDoors):
    assert len(json.loads((await works.hot.ask(get(MOTOR + "?type=URL"))).body)["values"]) == 1
    (item,) = await ask_json(works.hot, [HELD])
    assert [value["index"] for value in item["values"]] == [1, 2, 3]


@pytest.mark.parametrize("name", ["works", "recursive"])
async def test_some_values(name: str):
    async with TwoDoors(network(), name).open() as doors:
        for chosen, expected in (
            ({"types": ["URL"]}, [1]),
            ({"types": ["url."]}, [1, 3]),
            ({"indexes": [2]}, [2]),
            ({"types": ["URL"], "indexes": [2]}, [1, 2]),
            ({}, [1, 2, 3]),
        ):
            (item, none) = await ask_json(doors.hot, {"handles": [HELD, "88.901.1/none"], **chosen})
            assert [value["index"] for value in item["values"]] == expected
            assert none["responseCode"] == 100
            ((_, values), _) = await ask_msgpack(doors.hot, {"handles": [HELD, "x"], **chosen})
            assert ValueList.parse(values).indexes() == expected


async def test_many_of_the_same_are_resolved_once(recursive: TwoDoors):
    pairs = await ask_msgpack(recursive.hot, [HELD] * 500)
    assert {code for code, _ in pairs} == {1}
    assert [handle for node, handle in recursive.tree.asked if node == "works"] == [HELD]


async def test_where_requests_are_counted_by_client():
    tree = network()
    tree.states["works"].max_daily_requests = 3
    async with TwoDoors(tree, "works").open() as doors:
        pairs = await ask_msgpack(doors.hot, [HELD] * 5)
    assert [code for code, _ in pairs] == [1, 1, 1, 603, 603]


async def test_no_handles(works: TwoDoors):
    assert await ask_json(works.hot, []) == []
    assert await ask_json(works.hot, {"handles": []}) == []
    assert await ask_msgpack(works.hot, []) == []


async def test_as_many_as_are_allowed(works: TwoDoors):
    pairs = await ask_msgpack(works.hot, [HELD] * MAX_HANDLES)
    assert [code for code, _ in pairs] == [1] * MAX_HANDLES


async def test_octets_that_are_no_text(works: TwoDoors):
    handle = b"88.901.1/\xff\xfe"
    record = ValueList.of([text_value(1, "URL", "odd")])
    works.state.store.put_many([("88.901.1/\udcff\udcfe", record)])
    for _ in range(2):
        pairs = await ask_msgpack(works.hot, [HELD.encode(), handle, HELD])
        assert [code for code, _ in pairs] == [1, 1, 1]
        assert pairs[1][1] == record.octets


# In parts


class Held:
    """Upstreams that say nothing before they are free to."""

    def __init__(self, tree: MemoryNetwork) -> None:
        self.tree = tree
        self.is_free = True
        self.enough = asyncio.Event()
        self.asked: set[str] = set()
        self._waiting: list[Callable[[], object]] = []

    def ask(self, ask: Ask, heard: Callable[[Reply | UpstreamError], None]) -> None:
        self.asked.add(ask.handle)
        if len(self.asked) >= MAX_ASKED:
            self.enough.set()
        self._waiting.append(lambda: heard(exchanged(self.tree, ask)))
        if self.is_free:
            self.free()

    def free(self) -> None:
        """Say what there is to say, now and from now on."""
        self.is_free = True
        while self._waiting:
            asyncio.get_running_loop().call_soon(self._waiting.pop())


async def test_the_first_part_does_not_wait_for_the_second():
    tree = network()
    held = Held(tree)
    held.is_free = False
    async with TwoDoors(tree, "works", held).open() as doors:
        await doors.hot.send(post(msgpack.packb([HELD] * PART + ["88.902/x"]), MSGPACK))
        octets = b""
        while octets.count(b"https://example.com/motor") < PART:
            octets += await doors.hot.some_octets()
        held.free()


async def test_a_client_that_goes_away_stops_the_work():
    tree = network()
    held = Held(tree)
    async with TwoDoors(tree, "recursive", held).open() as doors:
        await ask_msgpack(doors.hot, [HELD])
        held.is_free = False
        held.asked.clear()
        handles = [f"88.901.1/none{number}" for number in range(3 * MAX_ASKED)]
        await doors.hot.send(post(msgpack.packb(handles), MSGPACK))
        await asyncio.wait_for(held.enough.wait(), 5)
        await doors.hot.close()
        await doors.ordinary.ask(get("/api/site"))  # by then the node knows
        held.free()
    assert len(held.asked) == MAX_ASKED


# Refused


@pytest.mark.parametrize(
    ("media_type", "body", "status", "text"),
    [
        ("text/plain", b"x", 415, "POST takes application/json or application/msgpack here"),
        ("application/x-www-form-urlencoded", b"handles=x", 415, "not application/x-www-form"),
        (JSON, b"", 400, "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (JSON, b'["a", ', 400, "the body is not JSON: Expecting value: line 1 column 7 (char 6)"),
        (JSON, b'["\xff"]', 400, "the body is not JSON: octet 2 is not UTF-8"),
        (JSON, b"[" * 100_000, 400, "nested too deeply"),
        (JSON, b"7", 400, "neither a list of handles nor an object with handles"),
        (JSON, b'{"handle": "a"}', 400, "neither a list of handles nor an object with handles"),
        (JSON, b'{"handles": "a"}', 400, "handles: a list is expected"),
        (JSON, b'["a", 7]', 400, "handles[1]: text is expected"),
        (JSON, b'["\\ud800"]', 400, "handles[0]: character 0 is not Unicode"),
        (JSON, b'{"handles": [], "types": ["a", "b\\ud800"]}', 400, "types[1]: character 1"),
        (JSON, b'{"handles": [], "indexes": [1, true]}', 400, "indexes[1]: a whole number"),
        (JSON, b'{"handles": [], "indexes": [2147483648]}', 400, "2147483648 is no 32-bit number"),
        (MSGPACK, b"", 400, "the body is not msgpack: it ends within what begins at octet 0"),
        (MSGPACK, b"\x92\xa1a\xa5b", 400, "it ends within what begins at octet 3"),
        (MSGPACK, b"\x92\xa1a\xc1", 400, "what begins at octet 3 cannot be read"),
        (MSGPACK, b"\x91\xa1a\xa1b", 400, "the body goes on behind its end, at octet 3"),
        (MSGPACK, b"\x91" * 5000 + b"\xc0", 400, "the body is not msgpack"),
        (MSGPACK, b"\xdd\xff\xff\xff\xff", 400, "the body is not msgpack"),
        (MSGPACK, b"\x81\x91\x01\x02", 400, "the body is not msgpack"),
        (MSGPACK, b"\x92\xa1a\x07", 400, "handles[1]: text is expected"),
        (MSGPACK, b"\x81\x01\x02", 400, "the body is not msgpack"),
        (MSGPACK, b"\x82\xa7handles\x90\xa5types\x91\x01", 400, "types[0]: text is expected"),
    ],
)
async def test_what_cannot_be_read(
    works: TwoDoors, media_type: str, body: bytes, status: int, text: str
):
    response = await works.hot.ask(post(body, media_type))
    shown = json.loads(response.body)
    assert (response.status, shown["responseCode"]) == (status, 4)
    assert text in shown["message"]
    assert (await works.hot.ask(get())).status == 200


async def test_too_much(works: TwoDoors):
    def refusal(response: Response) -> str:
        assert response.status == 413
        return json.loads(response.body)["message"]

    many = json.dumps(["x"] * (MAX_HANDLES + 1)).encode()
    assert refusal(await works.hot.ask(post(many, JSON))) == (
        "10001 handles, at most 10000 are answered at once"
    )
    assert str(MAX_BODY) in refusal(await works.hot.ask(post(b" " * (MAX_BODY + 1), JSON)))


async def test_methods(works: TwoDoors):
    preflight = await works.hot.ask(get("/api/resolve", method="OPTIONS"))
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert (await works.hot.ask(get("/api/resolve"))).status == 501


@pytest.mark.parametrize("media_type", ["application/x-msgpack", "application/vnd.msgpack"])
async def test_other_names_of_msgpack(works: TwoDoors, media_type: str):
    response = await works.hot.ask(post(msgpack.packb([HELD]), media_type))
    assert (response.status, response.headers["content-type"]) == (200, MSGPACK)


async def test_http_1_0(works: TwoDoors):
    body = json.dumps([HELD]).encode()
    request = post(body, JSON).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    async with RawHttp(works.port) as client:
        await client.send(request)
        head, _, items = (await client.everything()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert json.loads(items)[0]["handle"] == HELD


async def test_turns(works: TwoDoors, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_batch, "TURN", 1)
    pairs = await ask_msgpack(works.hot, [f"88.901.1/none{n}" for n in range(40)])
    assert [code for code, _ in pairs] == [100] * 40
