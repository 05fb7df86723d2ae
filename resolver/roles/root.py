"""The root: holds the records of first-level prefixes (88, 86, 10) and refers to who has the rest.

Stands for the Global Handle Registry, as far as one region's sandbox needs it.
"""

from resolver.node.role import Role

ROLE = Role("root", ("admission", "site-info", "administer", "authority", "delegation", "forward"))
