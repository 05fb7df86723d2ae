"""The path of a resolution: as a node tells it, and as a walk from here finds it."""

import pytest

from resolver.client import Client, NotFound, Trace, trace
from resolver.client.trace import trace_from_json, trace_to_json
from resolver.model.errors import UpstreamError

HOP = {
    "node": "works",
    "address": "127.0.0.1:2801",
    "transport": "tcp",
    "question": "88.901.1/motor",
    "types": [],
    "kind": "answer",
    "code": 1,
    "target": "",
    "authoritative": True,
    "ttl": 600,
    "cached": False,
    "seconds": 0.001,
}
TOLD = {
    "responseCode": 1,
    "handle": "88.901.1/motor",
    "values": [
        {
            "index": 1,
            "type": "URL",
            "data": {"format": "string", "value": "https://example.com"},
            "ttl": 600,
            "timestamp": "2024-01-01T00:00:00Z",
        }
    ],
    "trace": {"server": "recursive", "cache": "miss", "seconds": 0.002, "ttl": 600, "hops": [HOP]},
}


def test_a_trace_from_json_and_back():
    told = trace_from_json("88.901.1/motor", TOLD, "127.0.0.1:8001")
    assert (told.node, told.cache, told.ttl, told.note) == ("recursive", "miss", 600, "")
    assert told.record is not None
    assert told.record.authoritative
    assert [value.text for value in told.record.values] == ["https://example.com"]
    assert trace_to_json(told) == {**TOLD["trace"], "address": "127.0.0.1:8001", "note": ""}


def test_a_trace_of_nothing_found():
    told = {"responseCode": 100, "handle": "88.901.1/x", "message": "?", "trace": TOLD["trace"]}
    read = trace_from_json("88.901.1/x", told, "127.0.0.1:8001")
    assert isinstance(read.error, NotFound)
    assert read.record is None


@pytest.mark.parametrize("told", [None, [], {}, {"trace": 1}, {"trace": {"hops": [{}]}}, "x"])
def test_json_of_another_shape_is_no_trace(told):
    with pytest.raises((KeyError, TypeError, ValueError)):
        trace_from_json("88.901.1/x", told, "127.0.0.1:8001")


async def traced(
    network, handle: str, name: str = "recursive", transport="tcp", **options
) -> Trace:
    address = network.address(name, transport)
    async with Client(address, transport=transport) as client:
        return await trace(client, handle, **options)


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_a_node_tells_its_own_path(network, transport):
    first = await traced(network, "88.901.1/motor", transport=transport)
    assert (first.node, first.cache, first.note) == ("recursive", "miss", "")
    assert first.record is not None
    assert len(first.record.values) == 3
    assert [hop.kind for hop in first.hops] == ["referral"] * 3 + ["answer"]
    again = await traced(network, "88.901.1/motor", transport=transport)
    assert (again.cache, again.hops) == ("hit", ())


async def test_the_path_to_nothing(network):
    told = await traced(network, "88.901.1/nothing")
    assert isinstance(told.error, NotFound)
    assert told.record is None
    assert told.hops[-1].kind == "not found"


async def test_types_indexes_and_authority_reach_the_server(network):
    await traced(network, "88.901.1/motor")
    told = await traced(network, "88.901.1/motor", types=("URL",), indexes=(2,), authoritative=True)
    assert told.record is not None
    assert [value.index for value in told.record.values] == [1, 2]
    assert told.hops


async def test_an_awkward_name_survives_the_url(network):
    told = await traced(network, "88.901.1/a%2F /标?#&")
    assert told.note == ""
    assert told.record is not None


async def test_a_foreign_server_is_traced_by_a_walk_from_here(foreign_network):
    told = await traced(foreign_network, "88.901.1/motor", "root")
    assert "walk from here" in told.note
    assert told.record is not None
    assert [hop.kind for hop in told.hops] == ["referral"] * 3 + ["answer"]
    nothing = await traced(foreign_network, "88.901.1/nothing", "root")
    assert isinstance(nothing.error, NotFound)


async def test_a_foreign_server_in_the_middle_still_shows_its_answer(foreign_network):
    told = await traced(foreign_network, "88.901.1/motor", "works")
    assert "leads nowhere" in told.note
    assert told.record is not None
    assert [hop.kind for hop in told.hops] == ["answer"]


async def test_a_client_that_walks_traces_its_walk(network):
    async with Client(hints={"": network.address("root")}) as client:
        told = await trace(client, "88.901.1/motor")
        missing = await trace(client, "88.901.1/nothing")
    assert [hop.node for hop in told.hops][1:] == ["wuhan", "optics", "works"]
    assert isinstance(missing.error, NotFound)


async def test_nobody_there():
    async with Client("127.0.0.1:1", timeout=0.5) as client:
        with pytest.raises(UpstreamError):
            await trace(client, "88.901.1/motor")
