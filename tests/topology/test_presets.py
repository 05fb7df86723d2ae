"""The networks that come with the program."""

from collections import Counter
from pathlib import Path

import pytest

from resolver.topology.expand import expand
from resolver.topology.load import PRESETS, load_network
from resolver.topology.plan import Topology
from secondary_nodes.roster import ROSTER

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def wuhan() -> Topology:
    return expand(load_network("wuhan", environ={}))


def test_the_presets_are_what_config_holds():
    assert {file.stem for file in CONFIG.glob("*.toml")} == set(PRESETS)


def test_the_default_network_has_115_nodes(wuhan: Topology):
    assert Counter(node.role for node in wuhan.nodes) == {
        "root": 1,
        "top-level": 1,
        "secondary": 12,
        "enterprise": 100,
        "recursive": 1,
    }


def test_the_documented_ports(wuhan: Topology):
    ports = {node.name: (node.port, node.http_port) for node in wuhan.nodes}
    assert ports["root"] == (2640, 8002)
    assert ports["wuhan"] == (2641, 8000)
    assert ports["recursive"] == (3641, 8001)
    secondaries = [ports[node.name] for node in wuhan.nodes if node.role == "secondary"]
    assert secondaries == [(2701 + n, 8101 + n) for n in range(12)]
    enterprises = [ports[node.name] for node in wuhan.nodes if node.role == "enterprise"]
    assert enterprises == [(2801 + n, 8201 + n) for n in range(100)]


def test_the_secondary_nodes_are_those_of_the_roster(wuhan: Topology):
    shown = [
        (node.name, node.prefix, node.title) for node in wuhan.nodes if node.role == "secondary"
    ]
    assert shown == [(row.name, row.prefix, row.title) for row in ROSTER]
    for row in ROSTER:
        below = [node.prefix for node in wuhan.nodes if node.parent == row.name]
        assert tuple(below) == row.enterprise_prefixes()


@pytest.mark.parametrize("preset", PRESETS)
def test_prefixes_are_said_to_be_fictional(preset: str):
    text = (CONFIG / f"{preset}.toml").read_text(encoding="utf-8")
    assert "fictional" in text.split("[network]")[0]
    assert "not allocations" in text.split("[network]")[0]
    for node in expand(load_network(preset, environ={})).nodes:
        if node.prefix.startswith("88."):
            assert "(fictional)" in node.title


def test_the_minimal_network_has_one_node_of_each_tier():
    nodes = expand(load_network("minimal", environ={})).nodes
    assert sorted(node.role for node in nodes) == [
        "enterprise",
        "recursive",
        "root",
        "secondary",
        "top-level",
    ]


def test_the_great_network_takes_eighteen_processes_with_its_supervisor(wuhan: Topology):
    assert len(wuhan.processes()) == 17
