"""A real Prometheus watches a real network: dashboards have data, and alerts fire on real faults,
and end with them. Everything goes sixty times as quick as in the files that come with the program.
"""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.command import network, node_of, status_of, stopped, until, wuhan
from tests.support.monitoring import (
    CONFIG,
    FILES,
    Load,
    Prometheus,
    prometheus,
    quick_rules,
    why_not,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]

QUICK = """
[control]
heartbeat = "500ms"

[limits]
deadline = "1s"
ask_timeout = "400ms"
"""

PREFIX = "88.901.1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("monitored")
    config = folder / "network.toml"
    config.write_text((CONFIG / "minimal.toml").read_text(encoding="utf-8") + QUICK, "utf-8")
    with network(folder / "data", "--config", str(config)) as running:
        yield running


@pytest.fixture(scope="module")
def load(data: Path) -> Iterator[Load]:
    with Load(f"127.0.0.1:{node_of(data, 'recursive')['port']}", PREFIX) as running:
        yield running


@pytest.fixture(scope="module")
def watching(
    data: Path, load: Load, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with prometheus(data, quick_rules(tmp_path_factory.mktemp("rules") / "quick")) as running:
        yield running


def register(data: Path, name: str) -> "subprocess.CompletedProcess[str]":
    return wuhan("register", f"{PREFIX}/{name}", "--value", f"URL=https://id.example/{name}",
                 data=data)  # fmt: skip


def page(data: Path, name: str, path: str) -> str:
    url = f"http://127.0.0.1:{node_of(data, name)['http_port']}{path}"
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def test_promtool_finds_nothing_wrong(tmp_path: Path):
    for command in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ):
        done = subprocess.run(
            ["promtool", *command], cwd=FILES, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested():
    names = re.findall(r"- alert: (\w+)", (FILES / "alerts.yml").read_text(encoding="utf-8"))
    tests = (FILES / "alerts_test.yml").read_text(encoding="utf-8")
    assert len(set(names)) == len(names) > 8
    for name in names:
        fires = re.findall(rf"alertname: {name}\n +exp_alerts", tests)
        keeps_still = re.findall(rf"alertname: {name}\n(?! +exp_alerts)", tests)
        assert fires, name
        assert keeps_still, name


def test_the_nodes_are_found(data: Path, watching: Prometheus):
    nodes = {node["name"]: node["role"] for node in status_of(data)["nodes"]}
    until(lambda: len(watching.query("up == 1")) == len(nodes))
    found = {row["metric"]["node"]: row["metric"]["role"] for row in watching.query("up")}
    assert found == nodes
    targets = json.loads((data / "targets.json").read_text(encoding="utf-8"))
    assert len(targets) == len(nodes)


def test_one_scrape_of_the_whole_network(data: Path, tmp_path: Path):
    told = page(data, "wuhan", "/metrics/network")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=told, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr + checked.stdout) == (0, "")
    nodes = {node["name"] for node in status_of(data)["nodes"]}
    assert set(re.findall(r'wuhan_node_up\{node="([^"]+)"[^}]*\} 1', told)) == nodes
    assert set(re.findall(r'wuhan_build_info\{node="([^"]+)"', told)) == nodes
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        page(data, "optics", "/metrics/network")
    with refused.value as answer:
        assert b"the top-level node tells" in answer.read()


def expressions() -> list[tuple[str, str, str]]:
    """Dashboard, panel and expression of everything that is drawn."""
    files = sorted((CONFIG / "grafana" / "dashboards").glob("*.json"))
    return [
        (board["title"], panel["title"], target["expr"])
        for board in (json.loads(file.read_text(encoding="utf-8")) for file in files)
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def asked(expression: str, node: str) -> str:
    """As Grafana asks, with everything chosen that can be."""
    for variable, value in (
        ("$__rate_interval", "5s"), ("$network", ".*"), ("$role", "recursive"), ("$node", node),
    ):  # fmt: skip
        expression = expression.replace(variable, value)
    return expression


def test_every_panel_has_data(data: Path, load: Load, watching: Prometheus):
    assert register(data, "for-the-dashboards").returncode == 0
    load.cold = True
    empty: list[Any] = expressions()
    assert len(empty) > 70

    def still_empty() -> bool:
        nonlocal empty
        # Histograms of nothing have no quantiles: NaN is no data.
        empty = [
            row for row in empty
            if not any(found["value"][1] != "NaN" for found in watching.query(asked(row[2], ".*")))
        ]  # fmt: skip
        return not empty

    try:
        until(still_empty, 25)
    except AssertionError:
        pytest.fail(f"no data for {empty}")
    finally:
        load.cold = False


def ranged(watching: Prometheus, name: str, about: str = "") -> bool:
    return any(alert == name and about in ("", of) for alert, of in watching.firing())


def fires(watching: Prometheus, name: str, about: str = "", seconds: float = 20) -> None:
    until(lambda: ranged(watching, name, about), seconds)


def ends(watching: Prometheus, name: str, seconds: float = 20) -> None:
    until(lambda: not ranged(watching, name), seconds)


def test_nothing_fires_while_all_is_well(watching: Prometheus):
    until(lambda: not watching.firing())


def test_a_node_that_is_killed(data: Path, watching: Prometheus):
    os.kill(node_of(data, "optics")["pid"], signal.SIGKILL)
    fires(watching, "WuhanProcessRestarted", "optics")
    ends(watching, "WuhanProcessRestarted")


def test_a_cache_that_hits_less(load: Load, watching: Prometheus):
    load.cold = True
    try:
        fires(watching, "WuhanHitRatioDrop", "recursive")
    finally:
        load.cold = False
    ends(watching, "WuhanHitRatioDrop")


def test_a_disk_that_takes_nothing(data: Path, watching: Prometheus):
    process = psutil.Process(node_of(data, PREFIX)["pid"])
    soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, hard))
    try:
        assert register(data, "in-vain").returncode != 0
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))
    fires(watching, "WuhanWritesFail", PREFIX)
    ends(watching, "WuhanWritesFail")


def test_a_node_that_hangs(data: Path, load: Load, watching: Prometheus):
    """Its scrapes time out, its parent does not hear it, who asks it leaves it alone, and clients
    get errors."""
    load.cold = True
    alerts = (
        ("WuhanNodeDown", PREFIX),
        ("WuhanUpstreamBreakerOpen", PREFIX),
        ("WuhanChildSilent", PREFIX),
        ("WuhanErrorBudgetBurn", "recursive"),
    )
    try:
        with stopped(node_of(data, PREFIX)["pid"]):
            for name, about in alerts:
                fires(watching, name, about)
            told = page(data, "wuhan", "/metrics/network")
            assert re.search(rf'wuhan_node_up\{{node="{PREFIX}",role="enterprise"\}} 0', told)
    finally:
        load.cold = False
    for name, _ in alerts[:3]:
        ends(watching, name)
    # The budget of an hour, here a minute, takes as long to recover; of the last minutes it is.
    until(lambda: not watching.query('role:wuhan_errors:ratio_rate5m{role="recursive"} > 0.0144'))
