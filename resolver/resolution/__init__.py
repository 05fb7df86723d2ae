"""Global resolution, sans-IO: from an identifier to its values through the tree of nodes."""

from resolver.resolution.knowledge import Nearness, Routes
from resolver.resolution.process import Plan, Process, Stop
from resolver.resolution.question import Limits, Question
from resolver.resolution.resolution import Resolution
from resolver.resolution.routing import route_from_values
from resolver.resolution.steps import Ask, Commit, Done, Outcome, Reply, Step, Work
from resolver.resolution.trace import site_label

__all__ = [
    "Ask",
    "Commit",
    "Done",
    "Limits",
    "Nearness",
    "Outcome",
    "Plan",
    "Process",
    "Question",
    "Reply",
    "Resolution",
    "Routes",
    "Step",
    "Stop",
    "Work",
    "route_from_values",
    "site_label",
]
