"""Names of nodes in DNS, and the addresses that take their place."""

import socket

import pytest

from resolver.cluster.names import address_of, with_addresses
from resolver.model.errors import ConfigError
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import Topology


def topology(advertise: str) -> Topology:
    environ = {"WUHAN_NETWORK_ADVERTISE": advertise}
    return expand(load_network("minimal", environ=environ))


def test_addresses_are_asked_nobody():
    network = topology("192.0.2.1")
    assert with_addresses(network, lookup=lambda name: pytest.fail(name)) is network


def test_each_node_has_the_address_of_its_own_name():
    known = {
        "net-root": "10.0.0.1",
        "net-wuhan": "10.0.0.2",
        "net-recursive": "10.0.0.3",
        "net-optics": "10.0.0.4",
        "net-88-901-1": "10.0.0.5",
    }
    found = with_addresses(topology("net-{node}"), lookup=known.__getitem__)
    assert {node.host: node.advertise for node in found.nodes} == known


def test_a_name_that_is_known_a_little_later():
    answers = iter([socket.gaierror(socket.EAI_AGAIN, "not yet"), "10.0.0.1"])

    def lookup(name: str) -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert with_addresses(topology("network"), lookup=lookup).nodes[0].advertise == "10.0.0.1"


def test_a_name_that_is_never_known():
    def lookup(name: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(ConfigError, match=r"'network' has no IPv4 address \(Name or service"):
        with_addresses(topology("network"), lookup=lookup, patience_s=0.0)


def test_the_system_s_resolver():
    assert address_of("localhost") == "127.0.0.1"
