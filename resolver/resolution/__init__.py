"""Global resolution, sans-IO: from an identifier to its values through the tree of nodes."""

from resolver.resolution.resolution import (
    Limits,
    Question,
    Resolution,
    Routes,
)
from resolver.resolution.routing import route_from_values
from resolver.resolution.steps import Ask, Done, Reply, Step
from resolver.resolution.trace import site_label

__all__ = [
    "Ask",
    "Done",
    "Limits",
    "Question",
    "Reply",
    "Resolution",
    "Routes",
    "Step",
    "route_from_values",
    "site_label",
]
