"""The recursive node: holds nothing, resolves everything, remembers what it learnt (递归节点)."""

from resolver.node.role import Role

ROLE = Role("recursive", ("admission", "site-info", "forward"), always_recurse=True)
