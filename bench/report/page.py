"""A run as one page of HTML that needs nothing else: figures, plots, thresholds, the machine."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from bench.report.plot import over_time, percentiles
from bench.report.tables import hit_share

_STYLE: Final = """
:root{color-scheme:light dark;--c0:#0969da;--c1:#d1570a;--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;
--c5:#6e7781;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;text-align:right;
border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
td:first-child,th:first-child{text-align:left}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}
.grid{stroke:var(--line)}.line{fill:none;stroke-width:1.6}
.legend span{margin-right:1.2em}.legend i{display:inline-block;width:1em;height:.3em;
margin-right:.4em;vertical-align:middle}
.ok{color:#1a7f37;font-weight:bold}.bad{color:#cf222e;font-weight:bold}
small{opacity:.75}
"""
_CODE_LINES: Final = 5

Row = Sequence[object]


def page(report: Mapping[str, Any]) -> str:
    """The page."""
    workload = report["workload"]
    verdict = (
        '<span class="ok">passed</span>' if report["met"] else '<span class="bad">missed</span>'
    )
    judged = verdict if report["thresholds"] else "no thresholds"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width">',
        f"<title>{escape(workload['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{escape(workload['title'])}: {judged}</h1>",
        f"<p><small>workload {escape(workload['name'])}, seed {workload['seed']}, "
        f"{report['users']} clients, {report['seconds']:.1f} s counted, {report['started']}; "
        f"wuhan {escape(report['wuhan'])}, network {escape(report['network'])}; "
        f"{escape(report['machine'])}</small></p>",
        *(f"<p><b>{escape(note)}</b></p>" for note in report["notes"]),
        *_thresholds(report),
        "<h2>Answers</h2>",
        _answers(report),
        *_plots(report),
        *_errors(report),
        *_baseline(report),
        "<h2>What was checked</h2><p>Every answer: that it has the response code that is right for "
        "its identifier, repeats the identifier, and holds exactly the values that the network's "
        "sample records are made of. Latencies of clients with a rate count from when the question "
        "was due, so that a slow answer makes those behind it late too.</p>",
    ]
    return "\n".join(parts)


def _thresholds(report: Mapping[str, Any]) -> Iterable[str]:
    if not report["thresholds"]:
        return
    yield "<h2>Thresholds</h2>"
    rows = []
    for verdict in report["thresholds"]:
        value = verdict["value"]
        told = "no figure" if value is None else f"{value:,.4g} {verdict['unit']}"
        mark = (
            '<span class="ok">met</span>' if verdict["met"] else '<span class="bad">missed</span>'
        )
        rows.append((verdict["threshold"], told, _Html(mark)))
    yield _table(("threshold", "was", ""), rows)


def _answers(report: Mapping[str, Any]) -> str:
    rows = []
    for name, found in (("all", report["totals"]), *report["clients"].items()):
        latency = found["latency_ms"]
        about = f"{name} ({found['transport']})" if "transport" in found else name
        rows.append(
            (
                about,
                f"{found['answers']:,}",
                f"{found['rate']:,.0f}",
                *(f"{latency[key]:.2f}" for key in ("mean", "p50", "p95", "p99", "p99.9", "max")),
                f"{found['errors']:.3f} %",
            )
        )
    head = ("client", "right", "a second", "mean ms", "p50", "p95", "p99", "p99.9", "max", "errors")
    return _table(head, rows)


def _plots(report: Mapping[str, Any]) -> Iterable[str]:
    slices = report["slices"]
    times = [part["start"] for part in slices]
    rates: dict[str, list[tuple[float, float | None]]] = {
        "right answers": [(p["start"], p["answers"] / p["seconds"]) for p in slices]
    }
    if any(part["offered"] for part in slices):
        rates["meant"] = [(part["start"], part["offered"]) for part in slices]
    yield "<h2>Rate</h2>" + over_time(rates, "a second")
    latencies = {
        key: [(p["start"], p["latency_ms"][key] or None) for p in slices]
        for key in ("p50", "p95", "p99")
    }
    yield "<h2>Latency over time</h2>" + over_time(latencies, "ms", logarithmic=True)
    histogram = {int(lower): count for lower, count in report["histogram_us"].items()}
    yield "<h2>Latency by percentile</h2>" + percentiles({"all answers": histogram})
    hits = {
        f"{kind} hits": [(part["start"], hit_share(part, kind)) for part in slices]
        for kind in ("route", "leaf")
    }
    yield "<h2>Hits of the recursive node's cache</h2>" + over_time(hits, "%", top=100.0)
    busiest: Counter[str] = Counter()
    for part in slices:
        busiest.update(part["cpu_processes"])
    names = [name for name, _ in busiest.most_common(6)]
    cpu = {
        name: [(p["start"], p["cpu_processes"].get(name, 0.0) / p["seconds"] * 100) for p in slices]
        for name in names
    }
    yield "<h2>CPU of the busiest processes</h2>" + over_time(cpu, "% of a core")
    told = [(role, f"{us:.2f}") for role, us in report["cpu_us"].items() if us]
    yield _table(("nodes", "CPU µs for an answer"), told)
    codes: Counter[str] = Counter()
    for part in slices:
        codes.update(part["codes"])
    lines = {
        f"code {code}": list(zip(times, (p["codes"].get(code, 0) for p in slices), strict=True))
        for code, _ in codes.most_common(_CODE_LINES)
    }
    lines["wrong or missing"] = [(p["start"], float(p["failures"])) for p in slices]
    yield "<h2>Answers by response code</h2>" + over_time(lines, "a slice")


def _errors(report: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Errors</h2>"
    reasons = report["totals"]["reasons"]
    if not reasons:
        yield "<p>none</p>"
        return
    yield _table(("what was wrong", "answers"), [(why, f"{n:,}") for why, n in reasons.items()])


def _baseline(report: Mapping[str, Any]) -> Iterable[str]:
    found = report["baseline"]
    if not found:
        return
    yield f"<h2>Beside the run of {escape(found['started'])}</h2>"
    if not found["same_machine"]:
        yield f"<p><b>Another machine: {escape(found['machine'])}; CPU does not compare.</b></p>"
    if not found["same_workload"]:
        yield "<p><b>The workloads differ.</b></p>"
    rows = [
        (
            row["what"],
            f"{row['before']:.2f}",
            f"{row['now']:.2f}",
            f"{row['change']:+.1f} %",
            f"{row['least']:+.1f} to {row['most']:+.1f}",
            row["verdict"],
        )
        for row in found["rows"]
    ]
    head = ("figure", "before", "now", "change", f"{found['confidence']:.0%} interval", "")
    yield _table(head, rows)


class _Html(str):
    """Text that is markup already."""

    __slots__ = ()


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    titles = "".join(f"<th>{escape(str(title))}</th>" for title in head)
    return f"<table><tr>{titles}</tr>{lines}</table>"


def _cell(value: object) -> str:
    text = value if isinstance(value, _Html) else escape(str(value))
    return f"<td>{text}</td>"
