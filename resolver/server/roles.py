"""All roles by name, of whichever package."""

from collections.abc import Mapping
from typing import Final

from resolver.node.role import Role
from resolver.roles import recursive, root, top_level
from secondary_nodes import enterprise, secondary

ROLES: Final[Mapping[str, Role]] = {
    module.ROLE.name: module.ROLE for module in (root, top_level, secondary, enterprise, recursive)
}
