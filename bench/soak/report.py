"""What a soak found: for machines as JSON, for people as Markdown and as one page of HTML.

Rules: requests and successes stand apart. A rate is requests by the seconds in which they were
asked, all sessions together; the time between sessions does not count, and is told.
"""

import html
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.machine import machine_line
from bench.soak.run import Outcome
from resolver.__about__ import __version__
from resolver.model.errors import ConfigError

VERIFICATION: Final = (
    "Every answer that counts was compared with the octets it must have, which the client had made"
    " beforehand from the seed of the sample records, without asking the network: the request id"
    " (no two requests under way have the same), the operation, the response code 1, the"
    " identifier, and every octet of all its values. Not compared are the flags, the site serial,"
    " the recursion count and the expiration, in which the node speaks of itself. Answers are"
    " compared by the stretch, octet by octet; a stretch that differs is taken apart and each"
    " answer looked at by itself. A block of {block:,} requests counts when the last of its answers"
    " has been looked at; the checkpoint names every block that counts, so none counts twice, and"
    " what was under way when a session ended was not counted and was asked anew."
)
_PACKAGES: Final = ("uvloop", "lmdb", "msgpack")
_CURVE_POINTS: Final = 60
_WIDTH, _HEIGHT = 800, 220


def document(outcome: Outcome) -> dict[str, Any]:
    """The report for machines; names as of metrics."""
    work, progress = outcome.work, outcome.progress
    seconds = progress.seconds
    rate = progress.requests / seconds if seconds else 0.0
    nodes = [session.node_cpu for session in progress.sessions]
    known = [spent for spent in nodes if spent is not None]
    pairs = curve(progress.points)
    return {
        "wuhan_soak_target": work.total,
        "wuhan_soak_requests_total": progress.requests,
        "wuhan_soak_successes_total": progress.successes,
        "wuhan_soak_failures_total": dict(progress.failures),
        "wuhan_soak_incidents_total": dict(progress.incidents),
        "wuhan_soak_seconds_total": round(seconds, 3),
        "wuhan_soak_rate": round(rate, 1),
        "wuhan_soak_median_rate": median(pair[1] for pair in pairs) if pairs else None,
        "wuhan_soak_remaining_seconds": (
            round((work.total - progress.requests) / rate, 1) if rate else None
        ),
        "complete": outcome.is_complete,
        "asked": outcome.asked,
        "workload": {
            "network": work.network,
            "identifiers": work.records,
            "block": work.block,
            "fingerprint": work.fingerprint,
        },
        "cpu_us_per_answer": {
            "client": _each(sum(s.client_cpu for s in progress.sessions), progress.requests),
            "network": (
                _each(sum(known), progress.requests) if known and len(known) == len(nodes) else None
            ),
        },
        "machine": machine_line(),
        "versions": {
            "wuhan": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "sessions": [
            {
                "began": _moment(session.began),
                "ended": _moment(session.ended),
                "seconds": round(session.seconds, 3),
                "requests": session.requests,
                "ended_by_itself": session.is_whole,
            }
            for session in progress.sessions
        ],
        "rate_over_time": pairs,
        "failure_examples": progress.examples,
        "verification": VERIFICATION.format(block=work.block),
    }


def curve(points: Sequence[tuple[float, int]], most: int = _CURVE_POINTS) -> list[list[float]]:
    """Pairs of seconds of asking and the rate until then since the pair before, at most so
    many."""
    step = max(1, -(-len(points) // most))
    chosen = [*points[step - 1 :: step]]
    if points and chosen[-1:] != [points[-1]]:
        chosen.append(points[-1])
    pairs, (before, counted) = [], (0.0, 0)
    for seconds, requests in chosen:
        if seconds > before:
            pairs.append([seconds, round((requests - counted) / (seconds - before), 1)])
            before, counted = seconds, requests
    return pairs


def markdown(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [f"# {_title(report)}", "", *(f"- {name}: {told}" for name, told in _facts(report))]
    lines += ["", "## How each answer was checked", "", report["verification"], ""]
    lines += ["## Sessions", "", "| began (UTC) | ended | requests | requests/s | ended by |"]
    lines += ["|---|---|---:|---:|---|"]
    for session in report["sessions"]:
        lines.append(
            f"| {session['began']} | {session['ended']} | {session['requests']:,}"
            f" | {_rate(session):,.0f} | {_ending(session)} |"
        )
    lines += ["", "## Rate over time", "", "| after | verified a second |", "|---:|---:|"]
    step = max(1, len(report["rate_over_time"]) // 20)
    for seconds, rate in report["rate_over_time"][::step]:
        lines.append(f"| {_span(seconds)} | {rate:,.0f} |")
    if report["failure_examples"]:
        lines += ["", "## Answers that were not right", ""]
        lines += [f"- {example}" for example in report["failure_examples"]]
    return "\n".join(lines) + "\n"


def page(report: Mapping[str, Any]) -> str:
    """The same as one file of HTML that needs no other."""
    facts = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(told)}</td></tr>"
        for name, told in _facts(report)
    )
    sessions = "".join(
        f"<tr><td>{session['began']}</td><td>{session['ended']}</td>"
        f"<td class=n>{session['requests']:,}</td><td class=n>{_rate(session):,.0f}</td>"
        f"<td>{_ending(session)}</td></tr>"
        for session in report["sessions"]
    )
    wrong = "".join(f"<li>{html.escape(example)}</li>" for example in report["failure_examples"])
    title = html.escape(_title(report))
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8>"
        f"<title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><table>{facts}</table>"
        f"<h2>Rate over time</h2>{_drawn(report['rate_over_time'])}"
        f"<h2>How each answer was checked</h2><p>{html.escape(report['verification'])}</p>"
        "<h2>Sessions</h2><table><tr><th>began (UTC)<th>ended<th>requests<th>requests/s"
        f"<th>ended by</tr>{sessions}</table>"
        + (f"<h2>Answers that were not right</h2><ul>{wrong}</ul>" if wrong else "")
        + "</html>\n"
    )


def _as_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


FORMS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    ".json": _as_json,
    ".md": markdown,
    ".html": page,
}
"""By the end of a file's name."""


def check_form(path: Path) -> None:
    """Raises ConfigError if nobody knows what a report of that name looks like."""
    if path.suffix not in FORMS:
        raise ConfigError(f"{path}: a report ends in {', '.join(FORMS)}")


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report as the end of the name says."""
    path.write_text(FORMS[path.suffix](report), encoding="utf-8")


_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "th{text-align:left;padding-right:1rem;vertical-align:top}td.n{text-align:right}"
    "svg{width:100%;height:auto}"
)


def _title(report: Mapping[str, Any]) -> str:
    done = f"{report['wuhan_soak_successes_total']:,} verified resolutions"
    return done if report["complete"] else f"{done}, of {report['wuhan_soak_target']:,} so far"


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    failures, incidents = report["wuhan_soak_failures_total"], report["wuhan_soak_incidents_total"]
    workload, cpu = report["workload"], report["cpu_us_per_answer"]
    facts = [
        ("requests answered", f"{report['wuhan_soak_requests_total']:,}"),
        ("of these right", f"{report['wuhan_soak_successes_total']:,}"),
        ("not right", _listed(failures)),
        ("connections lost", _listed(incidents)),
        ("time of asking", _span(report["wuhan_soak_seconds_total"])),
        ("verified a second", _rates(report)),
        ("asked", report["asked"]),
        (
            "identifiers",
            f"{workload['identifiers']:,} of the network {workload['network']}, workload"
            f" {workload['fingerprint']}",
        ),
        ("machine", report["machine"]),
        ("versions", ", ".join(f"{name} {told}" for name, told in report["versions"].items())),
    ]
    if cpu["client"] is not None:
        told = f"{cpu['client']:.2f} µs client"
        if cpu["network"] is not None:
            told += f", {cpu['network']:.2f} µs all nodes together"
        facts.append(("CPU for an answer", told))
    return facts


def _rates(report: Mapping[str, Any]) -> str:
    pairs = report["rate_over_time"]
    told = f"{report['wuhan_soak_rate']:,.0f}, connections and caches from cold included"
    if len(pairs) > 2:
        told += f"; median over time {report['wuhan_soak_median_rate']:,.0f}"
        told += f", best {max(rate for _, rate in pairs):,.0f}"
    return told


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items()) or "none"


def _drawn(pairs: Sequence[Sequence[float]]) -> str:
    """The curve as SVG."""
    if len(pairs) < 2:
        return "<p>too short for a curve</p>"
    longest, highest = pairs[-1][0], max(rate for _, rate in pairs) or 1.0
    places = " ".join(
        f"{60 + seconds / longest * (_WIDTH - 70):.1f},"
        f"{_HEIGHT - 25 - rate / highest * (_HEIGHT - 45):.1f}"
        for seconds, rate in pairs
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role=img aria-label="rate over time">'
        f'<path d="M60 20V{_HEIGHT - 25}H{_WIDTH - 10}" fill=none stroke="#888"/>'
        f'<polyline points="{places}" fill=none stroke="#06c" stroke-width=2 />'
        f"<text x=55 y=24 font-size=12 text-anchor=end>{highest:,.0f}</text>"
        f"<text x=55 y={_HEIGHT - 21} font-size=12 text-anchor=end>0</text>"
        f"<text x={_WIDTH - 10} y={_HEIGHT - 6} font-size=12 text-anchor=end>{_span(longest)}"
        "</text></svg>"
    )


def _each(seconds: float, requests: int) -> float | None:
    return round(seconds / requests * 1e6, 4) if requests else None


def _rate(session: Mapping[str, Any]) -> float:
    return float(session["requests"] / session["seconds"]) if session["seconds"] else 0.0


def _ending(session: Mapping[str, Any]) -> str:
    return "itself" if session["ended_by_itself"] else "a kill, or it runs"


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S")
