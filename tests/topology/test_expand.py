"""From network files to nodes: defaults by role, and the checks of how nodes fit together."""

from pathlib import Path

import pytest

from resolver.model.errors import ConfigError
from resolver.model.value import Reference
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import NodeSpec, Topology

ROOT = '[[node]]\nname = "root"\nrole = "root"\nport = 2640\nhttp_port = 8002\n'
TOP = (
    '[[node]]\nname = "wuhan"\nrole = "top-level"\nprefix = "88"\nparent = "root"\n'
    "port = 2641\nhttp_port = 8000\n"
)
RECURSIVE = '[[node]]\nname = "recursive"\nrole = "recursive"\nport = 3641\nhttp_port = 8001\n'
OPTICS = (
    '[[secondary]]\nname = "optics"\ntitle = "光通信 (fictional)"\nprefix = "88.901"\n'
    "port = 2701\nhttp_port = 8101\nenterprise_port = 2801\nenterprise_http_port = 8201\n"
)


@pytest.fixture
def expanded(tmp_path: Path):
    """Expand the text of a network file."""

    def expand_text(text: str, **overrides: object) -> Topology:
        path = tmp_path / "net.toml"
        path.write_text(text, encoding="utf-8")
        given = {key.replace("__", "."): value for key, value in overrides.items()}
        return expand(load_network(str(path), overrides=given, environ={}))

    return expand_text


