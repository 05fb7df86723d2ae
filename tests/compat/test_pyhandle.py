"""pyhandle as it is, reading records over our HTTP door."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pyhandle.client.resthandleclient import RESTHandleClient
from pyhandle.handleclient import PyHandleClient
from pyhandle.handleexceptions import HandleNotFoundException, HandleSyntaxError

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


async def test_through_the_plain_rest_client(network: LiveNetwork):
    url = f"http://{network.address('recursive', 'http')}"
    client = await asyncio.to_thread(
        RESTHandleClient.instantiate_for_read_access, handle_server_url=url
    )
    found = await asyncio.to_thread(client.retrieve_handle_record, HANDLE)
    assert found["URL"] == "https://example.com/motor"
