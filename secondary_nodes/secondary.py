"""The secondary node: holds the routes of an industry's enterprises, and the records of those it
hosts (二级节点)."""

from resolver.node.role import Role

ROLE = Role(
    "secondary", ("admission", "site-info", "administer", "authority", "delegation", "forward")
)
