"""The image's commands, compose.yaml and the manifests for Kubernetes, run as containers would be:
in namespaces, without rights, on a root file system that nothing can be written to."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import monitoring
from tests.support.command import until, wuhan
from tests.support.containers import Container, Engine, Spec, engine, passes, why_not
from tests.support.images import HOUSE, Image, Mount, compose, image_of

WHY_NOT = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

DOCKERFILE = HOUSE / "docker" / "Dockerfile"
NOBODY = 65534


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Engine]:
    with engine(tmp_path / "containers") as running:
        yield running


def volume(folder: Path, user: int) -> Path:
    """A volume that belongs to a container's user."""
    folder.mkdir(parents=True)
    subprocess.run(["chown", f"{user}:{user}", str(folder)], check=True)
    return folder


def service(
    document: dict[str, Any], name: str, image: Image, volumes: dict[str, Path], *, called: str = ""
) -> Spec:
    """A service of compose.yaml as a container."""
    told = document["services"][name]
    assert told["read_only"]
    assert told["cap_drop"] == ["ALL"]
    mounts = [
        Mount(
            volumes[one["source"]] if one["type"] == "volume" else Path(one["source"]),
            one["target"],
            one.get("read_only", False),
        )
        for one in told.get("volumes", ())
    ]
    return Spec(
        called or name,
        [*image.entrypoint, *(told["command"] or image.command)],
        {**image.environment, **told.get("environment", {})},
        image.user,
        [*image.copied, *mounts],
        told.get("tmpfs", ()),
        image.folder,
    )


def health(container: Container, document: dict[str, Any], name: str) -> bool:
    """Whether a container's health check in compose.yaml passes."""
    kind, *command = document["services"][name]["healthcheck"]["test"]
    assert kind == "CMD"
    return container.execute(command).returncode == 0


def resolve(host: Engine, name: str, server: str, image: Image, *options: str) -> dict[str, Any]:
    """What ``wuhan resolve`` prints in a container of its own."""
    command = ["wuhan", "resolve", "88.901.1/000001", "--server", server, "--json", *options]
    asking = host.run(Spec(name, command, image.environment, image.user, (), ("/data",)))
    assert asking.wait() == 0, asking.output()
    answer: dict[str, Any] = json.loads(asking.output())
    return answer


def test_compose(host: Engine, tmp_path: Path):
    document = compose(environ={"WUHAN_CONFIG": "minimal", "WUHAN_WORKLOAD": "enterprise"})
    image, load = image_of(DOCKERFILE), image_of(DOCKERFILE, "load")
    volumes = {"data": volume(tmp_path / "data", image.user)}
    host.name("network", "prometheus", "locust", "locust-worker", "app")
    network = host.run(service(document, "network", image, volumes))
    assert network.execute(image.health).returncode == 3  # "no network runs"
    passes(lambda: health(network, document, "network"), network)
    assert network.execute(image.health).stdout == "5 nodes answer\n"
    refused = network.execute(
        ["sh", "-c", "touch /usr/x; touch /x; touch ~/x; touch /tmp/x; id -u"]
    )
    assert refused.stdout == f"{image.user}\n"
    assert refused.stderr.count("\n") == 4

    answer = resolve(host, "app", "network:3641", image)
    assert answer["values"]

    # All of them at once; Prometheus looks every five seconds, meanwhile the others are tried.
    prometheus = None
    if not monitoring.why_not():
        volumes["prometheus"] = volume(tmp_path / "prometheus", NOBODY)
        of_prometheus = Image(
            load.environment, ["prometheus"], [], [], NOBODY, "/prometheus", [], "", {}
        )
        prometheus = host.run(service(document, "prometheus", of_prometheus, volumes))
    master = host.run(service(document, "locust", load, volumes))
    passes(lambda: health(master, document, "locust"), master)
    worker = host.run(service(document, "locust-worker", load, volumes))
    web = f"http://{host.hosts['locust']}:8089"

    def stats() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(host.get(f"{web}/stats/requests")[1])
        return found

    passes(lambda: len(stats()["workers"]) == 1, worker)
    swarm = (
        "import urllib.request as r; "
        f"print(r.urlopen('{web}/swarm', b'user_count=4&spawn_rate=4', timeout=10).read())"
    )
    begun = master.execute(["python", "-c", swarm])
    assert '"success":true' in begun.stdout.replace(" ", ""), begun
    passes(lambda: stats()["total_rps"] > 0, worker)
    assert stats()["fail_ratio"] == 0
    if prometheus is not None:
        scraped = f"http://{host.hosts['prometheus']}:9090/api/v1/query?query=up"
        passes(lambda: host.get(scraped)[1].count('"1"') == 5, prometheus)

    grace = float(document["services"]["network"]["stop_grace_period"].removesuffix("s"))
    assert worker.stop(signal.SIGTERM, grace) == 0, worker.output()
    assert master.stop(signal.SIGTERM, grace) == 0, master.output()
    assert network.stop(getattr(signal, image.signal), grace) == 0, network.output()
    assert not (volumes["data"] / "state.json").exists()
    assert (volumes["data"] / "keys" / "network.pem").stat().st_mode & 0o777 == 0o600


