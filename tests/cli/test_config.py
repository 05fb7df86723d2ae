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
    assert rows["cache.policy"] == ["sieve", "default"]
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


INVALID = [
    (None, "cannot be read (No such file or directory); name a TOML file, or one of"),
    ("[network\n", "Expected ']'"),
    ("[netwrok]\n", "netwrok: there is no such key; did you mean 'network'?"),
    ('[[node]]\nname = "a"\nrole = "rot"\n', "did you mean 'root'?"),
    ("", "node: the network has no nodes"),
    ('[limits]\ndeadline = "soon"\n', "limits.deadline: "),
    ('[cache]\nroutes = "64 apples"\n', "cache.routes: "),
    ("[network]\nbase_port = 70000\n", "network.base_port: "),
]


@pytest.mark.parametrize(("content", "reason"), INVALID)
@pytest.mark.parametrize(
    "command", [("config", "validate"), ("config", "show"), ("up", "--config")]
)
def test_a_file_that_is_not_valid(
    tmp_path: Path, command: tuple[str, ...], content: str | None, reason: str, capsys
):
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    data = tmp_path / "data"
    options = ("--data", str(data)) if command[0] == "up" else ()
    assert main([*command, str(path), *options]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert all(line.startswith(f"error: {path}: ") for line in lines)
    assert any(reason in line for line in lines)
    assert not data.exists()


def test_every_mistake_of_a_file_is_told(tmp_path: Path, capsys):
    path = tmp_path / "bad.toml"
    path.write_text('[cache]\nroutes = "x"\n[limits]\ndeadline = "y"\n', encoding="utf-8")
    assert main(["config", "validate", str(path)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {path}: cache.routes: ")
    assert second.startswith(f"error: {path}: limits.deadline: ")


def test_a_variable_that_is_not_valid_is_named(config: str, capsys, monkeypatch):
    monkeypatch.setenv("WUHAN_LIMITS_DEADLINE", "soon")
    assert main(["config", "show", config]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "WUHAN_LIMITS_DEADLINE" in shown.err


def test_files_are_checked_up_to_the_first_that_is_not_valid(config: str, tmp_path: Path, capsys):
    missing = str(tmp_path / "missing.toml")
    assert main(["config", "validate", config, missing, config]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{config}: valid, 1 nodes\n"
    assert shown.err.startswith(f"error: {missing}: cannot be read")


def test_the_schema_describes_what_is_in_the_file(capsys):
    """Every setting has a description, for editors that show it."""
    assert main(["config", "show", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    sections = {"NetworkFile": schema, **schema["$defs"]}
    bare = [
        f"{section}.{key}"
        for section, described in sections.items()
        for key, setting in described.get("properties", {}).items()
        if not setting.get("description") and "$ref" not in setting
    ]
    assert bare == []
    assert [
        section for section, described in sections.items() if "description" not in described
    ] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["config", "shwo"], "'shwo'; did you mean 'show'? See: wuhan config --help"),
        (["config", "show", "--jsno"], "no such option '--jsno'"),
        (["config", "show", "a", "b"], "unexpected extra argument"),
    ],
)
def test_usage(arguments: list[str], reason: str, capsys):
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert reason in shown.err
    assert shown.err.count("\n") == 1
