"""A run for programs: CSV with a line for each slice, JUnit XML with a case for each threshold."""

import csv
import io
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as Tree


def slices_csv(report: Mapping[str, Any]) -> str:
    """The slices: time, rates, latencies in milliseconds, hits in percent, CPU in seconds."""
    slices = report["slices"]
    roles = sorted({role for part in slices for role in part["cpu"]})
    kinds = sorted({kind for part in slices for kind in part["lookups"]})
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    head = ["start_s", "seconds", "answers", "failures", "rate", "offered"]
    head += ["p50_ms", "p95_ms", "p99_ms"]
    head += [f"hits_{kind}" for kind in kinds] + [f"cpu_{role}_s" for role in roles]
    table.writerow(head)
    for part in slices:
        latency = part["latency_ms"]
        row = [part["start"], part["seconds"], part["answers"], part["failures"]]
        row += [round(part["answers"] / part["seconds"], 1), part["offered"]]
        row += [round(latency[key], 4) for key in ("p50", "p95", "p99")]
        row += [hit_share(part, kind) for kind in kinds]
        row += [part["cpu"].get(role, 0.0) for role in roles]
        table.writerow(row)
    return file.getvalue().rstrip("\n")


def hit_share(part: Mapping[str, Any], kind: str) -> float | None:
    """Hits of a slice in percent; None if nothing was looked up."""
    hits, misses = part["lookups"].get(kind, (0.0, 0.0))
    return round(hits / (hits + misses) * 100, 3) if hits + misses else None


def junit_xml(report: Mapping[str, Any]) -> str:
    """A test suite: a case for each threshold, failed if it was missed."""
    name = report["workload"]["name"]
    missed = [verdict for verdict in report["thresholds"] if not verdict["met"]]
    suite = Tree.Element(
        "testsuite",
        name=f"wuhan bench run {name}",
        tests=str(len(report["thresholds"])),
        failures=str(len(missed)),
        errors="0",
        skipped="0",
        time=f"{report['seconds']:.3f}",
        timestamp=report["started"],
    )
    for verdict in report["thresholds"]:
        case = Tree.SubElement(
            suite,
            "testcase",
            classname=f"wuhan.bench.{name}",
            name=verdict["threshold"],
            time=f"{report['seconds']:.3f}",
        )
        value = verdict["value"]
        told = "no figure" if value is None else f"{value:g}{verdict['unit']}"
        if not verdict["met"]:
            message = f"{verdict['threshold']}: {told}"
            Tree.SubElement(case, "failure", message=message, type="threshold").text = message
        else:
            Tree.SubElement(case, "system-out").text = told
    Tree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(suite, encoding="unicode")
