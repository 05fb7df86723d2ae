"""The dashboards of config/grafana are those that the code makes."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from resolver.telemetry.families import NETWORK_FAMILIES, NODE_FAMILIES, PROCESS_FAMILIES
from resolver.telemetry.page import HISTOGRAM
from tests.support.sdk_schema import violations

ROOT = Path(__file__).parents[1]
GRAFANA = ROOT / "config" / "grafana"
PROMETHEUS = ROOT / "config" / "prometheus"


def test_the_files_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "grafana_dashboards.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def boards() -> list[dict[str, Any]]:
    files = sorted((GRAFANA / "dashboards").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def test_the_files_are_what_the_schema_of_grafana_allows():
    for board in boards():
        assert violations(Dashboard, board) == []


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (("tittle",), "x", "$.tittle: there is no such key"),
        (("title",), 7, "$.title: 7 is no str"),
        (("style",), "pink", "$.style: 'pink' is none of ('light', 'dark')"),
        (("panels", 1, "targets", 0, "exprr"), "up", "there is no such key"),
        (("panels", 1, "targets", 0, "expr"), 5, ".expr: 5 is no str"),
        (("panels", 1, "gridPos", "w"), "8", ".w: '8' is no int"),
        (("panels", 1, "fieldConfig", "defaults", "unit"), 8, ".unit: 8 is no str"),
        (("panels", 1, "options", "legend", "displayMode"), "x", "'x' is no LegendDisplayMode"),
        (("templating", "list", 0, "refresh"), "often", "'often' is no VariableRefresh"),
    ],
)
def test_what_the_schema_does_not_allow_is_found(at: tuple[str | int, ...], value: Any, said: str):
    board = place = boards()[0]
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    found = violations(Dashboard, board)
    assert any(said in each for each in found), found


def test_the_page_tells_every_metric_and_alert():
    where = ROOT / "docs" / "metrics_reference.py"
    spec = importlib.util.spec_from_file_location("metrics_reference", where)
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert reference.page(text) == text, "run: make docs"
    for alert in re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text("utf-8")):
        assert f"| `{alert}` |" in text


def test_every_metric_asked_for_is_one():
    """Neither a dashboard nor a rule asks for what no node tells."""
    known = {"process_start_time_seconds"}
    for family in (*NODE_FAMILIES, *PROCESS_FAMILIES, *NETWORK_FAMILIES):
        known.add(family.name)
        if family.kind == HISTOGRAM:
            known.update(f"{family.name}_{part}" for part in ("bucket", "sum", "count"))
    texts = [file.read_text(encoding="utf-8") for file in PROMETHEUS.glob("*s.yml")]
    for board in boards():
        targets = (target for panel in board["panels"] for target in panel.get("targets", ()))
        texts += [target["expr"] for target in targets]
    recorded = set(re.findall(r"record: (\S+)", "".join(texts)))
    for text in texts:
        for name in re.findall(r"(?<![\w:])[a-z]+:wuhan[\w]+:\w+", text):
            assert name in recorded, name
        for name in re.findall(r"(?<![\w:])(?:wuhan|process|python)_\w+(?=[{\[ ])", text):
            assert name in known, name


def test_the_provisioning_names_the_source_of_the_dashboards():
    sources = GRAFANA / "provisioning" / "datasources" / "wuhan.yml"
    (source,) = re.findall(r"^ +uid: (\S+)$", sources.read_text(encoding="utf-8"), re.MULTILINE)
    assert len({board["uid"] for board in boards()}) == len(boards())
    for board in boards():
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert panels
        assert {panel["datasource"]["uid"] for panel in panels} == {source}
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
