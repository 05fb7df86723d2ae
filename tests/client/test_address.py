"""Addresses as people write them."""

from ipaddress import ip_address

import pytest

from resolver.client.address import parse_address, site_at
from resolver.model.address import format_address
from resolver.model.errors import ConfigError, UpstreamError
from resolver.model.site import Protocol


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:3641", "127.0.0.1", 3641),
        ("node.example:1", "node.example", 1),
        ("node.example", "node.example", 2641),
        ("[::1]:3641", "::1", 3641),
        ("[::1]", "::1", 2641),
        ("::1", "::1", 2641),
    ],
)
def test_host_and_port(text: str, host: str, port: int):
    assert parse_address(text) == (host, port)
    assert parse_address(format_address(host, port)) == (host, port)


@pytest.mark.parametrize("text", ["", ":3641", "host:", "host:0", "host:65536", "host:x", "[]:1"])
def test_what_is_no_address(text: str):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(text)


async def test_a_site_for_one_transport():
    site = await site_at("127.0.0.1:8001", "http")
    (server,) = site.servers
    assert server.address == ip_address("127.0.0.1")
    assert (server.port(Protocol.HTTP), server.port(Protocol.TCP)) == (8001, None)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a\0b", "x" * 300])
async def test_an_unknown_host(host: str):
    with pytest.raises(UpstreamError, match="not known"):
        await site_at(f"{host}:1", "tcp")
