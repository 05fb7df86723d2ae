"""pyhandle as it is, reading and changing records over our HTTP door."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pyhandle.client.resthandleclient import RESTHandleClient
from pyhandle.handleclient import PyHandleClient
from pyhandle.handleexceptions import (
    HandleAlreadyExistsException,
    HandleAuthenticationError,
    HandleNotFoundException,
    HandleSyntaxError,
)

from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.transport.http import serve_http
from resolver.wire.typed import encode_admin, encode_vlist
from resolver.wire.values import ValueList
from tests.support.live_network import LiveNetwork, network

__all__ = ["network"]

HANDLE = "88.901.1/motor"
NODES = ["works", "recursive"]


@pytest.fixture(params=NODES)
def read(request: pytest.FixtureRequest, network: LiveNetwork) -> Callable[..., Any]:
    """Calls a method of pyhandle's client on a thread, beside the loop of the network."""
    url = f"http://{network.address(request.param, 'http')}"
    client = PyHandleClient("rest").instantiate_for_read_access(handle_server_url=url)

    async def call(method: str, *arguments: object) -> Any:
        return await asyncio.to_thread(getattr(client, method), *arguments)

    return call


async def test_a_record_as_a_dictionary(read):
    assert await read("retrieve_handle_record", HANDLE) == {
        "URL": "https://example.com/motor",
        "DESC": "电机",
        "url.mirror": "https://example.org/motor",
    }


async def test_a_record_as_json(read):
    record = await read("retrieve_handle_record_json", HANDLE)
    assert (record["responseCode"], record["handle"]) == (1, HANDLE)
    assert [value["index"] for value in record["values"]] == [1, 2, 3]
    assert record["values"][1]["ttl"] == 600


async def test_one_value(read):
    assert await read("get_value_from_handle", HANDLE, "URL") == "https://example.com/motor"
    assert await read("get_value_from_handle", HANDLE, "NOTHING") is None


async def test_a_record_longer_than_a_datagram(read):
    record = await read("retrieve_handle_record_json", "88.901.1/large")
    assert len(record["values"]) == 20


async def test_a_handle_that_does_not_exist(read):
    assert await read("retrieve_handle_record_json", "88.901.1/nothing") is None
    with pytest.raises(HandleNotFoundException):
        await read("get_value_from_handle", "88.901.1/nothing", "URL")


async def test_a_handle_that_is_none(read):
    with pytest.raises(HandleSyntaxError):
        await read("retrieve_handle_record", "no-slash")


USER, PASSWORD = "301:88.901.1/ADMIN", "sandbox"


@pytest.fixture
async def write(network: LiveNetwork) -> Callable[..., Any]:
    """Calls a method of pyhandle's client that knows its user's password."""
    url = await open_to_passwords(network)
    client = await asyncio.to_thread(
        PyHandleClient("rest").instantiate_with_username_and_password,
        url, USER, PASSWORD, HTTPS_verify=False,
    )  # fmt: skip

    async def call(method: str, *arguments: object, **options: object) -> Any:
        return await asyncio.to_thread(partial(getattr(client, method), *arguments, **options))

    return call


async def open_to_passwords(network: LiveNetwork) -> str:
    """The URL of a door of "works" that takes passwords over plain HTTP."""
    admin = encode_admin(AdminRecord(AdminRight.ALL, "88.901.1/ADMIN", 301))
    group = encode_vlist((Reference("88.901.1/ADMIN", 301),))
    network.states["works"].store.put_many(
        [
            (
                "88.901.1/ADMIN",
                ValueList.of(
                    [
                        HandleValue(1, "DESC", b"pyhandle asks whether its user exists"),
                        HandleValue(301, "HS_SECKEY", PASSWORD.encode(), permissions=12),
                    ]
                ),
            )
        ]
    )
    optics = network.states["optics"].store
    record = optics.get("0.NA/88.901.1")
    assert record is not None
    values = [*record, HandleValue(100, "HS_ADMIN", admin), HandleValue(200, "HS_VLIST", group)]
    optics.put_many([("0.NA/88.901.1", ValueList.of(values))])
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    door = await serve_http(network.services["works"], sock, passwords=True)
    network.running.push_async_callback(door.close)
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


async def test_a_life(write, read):
    made = "88.901.1/pump-9"
    assert await write("register_handle", made, "https://example.com/9", DESC="泵") == made
    assert await read("get_value_from_handle", made, "URL") == "https://example.com/9"
    with pytest.raises(HandleAlreadyExistsException):
        await write("register_handle", made, "https://example.com/other")
    await write("modify_handle_value", made, URL="https://example.com/new", NEW="more")
    record = await write("retrieve_handle_record", made)
    assert (record["URL"], record["NEW"], record["DESC"]) == (
        "https://example.com/new", "more", "泵",
    )  # fmt: skip
    await write("delete_handle_value", made, "NEW")
    assert await write("get_value_from_handle", made, "NEW") is None
    await write("delete_handle", made)
    assert await write("retrieve_handle_record_json", made) is None


async def test_a_wrong_password(network: LiveNetwork):
    url = await open_to_passwords(network)
    client = await asyncio.to_thread(
        PyHandleClient("rest").instantiate_with_username_and_password,
        url, USER, "guess", HTTPS_verify=False,
    )  # fmt: skip
    with pytest.raises(HandleAuthenticationError):
        await asyncio.to_thread(client.register_handle, "88.901.1/no", "https://example.com/")
    assert network.states["works"].store.get("88.901.1/no") is None


async def test_no_password_where_others_may_read_it(network: LiveNetwork):
    await open_to_passwords(network)
    url = f"http://{network.address('works', 'http')}"
    client = await asyncio.to_thread(
        PyHandleClient("rest").instantiate_with_username_and_password,
        url, USER, PASSWORD, HTTPS_verify=False,
    )  # fmt: skip
    with pytest.raises(HandleAuthenticationError):
        await asyncio.to_thread(client.register_handle, "88.901.1/no", "https://example.com/")
    assert network.states["works"].store.get("88.901.1/no") is None


async def test_through_the_plain_rest_client(network: LiveNetwork):
    url = f"http://{network.address('recursive', 'http')}"
    client = await asyncio.to_thread(
        RESTHandleClient.instantiate_for_read_access, handle_server_url=url
    )
    found = await asyncio.to_thread(client.retrieve_handle_record, HANDLE)
    assert found["URL"] == "https://example.com/motor"
