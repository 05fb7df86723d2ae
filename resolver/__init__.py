"""Identifier resolution for the industrial internet: engine, national top node, recursive node."""
