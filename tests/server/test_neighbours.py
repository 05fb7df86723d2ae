"""Where a node may ask others."""

from ipaddress import ip_network

from resolver.server.neighbours import allowed_networks
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.upstream.servers import LOOPBACK


def test_on_one_machine_nodes_ask_loopback_addresses_only():
    topology = expand(load_network("wuhan", environ={}))
    allowed = allowed_networks(topology.node("recursive"), topology)
    assert allowed == (*LOOPBACK, ip_network("127.0.0.1/32"))


def test_nodes_elsewhere_may_be_asked_where_the_configuration_has_them():
    """Nothing else of their networks: a site record comes from outside."""
    environ = {
        "WUHAN_NETWORK_ADVERTISE": "192.0.2.1",
        "WUHAN_LIMITS_NETWORKS": '["10.1.0.0/16", "fd00::/8"]',
    }
    topology = expand(load_network("minimal", environ=environ))
    assert allowed_networks(topology.node("recursive"), topology) == (
        *LOOPBACK,
        ip_network("192.0.2.1/32"),
        ip_network("10.1.0.0/16"),
        ip_network("fd00::/8"),
    )