@pytest.fixture
def refused(expanded):
    """Why the text of a network file is refused, a line each, without the file's name."""

    def why(text: str, **overrides: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            expanded(text, **overrides)
        lines = str(caught.value).splitlines()
        assert all("net.toml: " in line for line in lines)
        return [line.partition("net.toml: ")[2] for line in lines]

    return why


def test_four_tiers(expanded):
    network = expanded(ROOT + TOP + RECURSIVE + OPTICS + "enterprises = 2\n")
    assert [(node.name, node.role, node.parent) for node in network.nodes] == [
        ("root", "root", None),
        ("wuhan", "top-level", "root"),
        ("recursive", "recursive", None),
        ("optics", "secondary", "wuhan"),
        ("88.901.1", "enterprise", "optics"),
        ("88.901.2", "enterprise", "optics"),
    ]
    assert [(node.homes, node.delegates) for node in network.nodes] == [
        ((), ("",)),
        ((), ("88",)),
        ((), ()),
        (("88.901",), ("88.901",)),
        (("88.901.1",), ()),
        (("88.901.2",), ()),
    ]
    assert [(node.port, node.http_port) for node in network.nodes[3:]] == [
        (2701, 8101),
        (2801, 8201),
        (2802, 8202),
    ]
    assert network.node("88.901.2").title == "光通信 (fictional) 2"


def test_every_node_starts_resolutions_at_the_top_level_or_the_root_and_recurses(expanded):
    network = expanded(ROOT + TOP + RECURSIVE + OPTICS + "enterprises = 1\n")
    assert {node.hints for node in network.nodes} == {(("88", "wuhan"), ("", "root"))}
    assert all(node.recursion for node in network.nodes)


def test_recursion_can_be_switched_off_for_each_node(expanded):
    network = expanded(
        ROOT + "recursion = false\n" + TOP + OPTICS + "recursion = false\nenterprises = 1\n"
    )
    assert [node.recursion for node in network.nodes] == [False, True, False, False]


def test_hosted_enterprises_live_at_the_secondary_node(expanded):
    network = expanded(ROOT + TOP + OPTICS + "hosted = 2\nenterprises = 1\n")
    assert network.node("optics").homes == ("88.901", "88.901.1", "88.901.2")
    assert network.nodes[-1].name == "88.901.3"
    assert network.nodes[-1].port == 2801


def test_all_enterprises_can_be_hosted(expanded):
    network = expanded(ROOT + TOP + OPTICS + "hosted = true\nenterprises = 3\n")
    assert network.node("optics").homes == ("88.901", "88.901.1", "88.901.2", "88.901.3")
    assert len(network.nodes) == 3


def test_enterprises_share_processes_and_the_others_do_not(expanded):
    network = expanded(
        ROOT + TOP + RECURSIVE + OPTICS + "enterprises = 5\n", network__nodes_per_process=2
    )
    shared = {name: [n.name for n in nodes] for name, nodes in network.processes().items()}
    assert shared == {
        "root": ["root"],
        "wuhan": ["wuhan"],
        "recursive": ["recursive"],
        "optics": ["optics"],
        "enterprises-1": ["88.901.1", "88.901.2"],
        "enterprises-2": ["88.901.3", "88.901.4"],
        "enterprises-3": ["88.901.5"],
    }


def test_a_node_can_be_put_into_a_process(expanded):
    network = expanded(ROOT + 'process = "top"\n' + TOP + 'process = "top"\n')
    assert list(network.processes()) == ["top"]


def test_all_ports_move_together(expanded):
    network = expanded(ROOT + TOP + OPTICS + "enterprises = 1\n", network__base_port=12600)
    assert [(n.port, n.http_port) for n in network.nodes] == [
        (12640, 18002),
        (12641, 18000),
        (12701, 18101),
        (12801, 18201),
    ]


def test_free_ports_are_asked_for_with_0(expanded):
    network = expanded(ROOT + OPTICS + 'parent = "root"\nenterprises = 1\n', network__base_port=0)
    assert {(n.port, n.http_port) for n in network.nodes} == {(0, 0)}
    network = expanded(
        ROOT.replace("2640", "0") + OPTICS.replace("2801", "0") + "enterprises = 2\n"
    )
    assert [n.port for n in network.nodes] == [0, 2701, 0, 0]


def test_what_a_node_says_of_its_cache_and_limits_is_laid_over_the_networks(expanded):
    network = expanded(
        "[cache]\nttl_cap = '10m'\nroutes = '1MiB'\n[limits]\nmax_asks = 7\n"
        + ROOT
        + "cache = { leaves = '8MiB' }\nlimits = { deadline = '9s' }\n"
        + TOP
    )
    root, top = network.nodes
    assert (root.cache.ttl_cap_s, root.cache.routes_bytes) == (600.0, 1 << 20)
    assert (root.cache.leaves_bytes, top.cache.leaves_bytes) == (8 << 20, 16 << 20)
    assert (root.limits.max_asks, root.limits.deadline_s) == (7, 9.0)
    assert top.limits.deadline_s == 5.0


def test_samples(expanded):
    text = ROOT + TOP + OPTICS + "enterprises = 1\n"
    assert [node.samples for node in expanded(text).nodes] == [0, 0, 100, 100]
    assert [node.samples for node in expanded(text, network__samples=0).nodes] == [0, 0, 0, 0]


def test_a_second_top_level_node(expanded, refused):
    second = TOP.replace("wuhan", "beijing").replace('"88"', '"87"')
    second = second.replace("2641", "2642").replace("8000", "8003")
    network = expanded(ROOT + TOP + second + OPTICS + 'parent = "wuhan"\n')
    assert network.node("optics").hints == (("88", "wuhan"), ("87", "beijing"), ("", "root"))
    assert refused(ROOT + TOP + second + OPTICS + 'parent = "beijing"\n') == [
        "optics.prefix: 88.901 is not below what beijing delegates (87)"
    ]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("", ["node: the network has no nodes"]),
        (
            ROOT
            + ROOT.replace("2640", "1").replace("8002", "2").replace('e = "root"', 'e="Root"', 1),
            ["root: 2 nodes have this name"],
        ),
        (
            ROOT + TOP + TOP.replace("wuhan", "b").replace("2641", "1").replace("8000", "2"),
            ["88: 2 nodes have this prefix"],
        ),
        (
            ROOT + 'homes = ["10.5"]\n' + TOP + 'homes = ["10.5"]\n',
            ["10.5: 2 nodes hold the identifiers of this prefix"],
        ),
        (
            ROOT + TOP.replace("2641", "2640"),
            ["wuhan.port: 2640 is the port of root.port already"],
        ),
        (
            ROOT + TOP.replace("2641", "8002"),
            ["wuhan.port: 8002 is the port of root.http_port already"],
        ),
        (ROOT.replace("8002", "2640"), ["root.http_port: 2640 is the port of root.port already"]),
        (
            ROOT + TOP.replace('t = "root"', 't = "rooot"'),
            ["wuhan.parent: there is no node 'rooot'; did you mean 'root'?"],
        ),
        (
            ROOT + RECURSIVE + TOP.replace('t = "root"', 't = "recursive"'),
            [
                "wuhan.parent: a top-level node cannot stand below recursive, a recursive node; "
                "it stands below root"
            ],
        ),
        (
            ROOT + 'hints = { "88" = "whan" }\n' + TOP,
            ["root.hints: there is no node 'whan' (for 88); did you mean 'wuhan'?"],
        ),
        (
            ROOT + 'cache = { policy = "seive" }\n',
            [
                "cache.policy: there is no policy 'seive', only lru, s3fifo, sieve, sieve10, ttl; "
                "did you mean 'sieve'?"
            ],
        ),
        (
            ROOT + 'process = "supervisor"\n',
            ["root: the name 'supervisor' is taken by the supervisor"],
        ),
    ],
)
def test_what_does_not_fit_together(refused, text: str, reasons: list[str]):
    assert refused(text) == reasons


def test_ports_that_are_moved_too_far(refused):
    assert refused(ROOT, network__base_port=65000) == [
        "root.http_port: 70402 is not a port (1 to 65535); choose another base_port"
    ]


def test_a_port_may_be_used_twice_on_different_addresses(expanded):
    a = ROOT + 'bind = ["127.0.0.1"]\n'
    b = TOP.replace("2641", "2640").replace("8000", "8002") + 'bind = ["127.0.0.2"]\n'
    assert len(expanded(a + b).nodes) == 2


def test_an_unknown_node_is_an_error_that_names_a_near_one(expanded):
    network = expanded(ROOT + TOP)
    assert isinstance(network.node("root"), NodeSpec)
    with pytest.raises(ConfigError, match="no node 'roott'; did you mean 'root'"):
        network.node("roott")


def test_administrators_are_keys(expanded):
    network = expanded(ROOT + 'administrators = ["300:88.901.1/ADMIN", "0:0.NA/88"]\n')
    assert network.node("root").administrators == (
        Reference("88.901.1/ADMIN", 300),
        Reference("0.NA/88", 0),
    )
