"""The HTTP door: what it says to whom (docs/protocol.md §13)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.value import HandleValue
from resolver.transport.http import MAX_BODY, MEDIA_TYPE
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.values import ValueList
from tests.support.live_network import LiveNetwork, network

__all__ = ["network"]

MOTOR = "/api/handles/88.901.1/motor"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict:
        assert self.headers["Content-Type"] == "application/json;charset=utf-8"
        return json.loads(self.text)


class Browser:
    """Asks one node over HTTP; paths are sent as they are written."""

    def __init__(self, session: aiohttp.ClientSession, network: LiveNetwork) -> None:
        self.session = session
        self.network = network

    async def get(
        self, path: str, *, node: str = "works", method: str = "GET", **options: object
    ) -> Answer:
        url = URL(f"http://{self.network.address(node, 'http')}{path}", encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            octets = await response.read()
            return Answer(
                response.status, dict(response.headers), octets.decode("utf-8", "replace")
            )


@pytest.fixture
async def browser(network: LiveNetwork) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(session, network)


def indexes(answer: Answer) -> list[int]:
    return [value["index"] for value in answer.json["values"]]


# Records


@pytest.mark.parametrize("node", ["works", "recursive", "optics"])
async def test_a_record(browser: Browser, node: str):
    answer = await browser.get(MOTOR, node=node)
    if node == "optics":
        # This network's upper tiers do not recurse; they say where to ask.
        assert (answer.status, answer.json["responseCode"]) == (300, 302)
        assert answer.json["values"][0]["data"]["format"] == "site"
        return
    assert answer.status == 200
    assert (answer.json["responseCode"], answer.json["handle"]) == (1, "88.901.1/motor")
    assert indexes(answer) == [1, 2, 3]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?type=URL", [1]),
        ("?type=url.", [1, 3]),
        ("?index=2&index=3", [2, 3]),
        ("?type=DESC&index=1", [1, 2]),
        ("?publicOnly=false", [1, 2, 3]),
        ("?auth", [1, 2, 3]),
        ("?somethingelse=1", [1, 2, 3]),
    ],
)
async def test_parameters(browser: Browser, query: str, expected: list[int]):
    assert indexes(await browser.get(MOTOR + query)) == expected


@pytest.mark.parametrize(
    ("path", "handle"),
    [
        ("/api/handles/88.901.1%2Fmotor", "88.901.1/motor"),
        ("/api/handles/88.901.1/MOTOR", "88.901.1/MOTOR"),
        ("/api/handles/88.901.1/a%252F%20%2F%E6%A0%87%3F%23%26", "88.901.1/a%2F /标?#&"),
    ],
)
async def test_a_handle_in_the_path(browser: Browser, path: str, handle: str):
    answer = await browser.get(path)
    assert (answer.status, answer.json["handle"]) == (200, handle)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/handles/88.901.1/nothing", 404, 100),
        ("/api/handles/99.1/x", 400, 301),
        (MOTOR + "?type=NOPE", 200, 200),
        ("/api/handles/", 400, 102),
        ("/api/handles/%ff%fe", 400, 4),
        (MOTOR + "?index=abc", 400, 4),
        (MOTOR + "?index=99999999999", 400, 4),
        (MOTOR + "?callback=alert(1)//", 400, 4),
        ("/api/nothing", 404, 4),
        ("/api", 404, 4),
        ("/api/handles?prefix=88.901.1", 403, 402),
    ],
)
async def test_what_is_refused(browser: Browser, path: str, status: int, code: int):
    answer = await browser.get(path)
    assert (answer.status, answer.json["responseCode"]) == (status, code)


async def test_an_identifier_may_have_a_line_break(browser: Browser):
    answer = await browser.get("/api/handles/88.901.1/a%0Ab")
    assert (answer.status, answer.json["responseCode"]) == (404, 100)
    assert answer.json["handle"] == "88.901.1/a\nb"
    page = await browser.get("/88.901.1/a%0Ab")
    assert page.status == 404
    assert "handle not found" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", MOTOR, 400),
        ("DELETE", MOTOR, 403),
        ("PATCH", MOTOR, 501),
        ("POST", "/api/prefixes/88.1", 403),
        ("GET", "/api/prefixes/88.1", 405),
        ("DELETE", "/api/site", 501),
        ("POST", "/api/prefixes", 501),
        ("PUT", "/88.901.1/motor", 405),
    ],
)
async def test_methods(browser: Browser, method: str, path: str, status: int):
    assert (await browser.get(path, method=method)).status == status


async def test_head_and_options(browser: Browser):
    head = await browser.get(MOTOR, method="HEAD")
    assert (head.status, head.text) == (200, "")
    origin = {"Origin": "https://app.example"}
    options = await browser.get(MOTOR, method="OPTIONS", headers=origin)
    assert options.status == 200
    assert options.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "GET" in options.headers["Access-Control-Allow-Methods"]


async def test_post_asks_too(browser: Browser):
    form = await browser.get(MOTOR, method="POST", data={"index": "2"})
    assert indexes(form) == [2]
    body = await browser.get(MOTOR, method="POST", json={"index": [1, 2], "publicOnly": True})
    assert indexes(body) == [1, 2]
    odd = await browser.get(
        MOTOR,
        method="POST",
        data=b"index=\xa4",
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    assert odd.status == 400
    for octets in (b"[", b"[1]", b'"x"', b"[" * 100_000, b'{"type": "\\ud800"}'):
        wrong = await browser.get(
            MOTOR, method="POST", data=octets, headers={"Content-Type": "application/json"}
        )
        assert (wrong.status, wrong.json["responseCode"]) == (400, 4)


async def test_pretty(browser: Browser):
    assert (await browser.get(MOTOR + "?pretty")).text.startswith('{\n  "responseCode": 1,\n')
    assert (await browser.get(MOTOR + "?pretty=false")).text.startswith('{"responseCode":1,')


async def test_a_call_of_a_function(browser: Browser):
    answer = await browser.get(MOTOR + "?callback=app.show&index=1")
    assert answer.headers["Content-Type"] == "application/javascript;charset=utf-8"
    assert answer.text.startswith('app.show({"responseCode":1,')
    assert answer.text.endswith("});")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_way_of_an_answer(browser: Browser):
    cold = await browser.get(MOTOR + "?trace=true", node="recursive")
    trace = cold.json["trace"]
    assert (trace["server"], trace["cache"]) == ("recursive", "miss")
    assert [(hop["node"], hop["kind"]) for hop in trace["hops"]] == [
        ("root", "referral"),
        ("wuhan", "referral"),
        ("optics", "referral"),
        ("works", "answer"),
    ]
    again = await browser.get(MOTOR + "?trace=true", node="recursive")
    assert (again.json["trace"]["cache"], again.json["trace"]["hops"]) == ("hit", [])
    assert "trace" not in (await browser.get(MOTOR, node="recursive")).json


# The node


async def test_site_and_prefixes(browser: Browser):
    site = (await browser.get("/api/site")).json["site"]
    assert site["attributes"] == [{"name": "name", "value": "works"}]
    assert site["servers"][0]["address"] == "127.0.0.1"
    assert (await browser.get("/api/prefixes")).json == {
        "responseCode": 1,
        "totalCount": "1",
        "prefixes": ["0.NA/88.901.1"],
    }


async def test_pages(browser: Browser):
    home = await browser.get("/")
    assert (home.status, home.headers["Content-Type"]) == (200, "text/html;charset=utf-8")
    assert "Node works" in home.text
    assert (await browser.get("/health")).json["status"] == "ok"


async def test_metrics_count(browser: Browser):
    for _ in range(3):
        await browser.get(MOTOR)
    text = (await browser.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (asked,) = [s for s in families["wuhan_requests"].samples if s.labels["op"] == "resolve"]
    assert asked.labels == {
        "node": "works",
        "role": "enterprise",
        "op": "resolve",
        "transport": "http",
        "code": "success",
    }
    assert asked.value == 3


# Browsers


@pytest.mark.parametrize("path", ["/88.901.1/motor", "/88.901.1%2Flatest"])
async def test_a_browser_is_sent_to_the_url(browser: Browser, path: str):
    answer = await browser.get(path, node="recursive")
    assert (answer.status, answer.headers["Location"]) == (302, "https://example.com/motor")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/88.901.1/large", 200, "<td>NOTE</td>"),
        ("/88.901.1/nothing", 404, "88.901.1/nothing"),
        ("/88.901.1/dangling", 404, "88.901.1/dangling"),
        ("/88.901.1/loop0", 200, "<td>HS_ALIAS</td>"),
        ("/88.901.1/%3Cscript%3E", 404, "&lt;script&gt;"),
        ("/%ff", 400, "not UTF-8"),
    ],
)
async def test_a_browser_sees_a_page(browser: Browser, path: str, status: int, text: str):
    answer = await browser.get(path, node="recursive")
    assert answer.status == status
    assert text in answer.text
    assert "<script>" not in answer.text
    assert "Location" not in answer.headers


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example/", ""])
async def test_a_browser_is_sent_to_nothing_else(browser: Browser, url: str):
    state = browser.network.states["works"]
    state.store.put_many([("88.901.1/odd", ValueList.of([HandleValue(1, "URL", url.encode())]))])
    answer = await browser.get("/88.901.1/odd")
    assert (answer.status, answer.headers.get("Location")) == (200, None)


async def test_a_url_cannot_add_headers(browser: Browser):
    url = "https://example.com/\r\nSet-Cookie: a=b"
    state = browser.network.states["works"]
    state.store.put_many([("88.901.1/odd", ValueList.of([HandleValue(1, "URL", url.encode())]))])
    answer = await browser.get("/88.901.1/odd")
    assert "Set-Cookie" not in answer.headers
    assert answer.status in (200, 302)


# The tunnel


def request(handle: str) -> bytes:
    return encode_message(
        Message(
            envelope=Envelope(request_id=7),
            op_code=OpCode.RESOLVE,
            flags=OpFlag.PUBL | OpFlag.RECU,
            body=ResolveRequest(handle),
        )
    )


@pytest.mark.parametrize("path", ["/", "/88.901.1%2Fmotor", "/anything"])
async def test_a_message_in_a_post(browser: Browser, path: str):
    url = f"http://{browser.network.address('recursive', 'http')}{path}"
    async with browser.session.post(
        url, data=request("88.901.1/motor"), headers={"Content-Type": MEDIA_TYPE}
    ) as response:
        assert (response.status, response.content_type) == (200, MEDIA_TYPE)
        reply = decode_message(await response.read())
    assert (reply.envelope.request_id, reply.response_code) == (7, ResponseCode.SUCCESS)
    assert isinstance(reply.body, RecordAnswer)


@pytest.mark.parametrize("octets", [b"", b"x", request("88.901.1/motor")[:-9]])
async def test_a_message_that_is_none(browser: Browser, octets: bytes):
    url = f"http://{browser.network.address('works', 'http')}/"
    async with browser.session.post(
        url, data=octets, headers={"Content-Type": MEDIA_TYPE}
    ) as response:
        assert response.status == 200
        reply = decode_message(await response.read())
    assert reply.response_code in (ResponseCode.ERROR, ResponseCode.PROTOCOL_ERROR)


async def test_a_post_of_something_else(browser: Browser):
    answer = await browser.get("/88.901.1/motor", method="POST", data=b"hello")
    assert answer.status == 415
    assert MEDIA_TYPE in answer.text


async def test_a_body_that_is_too_long(browser: Browser):
    answer = await browser.get(
        "/", method="POST", data=b"x" * (MAX_BODY + 1), headers={"Content-Type": MEDIA_TYPE}
    )
    assert answer.status == 413
    assert str(MAX_BODY) in answer.text


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\nmore",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http(browser: Browser, octets: bytes, caplog: pytest.LogCaptureFixture):
    host, port = browser.network.address("works", "http").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(octets)
    writer.write_eof()
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    await writer.wait_closed()
    assert (await browser.get(MOTOR)).status == 200
    assert [record for record in caplog.records if record.exc_info] == []
