"""What changes slowly: which nodes there are, and how the secondary nodes stand beside each
other."""

from collections.abc import Iterable, Mapping
from typing import Any

from resolver.model.handle import fold, is_under
from resolver.model.target import TARGET
from resolver.topology.plan import NodeSpec, Topology


def topology_of(topology: Topology, name: str) -> dict[str, Any]:
    """The nodes of a network, for the console that the node called ``name`` shows."""
    return {
        "network": topology.name,
        "console": name,
        "target": TARGET,
        "nodes": [
            {
                "name": spec.name,
                "role": spec.role,
                "title": spec.title,
                "prefix": spec.prefix,
                "parent": spec.parent,
                "host": spec.advertise,
                "port": spec.port,
                "httpPort": spec.http_port,
                "process": spec.process,
                "workers": spec.workers,
            }
            for spec in topology.nodes
        ],
    }


def ranking_of(
    topology: Topology, rows: Iterable[Any], records: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The secondary nodes by the resolutions of identifiers below them.

    Args:
        rows: prefix, requests, successes, created and deleted, of the whole tree.
        records: in the store of each node.
    """
    found = list(rows)
    ranking = []
    for spec in topology.nodes:
        if spec.role != "secondary":
            continue
        below = [node.name for node in topology.nodes if node.parent == spec.name]
        mine = [row for row in found if _belongs(row[0], spec)]
        ranking.append(
            {
                "node": spec.name,
                "enterprises": len(below),
                "records": sum(records.get(name, 0) for name in below),
                "requests": sum(row[1] for row in mine),
                "successes": sum(row[2] for row in mine),
                "registered": sum(row[3] - row[4] for row in mine),
            }
        )
    ranking.sort(key=lambda row: (-row["requests"], -row["records"], row["node"]))
    return ranking


def _belongs(prefix: str, spec: NodeSpec) -> bool:
    own = fold(spec.prefix)
    return bool(own) and (fold(prefix) == own or is_under(fold(prefix), own))
