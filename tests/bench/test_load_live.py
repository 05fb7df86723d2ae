"""Load tests against real networks: every user of Locust, the exit statuses, what a report says."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from resolver.cluster.launch import launch
from resolver.cluster.state import data_paths
from resolver.topology.expand import expand
from resolver.topology.load import load_network

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a running minimal network."""
    folder = tmp_path_factory.mktemp("network")
    topology = expand(load_network("minimal", overrides={"network.base_port": 0}))
    launched = launch(topology, data_paths(folder), "minimal", detach=True)
    try:
        launched.wait_ready(lambda event: None)
        yield folder
    finally:
        launched.stop()


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        env={**os.environ, **environment},
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def bench(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    return run("resolver.cli.main", "bench", "run", *arguments, "--data", data)


def test_locust_runs_the_file_by_itself(network: Path):
    done = run(
        "locust", "-f", HOUSE / "bench" / "locustfile.py", "--headless",
        "-u", "50", "-r", "50", "-t", "5s", "--only-summary", "--json", WUHAN_DATA=str(network),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout[done.stdout.index("[") :])}
    assert set(rows) == {
        "scanner", "gateway", "browser", "warehouse", "registrar", "registrar-web",
    }  # fmt: skip
    for name, row in rows.items():
        assert row["num_failures"] == 0, name
        assert row["num_requests"] > 0, name
        assert row["total_response_time"] > 0, name
    # As many as their rates ask for: 20 at 20 a second, 10 at 30, for 5 s.
    assert 1_200 < rows["scanner"]["num_requests"] < 2_400
    assert 900 < rows["gateway"]["num_requests"] < 1_900


