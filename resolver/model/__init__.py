"""Identifiers, values and sites: the nouns of the system, with no octets and no I/O."""
