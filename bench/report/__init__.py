"""Reports of runs: for people (HTML), for tables (CSV), for continuous integration (JUnit XML), and
the document itself (JSON).

Rule: all are made of the document alone (``bench.run.results``), so that they can be made again
from ``report.json``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.report.page import page
from bench.report.tables import junit_xml, slices_csv


def write_reports(folder: Path, report: Mapping[str, Any]) -> None:
    """``report.json``, ``report.csv``, ``junit.xml`` and ``report.html``, in a folder."""
    text = json.dumps(report, indent=1, ensure_ascii=False)
    for name, content in (
        ("report.json", text),
        ("report.csv", slices_csv(report)),
        ("junit.xml", junit_xml(report)),
        ("report.html", page(report)),
    ):
        (folder / name).write_text(content + "\n", encoding="utf-8")
