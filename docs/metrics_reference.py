"""Writes the generated parts of docs/operations.md: every metric, and every alert.

``make docs`` runs it; tests/test_dashboards.py fails while the page is out of date.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from resolver.telemetry.families import NETWORK_FAMILIES, NODE_FAMILIES, PROCESS_FAMILIES
from resolver.telemetry.page import Family

PAGE: Final = Path(__file__).with_name("operations.md")
ALERTS: Final = PAGE.parents[1] / "config" / "prometheus" / "alerts.yml"
_MARK: Final = "<!-- {} of generated part: {} -->"
_ALERT: Final = re.compile(
    r'# Drill (\w+): ([^\n]*)\.\n +- alert: (\S+)\n.*?severity: (\w+)\}.*?summary: "(.*?)"\n',
    re.DOTALL,
)


def metrics(families: Iterable[Family], owner: tuple[str, ...]) -> str:
    """A table of metrics whose rows all have the labels of ``owner``."""
    lines = ["| metric | type | labels | |", "|---|---|---|---|"]
    for family in families:
        labels = " ".join((*owner, *family.labels))
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.text} |")
    return "\n".join(lines)


def alerts() -> str:
    """A table of the alerts; what differs from case to case is left out of their summaries."""
    lines = [
        "| alert | severity | says | fires in the tests when | drill |",
        "|---|---|---|---|---|",
    ]
    lines += _alert_lines(ALERTS.read_text(encoding="utf-8"))
    return "\n".join(lines)


def _alert_lines(text: str) -> Iterator[str]:
    for drill, fault, name, severity, summary in _ALERT.findall(text):
        said = re.sub(r"\{\{ \$(?:labels\.)?(\w+).*?\}\}", r"*\1*", summary)
        yield f"| `{name}` | {severity} | {said} | {fault} | `{drill}` |"


def page(text: str) -> str:
    """``text`` of the page with its generated parts made anew."""
    for name, content in (
        ("metrics of nodes", metrics(NODE_FAMILIES, ("node", "role"))),
        ("metrics of processes", metrics(PROCESS_FAMILIES, ("process",))),
        ("metrics of the network", metrics(NETWORK_FAMILIES, ("node", "role"))),
        ("alerts", alerts()),
    ):
        start, end = _MARK.format("start", name), _MARK.format("end", name)
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, new=f"{start}\n\n{content}\n\n{end}": new, text)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
