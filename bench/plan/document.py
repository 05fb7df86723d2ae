"""A plan as JSON has it; ``show`` prints the same for people."""

from math import ceil, isinf
from typing import Any

from bench.plan.calibration import Calibration
from bench.plan.demand import IDENTIFIERS_OF_ONE, Demand
from bench.plan.fleet import Fleet, Room, losses, memory_of
from bench.plan.sensitivity import effects


def document(demand: Demand, room: Room, plan: Fleet, calibration: Calibration) -> dict[str, Any]:
    """All of a plan; times in milliseconds, memory in bytes."""
    took = plan.latency
    assert took is not None
    per_node = memory_of(plan, room, calibration)
    busiest = demand.busiest_share() * demand.rate * plan.worker.cpu_us["enterprise"] / 1e6
    secondary = demand.rate * plan.worker.cpu_us["secondary"] / 1e6 / demand.secondaries
    top = demand.rate * plan.worker.cpu_us["top-level"] / 1e6
    nodes = plan.nodes + room.spare
    assumptions = effects(demand, room, calibration)
    return {
        "calibration": {
            "made": calibration.made.isoformat(),
            "machine": calibration.machine,
            "version": calibration.version,
            "quick": calibration.quick,
        },
        "demand": {
            "rate": demand.rate,
            "identifiers": demand.identifiers,
            "enterprises": demand.enterprises,
            "secondaries": demand.secondaries,
            "zipf_exponent": demand.exponent,
            "skew": demand.skew,
            "kinds": dict(demand.kinds),
            "paths": dict(demand.paths),
        },
        "tiers": {
            "recursive": {
                "nodes": nodes,
                "spare": room.spare,
                "cores": nodes * room.cores,
                "cores_needed": plan.cores["recursive"],
                "load": plan.load,
                "memory_a_node": per_node,
                "memory": per_node * nodes,
                "fits": per_node <= room.memory,
            },
            "top-level": {
                "nodes": max(1, ceil(top / room.load / room.cores)),
                "cores": max(1, ceil(top / room.load)),
                "cores_needed": plan.cores["top-level"],
                "load_of_one_core": top,
            },
            "secondary": {
                "nodes": demand.secondaries,
                "cores": demand.secondaries * max(1, ceil(secondary / room.load)),
                "cores_needed": plan.cores["secondary"],
                "load_of_one_core": secondary,
            },
            "enterprise": {
                "nodes": demand.enterprises,
                "cores_needed": plan.cores["enterprise"],
                "load_of_one_core_busiest": busiest,
                "disk": demand.identifiers * calibration.memory.stored * room.record,
            },
        },
        "hits": dict(plan.worker.hits),
        "answers": dict(plan.worker.parts),
        "cpu_us": dict(plan.worker.cpu_us),
        "latency_ms": {
            "mean": _ms(took.mean),
            "p50": _ms(took.p50),
            "p90": _ms(took.p90),
            "p99": _ms(took.p99),
        },
        "losing_a_node": losses(demand, room, plan, calibration),
        "assumptions": [
            {
                "what": effect.what,
                "value": effect.value,
                "cores_if_20_percent_lower": effect.lower,
                "cores_if_20_percent_higher": effect.higher,
            }
            for effect in assumptions
        ],
        "notes": _notes(demand, room, plan, calibration, busiest, secondary),
    }


def _ms(seconds: float) -> float | None:
    return None if isinf(seconds) else round(seconds * 1e3, 4)


def _notes(
    demand: Demand,
    room: Room,
    plan: Fleet,
    calibration: Calibration,
    busiest: float,
    secondary: float,
) -> list[str]:
    """What the reader should know of this plan."""
    notes = []
    if calibration.quick:
        notes.append("the calibration was a quick one: its figures are rough")
    if memory_of(plan, room, calibration) > room.memory:
        notes.append(
            "the caches do not fit into a machine's memory; make them smaller (--cache) or the"
            " machines larger (--memory)"
        )
    if busiest > room.load:
        notes.append(
            f"the busiest enterprise alone would take {busiest:.1f} cores, and an enterprise node"
            " has one process: put several servers behind its site, or keep its items longer"
        )
    if secondary > room.load:
        notes.append(
            f"a secondary node would take {secondary:.1f} cores, and it has one process: more"
            " secondary nodes, or larger caches of routes (--route-cache)"
        )
    if demand.identifiers / demand.enterprises > 100 * IDENTIFIERS_OF_ONE:
        notes.append("there are far more identifiers to an enterprise than is published")
    return notes