def test_the_web_interface_starts_and_a_test_runs_from_it(network: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "locust", "-f", HOUSE / "bench" / "locustfile.py",
        "--web-host", "127.0.0.1", "--web-port", str(port),
    ]  # fmt: skip
    environment = {**os.environ, "WUHAN_DATA": str(network), "WUHAN_WORKLOAD": "peak-udp"}
    with subprocess.Popen(
        [*map(str, command)], cwd=HOUSE, env=environment, stderr=subprocess.PIPE, text=True
    ) as locust:
        try:
            assert locust.stderr is not None
            for line in locust.stderr:
                if "Starting web interface" in line:
                    break
            asked = subprocess.run(
                [sys.executable, "-c", _SWARM, str(port)],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert asked.returncode == 0, asked.stderr
            assert int(asked.stdout) > 0
        finally:
            locust.terminate()
            locust.communicate()


_SWARM = """
import json, sys, time, urllib.parse, urllib.request
base = f"http://127.0.0.1:{sys.argv[1]}"
deadline = time.monotonic() + 40
while True:
    try:
        page = urllib.request.urlopen(base + "/").read()
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
form = urllib.parse.urlencode({"user_count": 2, "spawn_rate": 2}).encode()
assert json.load(urllib.request.urlopen(base + "/swarm", form))["success"]
while time.monotonic() < deadline:
    stats = json.load(urllib.request.urlopen(base + "/stats/requests"))
    total = [row for row in stats["stats"] if row["name"] == "Aggregated"][0]
    if total["num_requests"] > 1000:
        assert total["num_failures"] == 0, stats["errors"]
        print(total["num_requests"])
        break
urllib.request.urlopen(base + "/stop", b"")
"""


def test_a_run_that_passes_and_its_reports(network: Path, tmp_path: Path):
    done = bench(
        "errors", "-t", "6s", "-e", "errors<0.01%", "-e", "rate>20", "-e", "hits{leaf}>10%",
        "--output", tmp_path, "--json", data=network,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["totals"]["failures"] == 0
    assert {"1", "2", "100", "102"} <= set(report["totals"]["codes"])
    assert report["cpu_us"]["recursive"] > 1
    assert sum(part["answers"] for part in report["slices"]) == report["totals"]["answers"]
    for name in ("report.html", "report.csv", "junit.xml", "locust.log"):
        assert (tmp_path / name).stat().st_size > 100
    again = bench(
        "errors", "-t", "6s", "-e", "cpu_change<1000%",
        "--baseline", tmp_path / "report.json", data=network,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "threshold cpu_change<1000%" in again.stdout


def test_a_network_that_answers_nothing_is_status_3(network: Path):
    data = ("--data", network)
    added = run("resolver.cli.main", "fault", "add", "recursive", "stop", *data)
    assert added.returncode == 0, added.stderr
    try:
        done = bench("zipf", "-t", "3s", "-e", "errors<100%", data=network)
    finally:
        cleared = run("resolver.cli.main", "fault", "clear", *data)
        assert cleared.returncode == 0, cleared.stderr
    assert done.returncode == 3, done.stdout
    assert "nothing was answered at all" in done.stderr
    assert "no answer in 5 s" in done.stdout


@pytest.fixture
def delayed(network: Path) -> Iterator[Path]:
    """The network, its recursive node slower by 50 ms."""
    data = ("--data", network)
    added = run("resolver.cli.main", "fault", "add", "recursive", "delay=50ms", *data)
    assert added.returncode == 0, added.stderr
    try:
        yield network
    finally:
        cleared = run("resolver.cli.main", "fault", "clear", *data)
        assert cleared.returncode == 0, cleared.stderr


def test_a_delay_of_50_ms_misses_a_threshold_and_the_report_says_which(
    delayed: Path, tmp_path: Path
):
    workload = tmp_path / "slow.toml"
    workload.write_text(
        "title = 'slow'\n[[client]]\nname = 'scanner'\ntransport = 'udp'\ncount = 4\nrate = 20\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    done = bench(workload, "-t", "4s", "-e", "p50<45ms, errors<1%", "--output", out, data=delayed)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "error: threshold p50<45ms:" in done.stderr
    assert "threshold errors<1%: 0%, met" in done.stdout
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["totals"]["latency_ms"]["p50"] >= 50
    assert not report["met"]
    assert '<failure message="p50&lt;45ms' in (out / "junit.xml").read_text(encoding="utf-8")
    assert "missed" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["enterprize"], 1, "there is no workload 'enterprize'; did you mean 'enterprise'?"),
        (["zipf", "-e", "p99<10"], 1, "takes us or µs or ms or s"),
        (["zipf", "-e", "eror<1%"], 1, "did you mean 'errors'?"),
        (["zipf", "-t", "5"], 1, "'5' is no duration like 30s"),
        (["peak-udp", "--rate", "5"], 1, "have no rate to change"),
        (["zipf", "-e", "cpu_change<1%"], 1, "--baseline FILE"),
        (["zipf", "--config", "minimal"], 1, "add --start"),
        (["zipf"], 3, "start one with: wuhan up"),
    ],
)
def test_what_cannot_be_run_says_why(
    arguments: list[str], status: int, reason: str, tmp_path: Path
):
    done = bench(*arguments, data=tmp_path)
    assert done.returncode == status
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def script_of(steps: list[dict], name: str) -> str:
    return next(step["run"] for step in steps if step.get("name") == name)


def in_bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


SETTINGS = {"WUHAN_LOAD_WORKLOAD": "zipf", "WUHAN_LOAD_CONFIG": "minimal"}


def test_the_github_action_fails_the_build_and_leaves_its_reports(tmp_path: Path):
    action = yaml.safe_load((HOUSE / "action.yml").read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    steps = action["runs"]["steps"]
    assert '"$GITHUB_ACTION_PATH[bench]"' in script_of(steps, "Install")
    load = next(step for step in steps if step.get("id") == "load")
    named = {value.split(".")[1].rstrip(" }") for value in load["env"].values()}
    assert named == set(action["inputs"]) - {"python-version", "upload"}
    done = in_bash(
        load["run"], tmp_path, **SETTINGS,
        WUHAN_LOAD_SECONDS="4s",
        WUHAN_LOAD_THRESHOLDS="errors<1%, rate>1000000",
        GITHUB_OUTPUT=str(tmp_path / "outputs"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    outputs = (tmp_path / "outputs").read_text(encoding="utf-8")
    assert "report=wuhan-load/report.html" in outputs
    assert (tmp_path / "wuhan-load" / "report.html").is_file()
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "rate>1000000" in summary
    assert "MISSED" in summary


def test_the_gitlab_job_passes_and_leaves_its_reports(tmp_path: Path):
    job = yaml.safe_load((HOUSE / "docs/ci/gitlab-load-test.yml").read_text(encoding="utf-8"))
    job = job["load-test"]
    variables = {name: str(value) for name, value in job["variables"].items()}
    assert variables["WUHAN_LOAD_PACKAGE"] == ".[bench]"
    settings = {**variables, **SETTINGS, "WUHAN_LOAD_SECONDS": "4s"}
    settings["WUHAN_LOAD_THRESHOLDS"] = "errors<1%"
    done = in_bash("\n".join(job["script"]), tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()


def test_several_processes_and_an_interrupt(network: Path, tmp_path: Path):
    command = ["-m", "resolver.cli.main", "bench", "run", "zipf", "-t", "60s", "--processes", "2"]
    command += ["--output", str(tmp_path), "--data", str(network)]
    with subprocess.Popen(
        [sys.executable, *command], cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as running:  # fmt: skip
        assert running.stderr is not None
        line = running.stderr.readline()  # one comes every five seconds
        assert "p99" in line
        running.send_signal(signal.SIGINT)
        told, trouble = running.communicate(timeout=40)
    assert running.returncode == 130, trouble
    assert "interrupted after" in told
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["totals"]["failures"] == 0
    assert report["totals"]["rate"] > 0
