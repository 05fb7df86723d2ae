"""What makes a node a root, a top-level node, a secondary node, …"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """Configuration of the one ``Node`` class; never a subclass.

    Attributes:
        name: as in the configuration and in metrics.
        chain: stages in the order they are asked (``resolver.node.stages.STAGES``).
        always_recurse: resolve foreign identifiers even for clients that do not set RECU.
    """

    name: str
    chain: tuple[str, ...]
    always_recurse: bool = False
