"""``wuhan target``: how far the network is towards its resolutions, and when it will be there."""

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import click

from resolver.cli import output
from resolver.cli.options import data_option
from resolver.cli.running import RunningNetwork
from resolver.model.errors import ConfigError
from resolver.model.target import TARGET, together

_DAY_S: Final = 86_400
_SHOWN_DAYS: Final = 14


@click.command()
@click.option(
    "--goal",
    type=click.IntRange(min=1),
    default=TARGET,
    show_default=True,
    help="Resolutions to reach.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def target(goal: int, as_json: bool, data: str) -> None:
    """Show how many resolutions the network has made, day by day, and what is left to the goal.

    A resolution counts where it was answered: at the node where the identifier lives, or at a
    recursive node that had the answer in its cache. Nodes report every few seconds.
    """
    network = RunningNetwork(data)
    tops = network.of_role("top-level")
    if not tops:
        raise ConfigError("the network has no top-level node, which would count for all")
    found = [network.call(node, "target") for node in tops]
    names = {node.prefix.upper(): node.name for node in network.of_role("secondary") if node.prefix}
    document = _document(found, names, goal, time.time())
    if as_json:
        output.emit_json(document)
    else:
        _show(document)


def _document(
    found: list[dict[str, Any]], names: dict[str, str], goal: int, unix_now: float
) -> dict[str, Any]:
    """What all top-level nodes say together."""
    whole = together(found, goal)
    requests, remaining = whole["requests"], whole["remaining_s"]
    days: Counter[int] = Counter()
    successful: Counter[int] = Counter()
    below: dict[str, list[int]] = {prefix: [0, 0, 0] for prefix in names}
    for each in found:
        for day, asked, right in each["days"]:
            days[day] += asked
            successful[day] += right
        for prefix, *counts in each["below"]:
            known = below.get(prefix, (0, 0, 0))
            below[prefix] = [a + b for a, b in zip(known, counts, strict=True)]
    today = found[0]["today"]
    return {
        "wuhan_target_resolutions": goal,
        "wuhan_target_requests": requests,
        "wuhan_target_successes": whole["successes"],
        "wuhan_target_remaining_seconds": None if remaining is None else round(remaining, 1),
        "reached_at": _moment(unix_now, remaining),
        "rate": {"now": round(whole["rate"], 3), "today": round(whole["average"], 3)},
        "today": days[today],
        "secondaries": [
            {
                "node": names.get(prefix),
                "prefix": prefix,
                "resolutions": asked,
                "successes": right,
                "today": of_today,
            }
            for prefix, (asked, right, of_today) in below.items()
        ],
        "days": [
            {
                "day": (date(1970, 1, 1) + timedelta(days=day)).isoformat(),
                "resolutions": days[day],
                "successes": successful[day],
            }
            for day in sorted(days)
        ],
    }


def _moment(unix_now: float, remaining: float | None) -> str | None:
    """When it will be reached, UTC; None if nobody knows, or in more than a thousand years."""
    if remaining is None or remaining > 1000 * 365 * _DAY_S:
        return None
    at = datetime.fromtimestamp(unix_now, UTC) + timedelta(seconds=remaining)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(document: dict[str, Any]) -> None:
    requests, goal = document["wuhan_target_requests"], document["wuhan_target_resolutions"]
    rate, remaining = document["rate"], document["wuhan_target_remaining_seconds"]
    click.echo(
        f"  {requests:,} of {goal:,} resolutions ({requests / goal:.4%}),"
        f" {document['wuhan_target_successes']:,} of them successful"
    )
    click.echo(
        f"  today {document['today']:,}, {rate['today']:,.1f}/s on average;"
        f" in the last minutes {rate['now']:,.1f}/s"
    )
    if remaining == 0:
        click.echo("  the goal is reached")
    elif document["reached_at"] is None:
        click.echo("  nothing is asked, so nobody knows when it will be reached")
    else:
        click.echo(
            f"  at this rate it is reached in {timedelta(seconds=round(remaining))},"
            f" on {document['reached_at']}"
        )
    click.echo()
    headers = ("SECONDARY", "PREFIX", "RESOLUTIONS", "SUCCESSFUL", "TODAY", "SHARE")
    rows = [
        (
            row["node"] or "others",
            row["prefix"],
            f"{row['resolutions']:,}",
            f"{row['successes']:,}",
            f"{row['today']:,}",
            f"{row['resolutions'] / requests:.1%}" if requests else "-",
        )
        for row in sorted(document["secondaries"], key=lambda row: -row["resolutions"])
    ]
    output.table(headers, rows, right=headers[2:])
    if document["days"]:
        click.echo()
        of_days = [
            (row["day"], f"{row['resolutions']:,}", f"{row['successes']:,}")
            for row in document["days"][-_SHOWN_DAYS:]
        ]
        columns = ("DAY (CHINA)", "RESOLUTIONS", "SUCCESSFUL")
        output.table(columns, of_days, right=columns[1:])
