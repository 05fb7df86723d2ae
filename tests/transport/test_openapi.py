"""The description of the HTTP API is sound, complete, and what a node really does."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from resolver.__about__ import __version__
from resolver.console.pages import Console
from resolver.console.watch import Watch
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.transport.http import make_app
from resolver.transport.http_docs import page_of_api
from resolver.transport.openapi import description
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList
from tests.support.memory_network import four_tiers
from tests.transport.echo import Echo
from tests.transport.raw_http import MOTOR, RawHttp, Response, TwoDoors, get

DOCUMENT: dict[str, Any] = json.loads(description())
PATHS: dict[str, dict[str, Any]] = DOCUMENT["paths"]
OF_THE_CONSOLE = {path for path in PATHS if path.startswith("/console")}
METHODS = ("get", "head", "post", "put", "delete", "patch")

ELSEWHERE = {"/api", "/api/{rest}"}
"""Routes of what is not there."""
TUNNEL = "/{rest}"

TIME = 1_700_000_000
USER = "88.901.1/USER"
BASIC = "Authorization: Basic MzAwJTNBODguOTAxLjEvVVNFUjpzZWNyZXQ="  # 300%3A88.901.1/USER:secret
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def value(index: int, type_: str, data: bytes, **fields: int) -> HandleValue:
    return HandleValue(index, type_, data, timestamp=TIME, **fields)


@pytest.fixture
async def doors() -> AsyncIterator[TwoDoors]:
    tree = four_tiers()
    motor = [
        value(1, "URL", b"https://example.com/motor"),
        value(2, "DESC", "电机".encode(), ttl=600),
    ]
    admin = value(100, "HS_ADMIN", encode_admin(AdminRecord(AdminRight.ALL, USER, 300)))
    tree.states["works"].store.put_many(
        [
            ("88.901.1/motor", ValueList.of(motor)),
            ("88.901.1/pump", ValueList.of([*motor, admin])),
            ("88.901.1/page", ValueList.of([value(1, "DESC", b"no URL")])),
            (USER, ValueList.of([value(300, "HS_SECKEY", b"secret", permissions=0x0C)])),
        ]
    )
    async with TwoDoors(tree, "works").open(passwords=True) as opened:
        yield opened


def request(
    method: str, path: str, body: bytes = b"", media_type: str = JSON, *headers: str
) -> bytes:
    if body:
        headers = (*headers, f"Content-Type: {media_type}", f"Content-Length: {len(body)}")
    return get(path, *headers, method=method) + body


def examples_of(content: dict[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for example in content.get("examples", {}).values():
        yield example["value"]


def contents(node: Any) -> Iterator[dict[str, Any]]:
    """Everything with a schema in a part of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("schema"), dict):
            yield node
        for child in node.values():
            yield from contents(child)
    elif isinstance(node, list):
        for child in node:
            yield from contents(child)


def fits(schema: dict[str, Any], instance: Any) -> None:
    """Fails if ``instance`` is not what a schema of the document describes."""
    whole = {**schema, "components": DOCUMENT["components"]}
    assert [error.message for error in Draft202012Validator(whole).iter_errors(instance)] == []


def described(path: str, method: str, status: int) -> dict[str, Any]:
    """The response that the document has for this."""
    response = PATHS[path][method]["responses"][str(status)]
    if "$ref" in response:
        return DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response


# Sound


def test_it_is_openapi():
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["info"]["version"] == __version__


def test_examples_fit():
    number = 0
    for content in contents(DOCUMENT):
        for example in examples_of(content):
            fits(content["schema"], example)
            number += 1
    assert number > 8


# Complete


def console() -> Console:
    topology = expand(load_network("minimal", environ={}))
    return Console(Watch(topology, b"secret", "wuhan"), "token")


async def test_every_route_is_there():
    plain = make_app(Echo(), passwords=False)
    whole = make_app(Echo(), passwords=False, extend=console().extend)
    for app, expected in ((plain, set(PATHS) - OF_THE_CONSOLE), (whole, set(PATHS))):
        routes = {resource.canonical for resource in app.router.resources()}
        assert routes - ELSEWHERE - {TUNNEL} == expected


async def test_methods_of_the_console():
    app = make_app(Echo(), passwords=False, extend=console().extend)
    methods: dict[str, set[str]] = {path: set() for path in OF_THE_CONSOLE}
    for route in app.router.routes():
        assert route.resource is not None
        if route.resource.canonical in methods:
            methods[route.resource.canonical].add(route.method.lower())
    assert methods == {path: set(PATHS[path]) - {"parameters"} for path in OF_THE_CONSOLE}


def test_every_operation_is_on_the_page():
    page = page_of_api()
    for path, whole in PATHS.items():
        for method in set(whole) - {"parameters"}:
            assert f'<details id="{whole[method]["operationId"]}">' in page, (path, method)
    for name in DOCUMENT["components"]["schemas"]:
        assert f'<details id="schema-{name}">' in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    wanted = set(re.findall(r'href="#([^"]+)"', page))
    assert wanted - set(re.findall(r' id="([^"]+)"', page)) == set()


@pytest.mark.parametrize("path", sorted(set(PATHS) - OF_THE_CONSOLE))
@pytest.mark.parametrize("method", METHODS)
async def test_methods(doors: TwoDoors, path: str, method: str):
    where = path.format(handle="88.901.1/motor", prefix="88.901.7", user=f"300:{USER}")
    async with RawHttp(doors.port) as client:
        response = await client.ask(request(method.upper(), where))
    if method in PATHS[path]:
        assert response.status not in (405, 501)
        assert str(response.status) in PATHS[path][method]["responses"] or method == "head"
    else:
        assert response.status in (400, 404, 405, 415, 501)


