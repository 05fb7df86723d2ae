"""The national top-level node: holds the routes of the secondary prefixes (国家顶级节点)."""

from resolver.node.role import Role

ROLE = Role(
    "top-level", ("admission", "site-info", "administer", "authority", "delegation", "forward")
)
