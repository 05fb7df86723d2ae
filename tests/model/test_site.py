"""Which server of a site is responsible for a handle, and what interfaces it offers."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from resolver.model.site import Interface, Protocol, Purpose, Server, Site, server_index

CASES = json.loads(
    (Path(__file__).parents[1] / "vectors" / "server_selection.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_the_server_that_real_clients_choose(case: dict):
    assert server_index(case["handle"], case["hashOption"], case["servers"]) == case["server"]


def test_an_unknown_hash_option_means_the_whole_handle():
    assert server_index("88.118.8/demo", 9, 7) == server_index("88.118.8/demo", 2, 7)


def test_a_site_finds_its_server():
    servers = tuple(Server(n, ip_address(f"127.0.0.{n}"), b"", ()) for n in range(1, 8))
    assert Site(servers).server_for("88.118.8/demo") == servers[server_index("88.118.8/demo", 2, 7)]
    with pytest.raises(ValueError, match="no servers"):
        Site(()).server_for("88.118.8/demo")


def test_the_port_for_a_purpose():
    server = Server(
        1,
        ip_address("127.0.0.1"),
        b"",
        (
            Interface(Purpose.ADMIN, Protocol.TCP, 1),
            Interface(Purpose.BOTH, Protocol.TCP, 2),
            Interface(Purpose.QUERY, Protocol.UDP, 3),
        ),
    )
    assert server.port(Protocol.TCP) == 2
    assert server.port(Protocol.TCP, admin=True) == 1
    assert server.port(Protocol.UDP) == 3
    assert server.port(Protocol.UDP, admin=True) is None
    assert server.port(Protocol.HTTP) is None
