"""docker/kubernetes: valid for Kubernetes, up to date, and fit for what the image does."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from resolver.cluster.kubernetes import KEY, KEY_FILE, Choices, pods_of_nodes
from resolver.cluster.names import with_addresses
from resolver.model.errors import ConfigError
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from tests.support.command import wuhan
from tests.support.images import HOUSE, image_of

FOLDER = HOUSE / "docker" / "kubernetes"
FILES = sorted(file.name for file in FOLDER.glob("*.yaml"))
KUBERNETES = "1.30"
"""A version that is strict about what there is to be known, and not the newest."""

QUANTITY = re.compile(r"[0-9]+(m|[KMG]i)?")


@cache
def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def of_kind(name: str, kind: str) -> list[dict[str, Any]]:
    return [document for document in documents(name) if document["kind"] == kind]


def test_they_are_up_to_date():
    where = HOUSE / "docker" / "write_manifests.py"
    spec = importlib.util.spec_from_file_location("write_manifests", where)
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    found = {name: (FOLDER / name).read_text(encoding="utf-8") for name in FILES}
    assert found == writer.files(), "run: make manifests"


@pytest.mark.parametrize("version", [KUBERNETES, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", ["minimal.yaml", "one-pod.yaml"])
def test_they_are_what_kubernetes_takes(name: str, version: str):
    for document in documents(name):
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("name", ["minimal.yaml", "one-pod.yaml"])
def test_pods_have_no_rights(name: str):
    user = image_of(HOUSE / "docker" / "Dockerfile").user
    sets = of_kind(name, "StatefulSet")
    assert sets
    for one in sets:
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == user
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for part in container["resources"].values():
            assert all(QUANTITY.fullmatch(value) for value in part.values())
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)


@pytest.mark.parametrize("name", ["minimal.yaml", "one-pod.yaml"])
def test_names_fit_together(name: str):
    """Services and policies mean pods that are there, and volumes things that are there."""
    pods = [one["spec"]["template"] for one in of_kind(name, "StatefulSet")]
    for service in of_kind(name, "Service"):
        wanted = service["spec"]["selector"].items()
        meant = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items()]
        assert len(meant) == (len(pods) if service["spec"].get("clusterIP") == "None" else 1)
        assert len({port["name"] for port in service["spec"].get("ports", ())}) == len(
            service["spec"].get("ports", ())
        )
    names = {service["metadata"]["name"] for service in of_kind(name, "Service")}
    configs = {config["metadata"]["name"] for config in of_kind(name, "ConfigMap")}
    for one in of_kind(name, "StatefulSet"):
        assert one["spec"]["serviceName"] in names
        pod = one["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes
        assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} == configs


def test_every_pod_finds_the_others_by_their_services(tmp_path: Path):
    """What a pod's environment and its ConfigMap say is the network whose Services there are."""
    (config,) = of_kind("minimal.yaml", "ConfigMap")
    (file,) = config["data"]
    (tmp_path / file).write_text(config["data"][file], encoding="utf-8")
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind("minimal.yaml", "Service")}
    pods = of_kind("minimal.yaml", "StatefulSet")
    assert len(pods) == 5
    for one in pods:
        container = one["spec"]["template"]["spec"]["containers"][0]
        environment = {given["name"]: given["value"] for given in container["env"]}
        assert Path(environment["WUHAN_CONFIG"]).name == file
        topology = expand(load_network(str(tmp_path / file), environ=environment))
        spec = topology.node(environment["WUHAN_NODE"])
        assert topology.key == f"{KEY}/{KEY_FILE}"
        asked = []
        with_addresses(topology, lookup=lambda name, asked=asked: asked.append(name) or "10.0.0.1")
        assert set(asked) == set(services) - {"minimal-pods"}
        here = {(port["containerPort"], port["protocol"]) for port in container["ports"]}
        assert here == {(spec.port, "TCP"), (spec.port, "UDP"), (spec.http_port, "TCP")}
        outside = services[spec.advertise]["ports"]
        assert {(port["targetPort"], port["protocol"]) for port in outside} == here
        assert {(port["port"], port["protocol"]) for port in outside} == here


@pytest.mark.parametrize("name", ["minimal.yaml", "one-pod.yaml"])
def test_the_policy_lets_in_what_the_services_offer(name: str):
    (policy,) = of_kind(name, "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]
    open_ = {
        (port, span["protocol"])
        for span in rule["ports"]
        for port in range(span["port"], span.get("endPort", span["port"]) + 1)
    }
    for service in of_kind(name, "Service"):
        for port in service["spec"].get("ports", ()):
            assert (port["targetPort"], port["protocol"]) in open_


@pytest.mark.parametrize(
    ("name", "path"), [("minimal", "/metrics"), ("one-pod", "/metrics/network")]
)
def test_pod_monitors(name: str, path: str):
    """In the shape that the operator documents; its schema is not part of Kubernetes' own."""
    (monitor,) = documents(f"{name}-monitor.yaml")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert set(monitor["spec"]) == {"jobLabel", "selector", "podMetricsEndpoints"}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert set(endpoint) == {
        "port", "path", "interval", "scrapeTimeout", "honorLabels", "relabelings",
    }  # fmt: skip
    assert endpoint["path"] == path
    for one in of_kind(f"{name}.yaml", "StatefulSet"):
        template = one["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        # The alerts look at jobs of this name.
        assert labels[monitor["spec"]["jobLabel"]] == "wuhan"
        (container,) = template["spec"]["containers"]
        assert endpoint["port"] in {port["name"] for port in container["ports"]}
        for relabeling in endpoint["relabelings"]:
            for source in relabeling.get("sourceLabels", ()):
                label = source.removeprefix("__meta_kubernetes_pod_label_")
                assert label in {re.sub("[^a-zA-Z0-9]", "_", one) for one in labels}


def test_the_command_prints_what_kubectl_takes(tmp_path: Path):
    shown = wuhan(
        "config", "kubernetes", "minimal", "--monitor", "--image", "registry.example/wuhan:1",
        data=tmp_path,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    listed = json.loads(shown.stdout)
    assert listed["kind"] == "List"
    assert listed["items"] == [
        *pods_of_nodes("minimal", Choices(image="registry.example/wuhan:1")),
        *documents("minimal-monitor.yaml"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('name = "88"', "'88' cannot name a network in a cluster"),
        ("base_port = 0", "every node has ports that are known"),
    ],
)
def test_networks_that_have_no_place_in_a_cluster(tmp_path: Path, change: str, reason: str):
    file = tmp_path / "network.toml"
    node = '[[node]]\nname = "root"\nrole = "root"\nport = 2640\nhttp_port = 8002\n'
    file.write_text(f"[network]\n{change}\n{node}", encoding="utf-8")
    with pytest.raises(ConfigError, match=reason):
        pods_of_nodes(str(file), Choices())


def test_two_nodes_of_one_name_in_dns(tmp_path: Path):
    file = tmp_path / "network.toml"
    nodes = [
        f'[[node]]\nname = "{name}"\nrole = "recursive"\nport = {port}\nhttp_port = {port + 1}\n'
        for name, port in (("a.b", 4000), ("a-b", 5000))
    ]
    file.write_text("".join(nodes), encoding="utf-8")
    with pytest.raises(ConfigError, match="two nodes would be called wuhan-a-b"):
        pods_of_nodes(str(file), Choices())
