"""``wuhan config``: what a network's configuration comes to, and whether it is valid."""

from dataclasses import asdict
from typing import Any

import click

from resolver.cli import output
from resolver.cluster.kubernetes import IMAGE, STORAGE, Choices, pod_monitor, pods_of_nodes
from resolver.cluster.kubernetes import one_pod as in_one_pod
from resolver.topology.expand import expand
from resolver.topology.load import PRESETS, SECTIONS, Loaded, load_network
from resolver.topology.schema import NetworkFile


@click.group()
def config() -> None:
    """Show or check a network's configuration."""


@config.command()
@click.argument("source", metavar="[FILE|wuhan|minimal]", default="wuhan", envvar="WUHAN_CONFIG")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: the file's settings, their origins, all nodes.",
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of a network file.")
def show(source: str, as_json: bool, schema: bool) -> None:
    """Show the settings as they take effect, and where each came from."""
    if schema:
        output.emit_json(NetworkFile.model_json_schema())
        return
    loaded = load_network(source)
    topology = expand(loaded)
    if as_json:
        document: dict[str, Any] = loaded.file.model_dump(mode="json")
        document["origins"] = dict(loaded.origins)
        document["nodes"] = [asdict(node) for node in topology.nodes]
        output.emit_json(document)
        return
    output.table(("SETTING", "VALUE", "FROM"), _settings(loaded))
    click.echo()
    output.table(
        ("NODE", "ROLE", "PREFIX", "PARENT", "UDP/TCP", "HTTP", "PROCESS"),
        [
            (n.name, n.role, n.prefix, n.parent or "-", str(n.port), str(n.http_port), n.process)
            for n in topology.nodes
        ],
    )


@config.command()
@click.argument("sources", metavar="FILE…", nargs=-1)
def validate(sources: tuple[str, ...]) -> None:
    """Check network files; without one, those that come with wuhan."""
    for source in sources or PRESETS:
        topology = expand(load_network(source))
        click.echo(f"{source}: valid, {len(topology.nodes)} nodes")


@config.command()
@click.argument("source", metavar="[FILE|wuhan|minimal]", default="wuhan", envvar="WUHAN_CONFIG")
@click.option("--one-pod", is_flag=True, help="All nodes in one pod, instead of one each.")
@click.option("--monitor", is_flag=True, help="Also the PodMonitor of the Prometheus operator.")
@click.option("--image", default=IMAGE, show_default=True, help="The container image.")
@click.option("--storage", default=STORAGE, show_default=True, help="Size of a pod's volume.")
def kubernetes(source: str, one_pod: bool, monitor: bool, image: str, storage: str) -> None:
    """Print manifests for Kubernetes, as a JSON list: pipe it to "kubectl apply -f -".

    With a pod for each node, they share a key that is to be there as a Secret (docker/README.md).
    """
    make = in_one_pod if one_pod else pods_of_nodes
    documents = make(source, Choices(image, storage))
    if monitor:
        documents.append(pod_monitor(source, together=one_pod))
    output.emit_json({"apiVersion": "v1", "kind": "List", "items": documents})


def _settings(loaded: Loaded) -> list[tuple[str, str, str]]:
    rows = []
    for section in SECTIONS:
        for key, value in getattr(loaded.file, section).model_dump(mode="json").items():
            name = f"{section}.{key}"
            rows.append((name, str(value), loaded.origins.get(name, "default")))
    return rows