def pods(file: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The pods of a file of manifests, each with its container."""
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        if document["kind"] == "StatefulSet":
            pod = document["spec"]["template"]["spec"]
            yield document, pod["containers"][0]


def pod_spec(
    document: dict[str, Any], container: dict[str, Any], image: Image, volumes: dict[str, Path]
) -> Spec:
    """A pod as a container."""
    told = document["spec"]["template"]["spec"]
    name = document["metadata"]["name"]
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    mounts = [
        Mount(volumes[one["name"]], one["mountPath"], one.get("readOnly", False))
        for one in container["volumeMounts"]
    ]
    return Spec(
        name,
        [*image.entrypoint, *container["args"]],
        {**image.environment, **{one["name"]: one["value"] for one in container["env"]}},
        told["securityContext"]["runAsUser"],
        mounts,
        (),
        image.folder,
    )


def probed(host: Engine, name: str, container: dict[str, Any], kind: str) -> int:
    """The status that a probe of a pod gets, from outside of it; 0 if nothing."""
    get = container[kind]["httpGet"]
    port = next(p["containerPort"] for p in container["ports"] if p["name"] == get["port"])
    return host.get(f"http://{host.hosts[name]}:{port}{get['path']}")[0]


def test_a_pod_for_each_node(host: Engine, tmp_path: Path):
    """Five nodes on five hosts, which find each other by the names of their Services."""
    image = image_of(DOCKERFILE)
    file = HOUSE / "docker" / "kubernetes" / "minimal.yaml"
    documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    assert wuhan("keys", "create", "network", "--out", str(tmp_path), data=tmp_path).returncode == 0
    shared = volume(tmp_path / "shared", image.user)
    config, key = volume(shared / "config", 0), volume(shared / "key", image.user)
    for name, text in next(d for d in documents if d["kind"] == "ConfigMap")["data"].items():
        (config / name).write_text(text, encoding="utf-8")
    pem = (tmp_path / "network.pem").read_text()
    (key / "network.pem").write_text(pem)
    started = list(pods(file))
    host.name(*(document["metadata"]["name"] for document, _ in started), "app")
    running = []
    for document, container in started:
        name = document["metadata"]["name"]
        volumes = {"data": volume(tmp_path / name, image.user), "config": config, "key": key}
        running.append(host.run(pod_spec(document, container, image, volumes)))
        assert probed(host, name, container, "startupProbe") == 0
    for (document, container), pod in zip(started, running, strict=True):
        name = document["metadata"]["name"]

        def ready(kind: str, name: str = name, container: dict[str, Any] = container) -> bool:
            return probed(host, name, container, kind) == 200

        passes(lambda ready=ready: ready("startupProbe"), pod)
        assert ready("readinessProbe")
        assert ready("livenessProbe")

    answer = resolve(host, "app", "minimal-recursive:3641", image, "--trace")
    assert answer["values"]
    assert [hop["node"] for hop in answer["trace"]["hops"]] == ["wuhan", "optics", "88.901.1"]
    pod = {one.spec.name: one for one in running}
    checked = pod["minimal-optics"].execute(image.health)
    assert checked.stdout == "optics answers\n", checked.stderr
    told = f"http://{host.hosts['minimal-wuhan']}:8000/health"
    passes(lambda: '"optics"' in host.get(told)[1], pod["minimal-wuhan"])  # its heartbeat came

    for (document, _), one in zip(started, running, strict=True):
        grace = document["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert one.stop(getattr(signal, image.signal), grace) == 0, one.output()
    assert (tmp_path / "minimal-optics" / "keys" / "network.pem").read_text() == pem


def test_a_pod_that_waits_for_names_can_be_stopped(host: Engine):
    """Process 1 of a container is not ended by a signal that it does not handle."""
    image = image_of(DOCKERFILE)
    environment = {
        **image.environment,
        "WUHAN_CONFIG": "minimal",
        "WUHAN_NETWORK_ADVERTISE": "{node}.invalid",
    }
    host.name("waiting")
    command = [*image.entrypoint, "node", "run", "root"]
    pod = host.run(Spec("waiting", command, environment, image.user, (), ("/data",)))

    def ended() -> bool:
        pod.send(getattr(signal, image.signal))
        return pod.process.poll() is not None

    until(ended, 10)
    assert pod.process.returncode == 130, pod.output()
