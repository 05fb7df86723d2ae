"""Plans, calibrations and validations as people read them."""

from collections.abc import Mapping
from math import isinf
from typing import Any, Final

import click

from bench.plan.calibration import LATENCIES, PATHS, ROLES, Calibration
from resolver.cli import output

_SHOWN: Final = 6
"""Assumptions that are shown; JSON has all."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP: Final = 1024
_WORDS: Final = {
    "udp": "from the cache, UDP",
    "udp-many": "from the cache, UDP",
    "tcp": "from the cache, TCP",
    "http": "from the cache, HTTP",
    "batch": "from the cache, batches",
    "not-found": "known not to exist",
    "malformed": "malformed",
    "cold-1": "one node asked",
    "cold-2": "two nodes asked",
    "cold-3": "three nodes asked",
    "missing-1": "found not to exist",
}


def show(plan: Mapping[str, Any]) -> None:
    """A plan."""
    demand, tiers = plan["demand"], plan["tiers"]
    click.echo(
        f"  {demand['rate']:,.0f} questions a second about {demand['identifiers']:,.0f} identifiers"
        f" of {demand['enterprises']:,.0f} enterprises, {demand['secondaries']:,.0f} secondary"
        " nodes"
    )
    click.echo()
    recursive, enterprise = tiers["recursive"], tiers["enterprise"]
    rows = [
        (
            "recursive",
            f"{recursive['nodes']:,}",
            f"{recursive['cores']:,}",
            f"{recursive['cores_needed']:,.1f}",
            f"{recursive['load']:.0%}",
            size(recursive["memory_a_node"]),
        ),
        *(
            (
                name,
                f"{tiers[name]['nodes']:,.0f}",
                f"{tiers[name]['cores']:,.0f}",
                f"{tiers[name]['cores_needed']:,.1f}",
                f"{tiers[name]['load_of_one_core']:.0%}",
                "-",
            )
            for name in ("top-level", "secondary")
        ),
        (
            "enterprise",
            f"{enterprise['nodes']:,.0f}",
            "-",
            f"{enterprise['cores_needed']:,.1f}",
            f"{enterprise['load_of_one_core_busiest']:.0%}",
            f"{size(enterprise['disk'])} on disk, all",
        ),
    ]
    heads = ("TIER", "NODES", "CORES", "NEEDED", "LOAD", "MEMORY A NODE")
    output.table(heads, rows, right=heads[1:5])
    click.echo()
    hits, took = plan["hits"], plan["latency_ms"]
    click.echo(f"  hits    leaves {hits['leaf']:.1%}, routes {hits['route']:.1%}")
    parts = sorted(plan["answers"].items(), key=lambda item: -item[1])
    told = ", ".join(f"{_WORDS[path]} {share:.1%}" for path, share in parts if share >= 0.0005)
    click.echo(f"  answers {told}")
    if took["p99"] is None:
        click.echo("  latency without bounds: the nodes are overloaded")
    else:
        click.echo(
            f"  latency p50 {took['p50']:.2f}, p90 {took['p90']:.2f}, p99 {took['p99']:.2f} ms"
        )
    _show_losses(plan["losing_a_node"])
    click.echo()
    click.echo("  what matters most: change of all cores if it is 20 % lower, or higher")
    output.table(
        ("ASSUMPTION", "VALUE", "-20 %", "+20 %"),
        [
            (
                row["what"],
                f"{row['value']:,.6g}",
                f"{row['cores_if_20_percent_lower']:+.1%}",
                f"{row['cores_if_20_percent_higher']:+.1%}",
            )
            for row in plan["assumptions"][:_SHOWN]
        ],
        right=("VALUE", "-20 %", "+20 %"),
    )
    click.echo()
    origin = plan["calibration"]
    click.echo(f"  calibrated {origin['made'][:10]} on {origin['machine']}")
    for note in plan["notes"]:
        click.echo(f"  note: {note}")


def _show_losses(losses: Mapping[str, Any]) -> None:
    click.echo()
    lost = losses["recursive"]
    if lost["load_after"] is None:
        click.echo("  losing the recursive node: nothing is answered; plan a spare one (--spare)")
    else:
        p99 = lost["p99_ms_after"]
        click.echo(
            f"  losing one of {lost['nodes']} recursive nodes: load of the others"
            f" {lost['load_before']:.0%} → {lost['load_after']:.0%}, p99"
            f" {'without bounds' if p99 is None or isinf(p99) else f'{p99:.2f} ms'}"
        )
    click.echo(
        f"    back with nothing cached it answers {lost['cold_node_answers_a_second']:,.0f} of"
        f" {lost['cold_node_is_asked_a_second']:,.0f} a second for {lost['refill_seconds']:,.0f} s;"
        f" others are asked {lost['asked_of_others_while_cold']:,.0f} times a second instead of"
        f" {lost['asked_of_others_a_second']:,.0f}"
    )
    lost = losses["secondary"]
    click.echo(
        f"  losing a secondary node: {lost['questions_a_second_that_fail']:,.0f} questions a second"
        f" fail ({lost['share_that_fails']:.3%}), whose routes are not cached"
    )
    click.echo(
        f"  losing the top-level node: {losses['top-level']['share_that_fails']:.3%} of the"
        " questions fail"
    )


def show_calibration(found: Calibration) -> None:
    """A calibration."""
    click.echo(f"  {found.machine}")
    heads = ("ANSWER", *(f"{role.upper()} µs" for role in ROLES), "LEAST-MOST", "CLIENT µs")
    rows = [
        (
            text,
            *(_number(found.costs[path].cpu_us.get(role, 0.0)) for role in ROLES),
            f"{found.costs[path].least_us:.2f}-{found.costs[path].most_us:.2f}",
            _number(found.costs[path].client_us),
        )
        for path, text in PATHS.items()
    ]
    output.table(heads, rows, right=heads[1:])
    click.echo()
    output.table(
        ("LATENCY OVER UDP", "P50 µs", "P99 µs", "CPU µs"),
        [
            (
                text,
                f"{found.latency[name].p50_us:,.0f}",
                f"{found.latency[name].p99_us:,.0f}",
                f"{found.latency[name].cpu_us:,.1f}",
            )
            for name, text in LATENCIES.items()
        ],
        right=("P50 µs", "P99 µs", "CPU µs"),
    )
    memory = found.memory
    click.echo()
    click.echo(
        f"  a cached record takes {memory.leaf:,.0f} bytes ({memory.leaf_counted:,.0f} of the"
        f" budget), a route {memory.route_counted:,.0f}, a record on disk {memory.stored:,.0f}; a"
        f" node's process {size(memory.process.get('recursive', 0.0))}"
    )


def show_validation(found: Mapping[str, Any]) -> None:
    """Predictions beside measurements."""
    click.echo(f"  {found['machine']}")
    click.echo(f"  medians of {found['rounds']} rounds of {found['seconds']:g} s")
    heads = ("WORKLOAD", "FIGURE", "PREDICTED", "MEASURED", "ERROR", "WITHIN", "")
    rows = []
    for case in found["cases"]:
        for figure in case["figures"]:
            points = "hits" in figure["what"]
            rows.append(
                (
                    case["workload"],
                    figure["what"],
                    *(_value(figure[name], points) for name in ("predicted", "measured")),
                    _error(figure["error"], points),
                    _error(figure["within"], points).lstrip("+"),
                    "met" if figure["met"] else "MISSED",
                )
            )
        for name, unit in (("cpu_us", "CPU, µs"), ("p50_ms", "p50, ms")):
            row = case[name]
            rows.append(
                (
                    case["workload"],
                    unit,
                    _value(row["predicted"], False),
                    _value(row["measured"], False),
                    _error(row["predicted"] / row["measured"] - 1, False),
                    "-",
                    "",
                )
            )
    output.table(heads, rows, right=heads[2:6])
    click.echo("  predicted at the machine's pace in each run; at that of the calibration:")
    for case in found["cases"]:
        pace, rate = case["pace"], case["throughput_at_the_calibrations_pace"]
        error = _error(rate / case["figures"][0]["measured"] - 1, False)
        click.echo(
            f"   {case['workload']}: a hit took {pace['hit']:.2f} times as much, a miss"
            f" {pace['miss']:.2f} times, throughput {error}"
        )
    for case in found["cases"]:
        noisy = sum(share > found["quiet"] for share in case["rounds"]["stolen"])
        if noisy:
            click.echo(
                f"  {case['workload']}: in {noisy} rounds the machine's host took more than"
                f" {found['quiet']:.0%} of a core; repeat this when it is quieter"
            )
    for case in found["cases"]:
        for trouble in case["troubles"]:
            click.echo(f"  {case['workload']}, at half of what was predicted: {trouble}")


def size(octets: float) -> str:
    """A size for people."""
    step = 0
    while octets >= _STEP and step < len(_UNITS) - 1:
        octets, step = octets / _STEP, step + 1
    return f"{octets:,.{1 if step else 0}f} {_UNITS[step]}"


def _number(value: float) -> str:
    return f"{value:.2f}" if value else "-"


def _value(value: float, share: bool) -> str:
    if share:
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def _error(error: float, points: bool) -> str:
    return f"{error * 100:+.1f} points" if points else f"{error:+.0%}"
