"""A real Prometheus watches a real network: dashboards have data, and alerts fire on real faults,
and end with them. Everything goes 360 times as quick as in the files that come with the program.
"""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import COMMAND, network, node_of, status_of, stopped, until
from tests.support.drills import ROUNDS, WORKS, Again, Alert, Scene, full_disk, on_small_disk
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

WORKLOAD = """
title = "Less than the plan asks for"
thresholds = ["errors<5%"]

[[client]]
name = "scanner"
transport = "udp"
count = 5
rate = 20
mix = {skewed = 90, missing = 8, routes = 2}

[[client]]
name = "browser"
transport = "http"
count = 2
rate = 10

[[client]]
name = "gateway"
transport = "tcp"
count = 2
rate = 20
mix = {skewed = 90, malformed = 10}

[[client]]
name = "warehouse"
transport = "batch"
count = 2
rate = 3
batch = [300, 700]

[[client]]
name = "registrar"
transport = "register"
server = "enterprise"
rate = 1
batch = [20, 50]
"""
"""About 3,200 resolutions a second."""

BEHIND: Alert = ("WuhanTargetBehindPlan", "wuhan")


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return on_small_disk(tmp_path_factory.getbasetemp() / "monitored")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, small_disk: list[str]) -> Iterator[Path]:
    folder = tmp_path_factory.getbasetemp() / "monitored"
    config = folder / "network.toml"
    minimal = (CONFIG / "minimal.toml").read_text(encoding="utf-8")
    config.write_text(minimal.replace("enterprises = 1", "enterprises = 2") + QUICK, "utf-8")
    with network(folder, "--config", str(config), before=small_disk) as running:
        yield running


@pytest.fixture(scope="module")
def load(data: Path) -> Iterator[Load]:
    with Load(f"127.0.0.1:{node_of(data, 'recursive')['port']}", WORKS) as running:
        yield running


@pytest.fixture(scope="module")
def watching(
    data: Path, load: Load, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with prometheus(data, quick_rules(tmp_path_factory.mktemp("rules") / "quick")) as running:
        yield running


@pytest.fixture(scope="module")
def slow_run(
    data: Path, watching: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["subprocess.Popen[str]"]:
    """A load test that is under way."""
    workload = tmp_path_factory.mktemp("workload") / "slow.toml"
    workload.write_text(WORKLOAD, encoding="utf-8")
    with subprocess.Popen(
        [*COMMAND, "bench", "run", str(workload), "--seconds", "8s"],
        env={**os.environ, "WUHAN_DATA": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


def page(data: Path, name: str, path: str) -> str:
    url = f"http://127.0.0.1:{node_of(data, name)['http_port']}{path}"
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def test_promtool_finds_nothing_wrong(watching: Prometheus):  # which looks for nodes meanwhile
    for command in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ):
        done = subprocess.run(
            ["promtool", *command], cwd=FILES, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def alert_names() -> list[str]:
    return re.findall(r"- alert: (\w+)", (FILES / "alerts.yml").read_text(encoding="utf-8"))


def test_every_alert_is_tested():
    names = alert_names()
    tests = (FILES / "alerts_test.yml").read_text(encoding="utf-8")
    assert len(set(names)) == len(names) > 8
    for name in names:
        fires = re.findall(rf"alertname: {name}\n +exp_alerts", tests)
        keeps_still = re.findall(rf"alertname: {name}\n(?! +exp_alerts)", tests)
        assert fires, name
        assert keeps_still, name


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
    with stopped(node_of(data, "optics")["pid"]):
        until(
            lambda: (
                'wuhan_node_up{node="optics",role="secondary"} 0'
                in page(data, "wuhan", "/metrics/network")
            )
        )


def test_the_nodes_are_found(data: Path, watching: Prometheus):
    nodes = {node["name"]: node["role"] for node in status_of(data)["nodes"]}
    until(lambda: len(watching.query("up == 1")) == len(nodes))
    found = {row["metric"]["node"]: row["metric"]["role"] for row in watching.query("up")}
    assert found == nodes
    targets = json.loads((data / "targets.json").read_text(encoding="utf-8"))
    assert len(targets) == len(nodes)


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
        ("$__rate_interval", "3s"), ("$network", ".*"), ("$role", "recursive"), ("$node", node),
    ):  # fmt: skip
        expression = expression.replace(variable, value)
    return expression


def test_nothing_fires_while_all_is_well(watching: Prometheus):
    until(lambda: bool(watching.query("role:wuhan_requests:rate1m > 0")))
    until(lambda: not watching.firing())


def test_every_panel_has_data_during_a_load_test(
    watching: Prometheus, slow_run: "subprocess.Popen[str]"
):
    empty: list[Any] = expressions()
    assert len(empty) > 70

    def is_over() -> bool:
        nonlocal empty
        # Histograms of nothing have no quantiles: NaN is no data.
        empty = [
            row for row in empty
            if not any(found["value"][1] != "NaN" for found in watching.query(asked(row[2], ".*")))
        ]  # fmt: skip
        return not empty or slow_run.poll() is not None

    until(is_over, 60)
    assert slow_run.poll() is None, f"no data for {empty}"


def fires(watching: Prometheus, expected: set[Alert], again: list[Again]) -> None:
    """Wait until each alert has fired."""
    missing, began = set(expected), time.monotonic()

    def is_seen() -> bool:
        nonlocal missing
        for do in again:
            do()
        missing -= watching.fired(time.monotonic() - began)
        return not missing

    try:
        until(is_seen, 30)
    except AssertionError:
        pytest.fail(f"{sorted(missing)} did not fire; what fires is {sorted(watching.firing())}")


def end(watching: Prometheus, expected: set[Alert]) -> None:
    """Wait until none of the alerts fires."""
    try:
        until(lambda: not expected & watching.firing(), 30)
    except AssertionError:
        pytest.fail(f"{sorted(expected & watching.firing())} did not end")


def test_every_alert_fires_on_its_fault_and_ends_with_it(
    data: Path,
    load: Load,
    watching: Prometheus,
    slow_run: "subprocess.Popen[str]",
    small_disk: list[str],
):
    told, trouble = slow_run.communicate(timeout=60)
    assert slow_run.returncode == 0, told + trouble
    until(lambda: BEHIND in watching.fired(60))
    scene = Scene(data, load)
    everything = {BEHIND}
    for drills in ROUNDS:
        possible = {drill: set_off for drill, set_off in drills.items()
                    if small_disk or drill is not full_disk}  # fmt: skip
        expected = set[Alert]().union(*possible.values())
        assert not everything & expected
        everything |= expected
        end(watching, expected)  # so that they fire because of the faults
        if drills is ROUNDS[-1]:
            end(watching, {BEHIND})  # its node will hang
        with ExitStack() as faults:
            fires(watching, expected, [faults.enter_context(drill(scene)) for drill in possible])
    end(watching, everything)
    if not small_disk:
        pytest.skip("a full disk was not tried: no file system can be mounted here")


def test_no_alert_is_without_a_drill():
    ours = {("slow_run", BEHIND[0])}
    for drills in ROUNDS:
        ours |= {(do.__name__, name) for do, alerts in drills.items() for name, _ in alerts}
    text = (FILES / "alerts.yml").read_text(encoding="utf-8")
    assert ours == set(re.findall(r"# Drill (\w+): .*\n +- alert: (\w+)", text))
    assert {name for _, name in ours} == set(alert_names())
