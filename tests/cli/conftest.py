"""Real nodes for the tests of this folder."""

from tests.support.live_network import foreign_network, network

__all__ = ["foreign_network", "network"]
