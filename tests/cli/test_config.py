"""``wuhan config``: what takes effect, and where it comes from."""

import json
from pathlib import Path

import pytest

from resolver.cli.main import main


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[network]\nname = "mine"\n[cache]\nttl_cap = "5m"\n'
        '[[node]]\nname = "root"\nrole = "root"\nport = 2640\nhttp_port = 8002\n',
        encoding="utf-8",
    )
    return str(path)


def test_values_and_where_they_come_from(config: str, capsys, monkeypatch):
    monkeypatch.setenv("WUHAN_LIMITS_DEADLINE", "3s")
    assert main(["config", "show", config]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    rows = {line[0]: line[1:] for line in lines}
    assert rows["network.name"] == ["mine", config]
    assert rows["cache.ttl_cap"] == ["300.0", config]
    assert rows["limits.deadline"] == ["3.0", "WUHAN_LIMITS_DEADLINE"]
    assert rows["cache.policy"] == ["lru", "default"]
    assert rows["root"][:1] == ["root"]


def test_the_same_as_json(config: str, capsys):
    assert main(["config", "show", config, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cache"]["ttl_cap"] == 300
    assert document["origins"]["cache.ttl_cap"] == config
    assert [node["name"] for node in document["nodes"]] == ["root"]


def test_the_schema(capsys):
    assert main(["config", "show", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"network", "cache", "limits", "node", "secondary"} <= set(schema["properties"])


def test_what_comes_with_the_program_is_valid(capsys):
    assert main(["config", "validate"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wuhan: valid, 115 nodes",
        "minimal: valid, 5 nodes",
    ]
