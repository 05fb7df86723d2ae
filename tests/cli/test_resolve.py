"""``wuhan resolve`` against real nodes."""

import asyncio
import json
import socket
from dataclasses import dataclass
from functools import partial

import pytest

from resolver.cli.main import main
from resolver.cli.resolve import DEFAULT_SERVERS, running_server
from resolver.cluster.state import data_paths, new_state, write_state
from resolver.model.identifier import IdentifierRejected
from resolver.schemes.asked import handle_of
from resolver.topology.expand import expand
from resolver.topology.load import load_network


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs ``wuhan resolve`` as main does, beside the network's loop."""
    monkeypatch.setenv("WUHAN_DATA", str(tmp_path))

    async def run(*arguments: str) -> Result:
        code = await asyncio.to_thread(main, ["resolve", *arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def ask(run, network):
    """Asks a node of ``network``."""
    return partial(_ask, run, network)


@pytest.fixture
def ask_foreign(run, foreign_network):
    """Asks a node of ``foreign_network``."""
    return partial(_ask, run, foreign_network)


async def _ask(run, network, *arguments: str, node="recursive", transport="tcp") -> Result:
    address = network.address(node, transport)
    return await run(*arguments, "--server", address, "--transport", transport)


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_a_record(ask, transport):
    result = await ask("88.901.1/motor", transport=transport)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "  88.901.1/motor",
        "    1  URL         https://example.com/motor  86400",
        "    2  DESC        电机                       600",
        "    3  url.mirror  https://example.org/motor  86400",
    ]


async def test_a_record_as_json(ask, network):
    result = await ask("88.901.1/motor", "--json", "--type", "URL", "--index", "2")
    document = json.loads(result.stdout)
    assert document["responseCode"] == 1
    assert document["handle"] == "88.901.1/motor"
    assert [value["index"] for value in document["values"]] == [1, 2]
    assert document["values"][0]["data"] == {
        "format": "string",
        "value": "https://example.com/motor",
    }
    assert document["server"] == network.address("recursive")
    assert document["identifier"]["scheme"] == "vaa"


async def test_not_found(ask):
    result = await ask("88.901.1/nothing")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: 88.901.1/nothing: not found")
    assert result.stderr.count("\n") == 1


async def test_not_found_as_json(ask):
    result = await ask("88.901.1/nothing", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["responseCode"] == 100


async def test_another_scheme_is_resolved_as_its_handle(ask):
    result = await ask("did:cn:88.901.1", "--type", "HS_SITE")
    assert result.exit_code == 0
    assert "0.NA/88.901.1" in result.stdout
    assert "works 127.0.0.1:" in result.stdout


async def test_a_referral_is_not_followed_without_recursion(ask):
    result = await ask("0.NA/88.901.1", "--no-recurse", node="wuhan")
    assert result.exit_code == 2
    assert "refers" in result.stderr
    assert "optics" in result.stderr


async def test_a_refusal_is_the_servers_failure(ask):
    result = await ask("10.1045/x", "--no-recurse", node="works")
    assert result.exit_code == 3
    assert "not responsible" in result.stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)])
async def test_nobody_there(run, as_json):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = await run("88.901.1/x", "--server", address, "--timeout", "0.5", *as_json)
    assert result.exit_code == 3
    assert "cannot be reached" in result.stderr


async def test_an_alias(ask):
    result = await ask("88.901.1/latest", "--follow-alias")
    assert result.stdout.splitlines()[:2] == [
        "  88.901.1/latest is an alias of",
        "  88.901.1/MOTOR",
    ]


async def test_a_trace(ask):
    result = await ask("88.901.1/motor", "--trace")
    assert result.exit_code == 0
    first, *hops = result.stdout.splitlines()[:5]
    assert first.split()[0] == "recursive"
    assert first.split()[2] == "miss"
    assert [line.split()[:3] for line in hops] == [
        ["├─", "root", "88"],
        ["├─", "wuhan", "88.901"],
        ["├─", "optics", "88.901.1"],
        ["└─", "works", "88.901.1/motor"],
    ]
    assert "answer, 3 values, authoritative" in hops[3]
    again = await ask("88.901.1/motor", "--trace")
    assert again.stdout.splitlines()[0].split()[2] == "hit,"


async def test_a_trace_as_json(ask):
    result = await ask("88.901.1/motor", "--trace", "--json")
    document = json.loads(result.stdout)
    assert document["responseCode"] == 1
    assert document["trace"]["server"] == "recursive"
    assert [hop["node"] for hop in document["trace"]["hops"]] == [
        "root", "wuhan", "optics", "works",
    ]  # fmt: skip


async def test_a_trace_to_nothing_shows_the_path_and_says_so(ask):
    result = await ask("88.901.1/nothing", "--trace")
    assert result.exit_code == 2
    assert "└─ works" in result.stdout
    assert "not found" in result.stderr


async def test_a_trace_of_a_foreign_server_says_how_it_was_made(ask_foreign):
    result = await ask_foreign("88.901.1/motor", "--trace", node="root")
    assert result.exit_code == 0
    assert "walk from here" in result.stdout


async def test_what_cannot_be_meant(run):
    assert (await run("88.901.1/x", "--trace", "--no-recurse")).exit_code == 1
    assert (await run("88.901.1/x", "--transport", "smoke")).exit_code == 1
    assert (await run("88.901.1/x", "--server", "a:b")).exit_code == 1
    assert (await run("(01)09506000134353")).exit_code == 1


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("88.901.1/x", "88.901.1/x"),
        ("88.901.1", "0.NA/88.901.1"),
        ("88.90/x", "88.90/x"),
        ("88.901.1/", "88.901.1/"),
        ("hello", "hello"),
        ("a:b/c", "a:b/c"),
        ("88.901.1/a\tb", "88.901.1/a\tb"),
        ("88.901.1/\udcff", "88.901.1/\udcff"),
        ("(01)09506000134352", "88.912.3/01/09506000134352"),
    ],
)
def test_what_is_asked_for(text: str, handle: str):
    assert handle_of(text)[1] == handle


@pytest.mark.parametrize(
    "text", ["", "https://example.com/x", "(01)09506000134353", "did:cn:88", "ecode:9"]
)
def test_what_is_not_sent_at_all(text: str):
    with pytest.raises(IdentifierRejected):
        handle_of(text)


def test_the_running_network_is_asked_by_default(tmp_path):
    assert running_server(str(tmp_path), "tcp") == "127.0.0.1:3641"
    assert running_server(str(tmp_path), "http") == DEFAULT_SERVERS["http"]
    topology = expand(load_network("minimal", overrides={"network.base_port": 20000}))
    write_state(data_paths(tmp_path), new_state(topology, "minimal"))
    (node,) = [node for node in topology.nodes if node.role == "recursive"]
    assert running_server(str(tmp_path), "udp") == f"127.0.0.1:{node.port}"
    assert running_server(str(tmp_path), "http") == f"127.0.0.1:{node.http_port}"
