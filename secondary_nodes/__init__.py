"""The regional tier: secondary and enterprise roles, the roster of secondary nodes, sample records.

Everything here is fictional: the prefixes 88.901 … 88.912 are no allocation of anyone.
"""