# True


async def test_the_node_serves_it(doors: TwoDoors):
    response = await doors.hot.ask(get("/api/openapi.json"))
    assert json.loads(response.body) == DOCUMENT


async def test_examples_are_what_is_answered(doors: TwoDoors):
    shown = PATHS["/api/handles/{handle}"]["get"]["responses"]
    for handle, status in (("88.901.1/motor", "200"), ("88.901.1/nothing", "404")):
        response = await doors.hot.ask(get(f"/api/handles/{handle}"))
        (example,) = examples_of(shown[status]["content"][JSON])
        assert (str(response.status), json.loads(response.body)) == (status, example)
    many = PATHS["/api/resolve"]["post"]
    (asked,) = examples_of(many["requestBody"]["content"][JSON])
    (answered,) = examples_of(many["responses"]["200"]["content"][JSON])
    response = await doors.hot.ask(request("POST", "/api/resolve", json.dumps(asked).encode()))
    assert json.loads(response.body) == answered
    response = await doors.hot.ask(get("/api/prefixes"))
    (example,) = examples_of(PATHS["/api/prefixes"]["get"]["responses"]["200"]["content"][JSON])
    assert json.loads(response.body) == example


RECORD = "/api/handles/{handle}"
PUMP = "/api/handles/88.901.1/pump"
PUT_BODY = b'{"values":[{"index":7,"type":"URL","data":"https://example.com/pump"}]}'
VERIFY = f"/api/verifications/300:{USER}"
ANSWERED = [
    (RECORD, request("GET", PUMP), 200),
    (RECORD, request("GET", MOTOR + "?trace"), 200),
    (RECORD, request("GET", MOTOR + "?type=X"), 200),
    (RECORD, request("GET", MOTOR + "?callback=f"), 200),
    (RECORD, request("GET", "/api/handles/88.901.1/none"), 404),
    (RECORD, request("GET", "/api/handles//x"), 400),
    (RECORD, request("GET", MOTOR + "?index=x"), 400),
    (RECORD, get(MOTOR, "If-None-Match: *"), 304),
    (RECORD, get(MOTOR, "Authorization: Basic !"), 401),
    (RECORD, get(f"/api/handles/{USER}?publicOnly=false", BASIC), 403),
    (RECORD, request("POST", MOTOR, b"index=2", FORM), 200),
    (RECORD, request("POST", MOTOR, b'{"type":"URL"}'), 200),
    (RECORD, request("PUT", PUMP + "?index=various", PUT_BODY, JSON, BASIC), 201),
    (RECORD, request("PUT", PUMP, b"{"), 400),
    (RECORD, request("PUT", PUMP, b"[]"), 401),
    (RECORD, get(PUMP + "?index=2", BASIC, method="DELETE"), 200),
    (RECORD, request("DELETE", PUMP), 401),
    ("/api/handles", request("GET", "/api/handles?prefix=88.901.1"), 401),
    ("/api/handles", request("GET", "/api/handles"), 400),
    ("/api/resolve", request("POST", "/api/resolve", b'["88.901.1/motor", "88.901.1/x"]'), 200),
    ("/api/resolve", request("POST", "/api/resolve", b"7"), 400),
    ("/api/resolve", request("POST", "/api/resolve", b"7", "text/plain"), 415),
    ("/api/resolve", request("POST", "/api/resolve", b'["x"' + b',"x"' * 10_000 + b"]"), 413),
    ("/api/site", request("GET", "/api/site"), 200),
    ("/api/prefixes", request("GET", "/api/prefixes"), 200),
    ("/api/prefixes/{prefix}", request("POST", "/api/prefixes/88.901.7"), 401),
    ("/api/sessions", get("/api/sessions", BASIC, method="POST"), 201),
    ("/api/sessions/this", request("GET", "/api/sessions/this"), 403),
    ("/api/verifications/{user}", request("GET", VERIFY), 400),
    (
        "/api/verifications/{user}",
        request("GET", VERIFY + "?nonce=AA==&cnonce=AA==&alg=SHA256&signature=AA=="),
        200,
    ),
    ("/api/docs", request("GET", "/api/docs"), 200),
    ("/health", request("GET", "/health"), 200),
    ("/metrics", request("GET", "/metrics"), 200),
    ("/", request("GET", "/"), 200),
    ("/", request("POST", "/", b"x", "application/x-hdl-message"), 200),
    ("/", request("POST", "/", b"x"), 415),
    ("/{handle}", request("GET", "/88.901.1/motor"), 302),
    ("/{handle}", request("GET", "/88.901.1/page"), 200),
    ("/{handle}", request("GET", "/88.901.1/none"), 404),
]


@pytest.mark.parametrize(("path", "octets", "status"), ANSWERED)
async def test_answers_fit(doors: TwoDoors, path: str, octets: bytes, status: int):
    response: Response = await doors.hot.ask(octets)
    assert response.status == status
    method = octets.split(b" ")[0].decode().lower()
    shown = described(path, method, status)
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if not response.body:
        return
    content = shown["content"][media_type]
    if media_type == JSON:
        fits(content["schema"], json.loads(response.body))
