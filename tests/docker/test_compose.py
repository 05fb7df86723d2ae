"""docker/compose.yaml, as Docker Compose itself understands it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.workloads.model import load_workload
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from tests.support.images import HOUSE, compose, image_of
from tests.support.monitoring import why_not

DOCKERFILE = HOUSE / "docker" / "Dockerfile"
OURS = {"network": "", "locust": "load", "locust-worker": "load"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The whole file, with all profiles; Compose has checked it against its schema."""
    found: dict[str, Any] = compose()
    return found


def test_its_services(document: dict[str, Any]):
    services = document["services"]
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert profiles == {
        "network": [],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
        "locust": ["load"],
        "locust-worker": ["load"],
    }
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for other in service.get("depends_on", {}).values():
            assert other["condition"] == "service_healthy", name
        waited_for = {o for s in services.values() for o in s.get("depends_on", {})}
        assert ("healthcheck" in service) == (name in waited_for | {"grafana"})
    assert services["locust-worker"]["scale"] == 2


def test_the_health_check_is_the_image_s(document: dict[str, Any]):
    assert document["services"]["network"]["healthcheck"]["test"][1:] == image_of(DOCKERFILE).health


@pytest.mark.parametrize("network", ["wuhan", "minimal"])
def test_its_environment_describes_a_network(network: str):
    """Those that run the network, and those that load it, know the same one."""
    seen = set()
    for name, target in OURS.items():
        service = compose(environ={"WUHAN_CONFIG": network})["services"][name]
        environment = {**image_of(DOCKERFILE, target).environment, **service["environment"]}
        assert service["build"].get("target", "") == target
        topology = expand(load_network(environment["WUHAN_CONFIG"], environ=environment))
        assert {node.advertise for node in topology.nodes} == {"network"}
        seen.add(topology)
    assert len(seen) == 1


def test_the_ports_are_those_of_the_nodes(document: dict[str, Any]):
    """All but the enterprises' can be asked from outside, at the numbers of docs/network.md."""
    published = {
        (int(port["target"]), port["protocol"]) for port in document["services"]["network"]["ports"]
    }
    assert {port["host_ip"] for port in document["services"]["network"]["ports"]} == {"127.0.0.1"}
    nodes = expand(load_network("wuhan", environ={})).nodes
    wanted = {
        place
        for node in nodes
        if node.role not in ("enterprise", "root")
        for place in ((node.port, "udp"), (node.port, "tcp"), (node.http_port, "tcp"))
    }
    assert published == wanted


def test_workloads_can_be_chosen():
    services = compose(environ={"WUHAN_WORKLOAD": "platforms"})["services"]
    assert services["locust"]["environment"]["WUHAN_WORKLOAD"] == "platforms"
    assert load_workload("platforms").client


def test_what_is_mounted_is_there(document: dict[str, Any]):
    for service in document["services"].values():
        for mount in service.get("volumes", ()):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists()
                assert mount["read_only"]
            else:
                assert mount["source"] in document["volumes"]


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_prometheus_finds_its_files_where_they_are_mounted(
    document: dict[str, Any], tmp_path: Path
):
    mounts = {m["target"]: Path(m["source"]) for m in document["services"]["prometheus"]["volumes"]}
    for target, source in mounts.items():
        if source.is_file():
            (tmp_path / Path(target).name).symlink_to(source)
    option, file = document["services"]["prometheus"]["command"][0].split("=")
    assert option == "--config.file"
    checked = subprocess.run(
        ["promtool", "check", "config", str(tmp_path / Path(file).name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    told = yaml.safe_load((tmp_path / Path(file).name).read_text(encoding="utf-8"))
    (discovery,) = told["scrape_configs"][0]["file_sd_configs"]
    assert f"{Path(file).parent}/{Path(discovery['files'][0]).parent}" in mounts


def test_grafana_finds_its_files_where_they_are_mounted(document: dict[str, Any]):
    grafana = document["services"]["grafana"]
    mounts = {m["target"]: Path(m["source"]) for m in grafana["volumes"]}
    provisioning = mounts["/etc/grafana/provisioning"]
    told = yaml.safe_load((provisioning / "dashboards" / "wuhan.yml").read_text(encoding="utf-8"))
    assert list(mounts[told["providers"][0]["options"]["path"]].glob("*.json"))
    told = yaml.safe_load((provisioning / "datasources" / "wuhan.yml").read_text(encoding="utf-8"))
    assert told["datasources"][0]["url"] == "${PROMETHEUS_URL}"
    assert grafana["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
