"""The whole HTTP API of a running network, by what its description promises: schemathesis makes up
requests from it, good and bad ones, and looks at what comes back.

The same requests each time. Left out is the one operation that never ends (server-sent events).
"""

import base64
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgpack
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from resolver.client.samples import sample_key, sample_user
from resolver.transport.openapi import description
from tests.support.command import network, node_of

pytestmark = pytest.mark.slow

EXAMPLES = 8
PREFIX = "88.901.1"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-hdl-message")
def message(ctx: schemathesis.SerializationContext, value: object) -> bytes:
    """Octets that are no message, mostly."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


@schemathesis.serializer("application/msgpack", "application/x-msgpack", "application/vnd.msgpack")
def packed(ctx: schemathesis.SerializationContext, value: object) -> bytes:
    try:
        return bytes(msgpack.packb(value, unicode_errors="surrogateescape"))
    except OverflowError:  # a number that msgpack has no place for
        return b"\xc1"


DOCUMENT = json.loads(description())
METHODS = {path: {*whole, "options"} for path, whole in DOCUMENT["paths"].items()}
schema = schemathesis.openapi.from_dict(DOCUMENT)


@dataclass(frozen=True)
class Running:
    """Where the nodes are, and the console's token."""

    enterprise: str
    top: str
    token: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("api")
    source = folder / "api.toml"
    minimal = (Path(__file__).parents[2] / "config" / "minimal.toml").read_text(encoding="utf-8")
    source.write_text(minimal.replace("[network]\n", "[network]\nplain_passwords = true\n", 1))
    with network(folder / "data", "--config", str(source)) as data:
        enterprise, top = (
            f"http://127.0.0.1:{node_of(data, name)['http_port']}" for name in (PREFIX, "wuhan")
        )
        with urllib.request.urlopen(f"{top}/console", timeout=10) as page:
            (token,) = re.findall(r'console-token" content="(\w+)"', page.read().decode())
        yield Running(enterprise, top, token)


@schema.exclude(path="/console/events").parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(running: Running, case: schemathesis.Case):
    path = case.operation.path
    of_the_top = path.startswith("/console") or path == "/metrics/network"
    base = running.top if of_the_top else running.enterprise
    headers = {}
    if path.startswith("/console/"):
        headers = {"Origin": base, "X-Console-Token": running.token}
    elif case.operation.definition.raw.get("security"):
        headers = {"Authorization": basic()}
    response = case.call(base_url=base, headers=headers, allow_redirects=False)
    if case.method.lower() not in METHODS[path]:
        # 501 is what the reference server says; tests/vectors/http_rest.jsonl has it.
        assert response.status_code in (400, 404, 405, 415, 501)
        return
    case.validate_response(response, checks=CHECKS)


def basic() -> str:
    """The sample administrator of the enterprise's prefix."""
    user, key = sample_user(PREFIX), sample_key(PREFIX)
    name = quote(f"{user.index}:{user.handle}", safe="")
    return "Basic " + base64.b64encode(name.encode() + b":" + key.octets).decode()
