"""Real nodes for the tests of this folder."""

from tests.support.live_network import foreign_network, network
from tests.support.offline import paths, run

__all__ = ["foreign_network", "network", "paths", "run"]
