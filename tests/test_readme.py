"""The documents against the program: commands and files exist, the two languages agree."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from resolver.cli.main import cli

HOUSE = Path(__file__).parent.parent
DOCUMENTS = ["README.md", "README.zh.md", "CONTRIBUTING.md", "docker/README.md"] + [
    str(file.relative_to(HOUSE)) for file in sorted((HOUSE / "docs").glob("*.md"))
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")


def text(document: str) -> str:
    return (HOUSE / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[tuple[str, str]]:
    """The fenced blocks of a document as (language, content)."""
    return FENCE.findall(text(document))


def typed_lines(document: str) -> Iterator[str]:
    """What a reader is to type: lines behind ``$ `` in console blocks, all lines of sh blocks."""
    for language, content in blocks(document):
        for line in content.splitlines():
            if language == "console" and line.startswith("$ "):
                yield line[2:]
            elif language == "sh" and line.strip():
                yield line


def wuhan_commands() -> list[tuple[str, str]]:
    return [
        (document, line)
        for document in DOCUMENTS
        for line in typed_lines(document)
        if line.split()[0].rpartition("/")[2] == "wuhan"
    ]


def check_command(words: list[str]) -> None:
    """Fail unless ``words`` name a command and options that exist; values are not looked at."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        known = command.commands
        assert name in known, f"there is no command {name!r} among {sorted(known)}"
        command = known[name]
    options = {"--help"} | {
        spelling
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"{command.name} has no option {word}"


@pytest.mark.parametrize(("document", "line"), wuhan_commands())
def test_documented_commands_and_options_exist(document: str, line: str):
    words = shlex.split(line, comments=True)[1:]
    if "|" in words:
        words = words[: words.index("|")]
    check_command(words)


def test_the_readme_shows_a_first_session():
    commands = [line for document, line in wuhan_commands() if document == "README.md"]
    for needed in ("wuhan resolve", "wuhan status", "wuhan down"):
        assert any(line.startswith(needed) for line in commands)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documented_make_targets_exist(document: str):
    targets = set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", text(document)))
    named |= {line.split()[1] for line in typed_lines(document) if line.startswith("make ")}
    assert named - targets == set()


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "docs/clients.md"])
def test_python_examples_run(document: str, wuhan_network, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recursive = wuhan_network.recursive
    for language, code in blocks(document):
        if language != "python":
            continue
        code = code.replace("127.0.0.1:3641", recursive.server)
        code = code.replace("http://127.0.0.1:8001", recursive.http_url)
        code = code.replace("127.0.0.1:8001", recursive.http_url.removeprefix("http://"))
        url = wuhan_network.node("88.901.1").http_url
        code = code.replace("http://127.0.0.1:8201", url)
        code = code.replace("https://127.0.0.1:8201", url.replace("http:", "https:"))
        code = code.replace(".wuhan/", f"{wuhan_network.data}/")
        if code.startswith("def test_"):
            code += f"\n\n{code.split('(')[0].removeprefix('def ')}(wuhan_network)\n"
        exec(compile(code, document, "exec"), {"wuhan_network": wuhan_network})


@pytest.mark.slow
def test_the_readme_s_registrations_go_through(wuhan_network, tmp_path: Path):
    """What a reader types below "Register an identifier" and "Registering", in that order."""
    begin = ("$ wuhan register", "$ echo", "$ wuhan keys")
    typed = [
        line.removeprefix("$ ")
        for language, block in blocks("README.md")
        if language == "console" and block.startswith(begin)
        for line in block.splitlines()
        if line != "$ wuhan down"
    ]
    assert len(typed) > 12
    command = f'wuhan() {{ {shlex.quote(sys.executable)} -m resolver.cli.main "$@"; }}\n'
    for line in typed:
        done = subprocess.run(
            ["bash", "-c", command + line],
            cwd=tmp_path,
            env=wuhan_network.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    exported = (tmp_path / "records.jsonl").read_text(encoding="utf-8")
    assert "88.901.1/valve-1" in exported
    assert "88.901.1/pump-7" not in exported


def test_both_readmes_show_the_same_code():
    assert blocks("README.zh.md") == blocks("README.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str):
    here = (HOUSE / document).parent
    broken = [target for target in LINK.findall(text(document)) if not (here / target).exists()]
    assert broken == []


@pytest.mark.parametrize("package", ["resolver", "secondary_nodes", "bench"])
def test_sections_of_the_protocol_that_the_code_cites_exist(package: str):
    sections = set(re.findall(r"^## (\d+) ", text("docs/protocol.md"), re.MULTILINE))
    cited = {
        number
        for file in (HOUSE / package).rglob("*.py")
        for number in re.findall(r"protocol\.md,? §(\d+)", file.read_text(encoding="utf-8"))
    }
    assert cited - sections == set()
