"""The roles of the upper tiers, one a file; the lower ones stand in ``secondary_nodes``."""
