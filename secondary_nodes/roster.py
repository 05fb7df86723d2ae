"""The twelve secondary nodes of the default network, one per leading industry of the region.

Fictional: operators, industries and prefixes of the region's real secondary nodes are not public,
so the names follow its industries and the prefixes are no allocation of anyone.
"""

from dataclasses import dataclass
from typing import Final

from resolver.model.handle import ancestors, fold
from secondary_nodes.industries import INDUSTRIES, Industry

MARK: Final = "示例，虚构 / fictional sample"
"""What every description of an invented prefix or product says."""


@dataclass(frozen=True, slots=True)
class SecondaryNode:
    """One row of the roster.

    Attributes:
        name: of the node, and of its industry.
        prefix: what it delegates below.
        enterprises: how many enterprise nodes stand below it in the default network.
    """

    name: str
    prefix: str
    enterprises: int

    @property
    def industry(self) -> Industry:
        """The vocabulary of its industry."""
        return INDUSTRIES[self.name]

    @property
    def title(self) -> str:
        """Chinese name of the industry, marked as fictional."""
        return f"{self.industry.chinese} (fictional)"

    def enterprise_prefixes(self) -> tuple[str, ...]:
        """``88.901.1`` … in order."""
        return tuple(f"{self.prefix}.{number}" for number in range(1, self.enterprises + 1))


ROSTER: Final = (
    SecondaryNode("optics", "88.901", 9),
    SecondaryNode("chips", "88.902", 9),
    SecondaryNode("displays", "88.903", 9),
    SecondaryNode("terminals", "88.904", 9),
    SecondaryNode("beidou", "88.905", 8),
    SecondaryNode("automotive", "88.906", 8),
    SecondaryNode("biomedicine", "88.907", 8),
    SecondaryNode("shipbuilding", "88.908", 8),
    SecondaryNode("steel", "88.909", 8),
    SecondaryNode("chemicals", "88.910", 8),
    SecondaryNode("food", "88.911", 8),
    SecondaryNode("general", "88.912", 8),
)

_BY_PREFIX: Final = {node.prefix: node for node in ROSTER}


def industry_of(prefix: str) -> Industry:
    """The industry of the roster's node at or above ``prefix``, else the general one."""
    folded = fold(prefix)
    for candidate in (folded, *ancestors(folded)):
        if candidate in _BY_PREFIX:
            return _BY_PREFIX[candidate].industry
    return INDUSTRIES["general"]
