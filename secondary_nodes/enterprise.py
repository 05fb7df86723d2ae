"""The enterprise node: holds the identifiers of one enterprise (企业节点)."""

from resolver.node.role import Role

ROLE = Role(
    "enterprise", ("admission", "site-info", "administer", "authority", "delegation", "forward")
)
