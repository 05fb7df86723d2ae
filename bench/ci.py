"""A load test in continuous integration: ``python -m bench.ci``, settings from the environment.

What to run stands in WUHAN_LOAD_WORKLOAD, _SECONDS, _THRESHOLDS, _CONFIG, _BASELINE and _OUTPUT;
what is empty is left to the workload. It is ``wuhan bench run --start`` with its exit status. Where
GitHub names files for them, it also leaves the paths of the reports, as outputs of the step, and a
summary of the run.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.run.show import verdict_line
from resolver.cli.main import main as wuhan

_PREFIX: Final = "WUHAN_LOAD_"
_OPTIONS: Final = {
    "SECONDS": "--seconds",
    "THRESHOLDS": "--threshold",
    "CONFIG": "--config",
    "BASELINE": "--baseline",
}
DEFAULT_OUTPUT: Final = "wuhan-load"


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run, and tell GitHub; the exit status of the run."""
    folder = Path(environment.get(f"{_PREFIX}OUTPUT") or DEFAULT_OUTPUT)
    status = wuhan([*arguments(environment), "--output", str(folder)])
    report = folder / "report.json"
    if report.is_file():
        outputs = {"report": folder / "report.html", "junit": folder / "junit.xml"}
        lines = [f"{name}={path}" for name, path in outputs.items()]
        _append(environment.get("GITHUB_OUTPUT"), lines)
        found = json.loads(report.read_text(encoding="utf-8"))
        _append(environment.get("GITHUB_STEP_SUMMARY"), _summary(found))
    return status


def arguments(environment: Mapping[str, str]) -> list[str]:
    """The command line of the run, without where its reports go."""
    words = ["bench", "run", "--start"]
    workload = environment.get(f"{_PREFIX}WORKLOAD")
    if workload:
        words.insert(2, workload)
    for name, option in _OPTIONS.items():
        value = environment.get(_PREFIX + name)
        if value:
            words += [option, value]
    return words


def _append(file: str | None, lines: Iterator[str] | list[str]) -> None:
    if file:
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.writelines(f"{line}\n" for line in lines)


def _summary(report: Mapping[str, Any]) -> Iterator[str]:
    """The run in Markdown."""
    totals = report["totals"]
    yield f"### {report['workload']['title']}: {'passed' if report['met'] else 'missed'}"
    yield ""
    yield (
        f"{totals['answers']:,} right answers, {totals['rate']:,.0f} a second, "
        f"p99 {totals['latency_ms']['p99']:.2f} ms, errors {totals['errors']:.3f} %"
    )
    yield ""
    for verdict in report["thresholds"]:
        yield f"- {verdict_line(verdict)}"


if __name__ == "__main__":
    sys.exit(main())
