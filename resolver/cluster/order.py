"""What a supervisor is told to run."""

from dataclasses import dataclass

from resolver.topology.plan import DataPaths, Topology


@dataclass(frozen=True, slots=True)
class Order:
    """A network, where its files are, and the name of the configuration it came from."""

    topology: Topology
    data: DataPaths
    source: str
