"""``wuhan import`` and ``wuhan export`` on stores in a data folder."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgpack
import pytest

from resolver.model.value import HandleValue
from resolver.storage.forms import format_line
from resolver.storage.lmdb import LmdbStore
from resolver.topology.plan import DataPaths
from resolver.wire.values import ValueList
from secondary_nodes.population import sample_records
from tests.support.offline import NODES, Result


def url(handle: str, text: str = "https://id.example/") -> bytes:
    return format_line(handle, ValueList.of([HandleValue(1, "URL", text.encode(), timestamp=1)]))


def file(tmp_path: Path, *lines: bytes, name: str = "records.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(b"".join(lines))
    return path


def held(paths: DataPaths) -> dict[str, list[str]]:
    """The handles of every node that has some."""
    found = {}
    for name in NODES:
        with closing(LmdbStore(paths.node_store(name))) as store:
            found[name] = list(store.handles())
    return {name: handles for name, handles in found.items() if handles}


def test_each_record_goes_to_the_node_responsible(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path
) -> None:
    handles = [
        "0.NA/88",
        "0.na/88.901",
        "0.NA/88.901.1",
        "0.NA/88.901.7.3",
        "0.NA/88.777.1",
        "0.NA/10.1000",
        "88.901/hosted",
        "88.901.1/A",
    ]
    result = run("import", file(tmp_path, *map(url, handles)))
    assert (result.code, result.stderr.count("\n")) == (0, 1)
    assert result.stdout.startswith("imported 8 records in ")
    assert held(paths) == {
        "root": ["0.NA/10.1000", "0.NA/88"],
        "wuhan": ["0.NA/88.777.1", "0.na/88.901"],
        "optics": ["0.NA/88.901.1", "0.NA/88.901.7.3", "88.901/hosted"],
        "88.901.1": ["88.901.1/A"],
    }


def test_records_nobody_is_responsible_for_are_told(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path
) -> None:
    source = file(tmp_path, url("88.901.1/a"), url("88.901.2/a"), b"{\n", url("88.901.1/b"))
    result = run("import", source)
    assert result.code == 1
    assert "; 2 lines left out" in result.stdout
    assert result.stderr.splitlines()[1:] == [
        f"{source}:2: 88.901.2/a: no node of this network is responsible for it",
        f"{source}:3: not JSON: Expecting property name enclosed in double quotes at column 2",
    ]
    assert held(paths) == {"88.901.1": ["88.901.1/a", "88.901.1/b"]}


def test_a_named_node_takes_everything(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run("import", file(tmp_path, url("7/a"), url("8/b")), "--node", "optics")
    assert result.code == 0
    assert held(paths) == {"optics": ["7/a", "8/b"]}


def test_standard_input(
    paths: DataPaths, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(url("88.901.1/a") + url("88.901.1/b")))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run("import", "-").code == 0
    assert held(paths) == {"88.901.1": ["88.901.1/a", "88.901.1/b"]}


def test_a_long_file_is_read_by_other_processes(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path
) -> None:
    # Long enough that the chunks go to processes, out of order, and over one another.
    text = "x" * 60_000
    lines = [url(f"88.901.1/{number % 90:03d}", f"{number} {text}") for number in range(100)]
    lines[50] = b"{\n"
    lines[51] = url("88.901.9/a")
    lines[52] = b"\n"
    source = file(tmp_path, *lines)
    result = run("import", source, "--json")
    assert result.code == 1
    (report,) = json.loads(result.stdout)["files"]
    assert (report["lines"], report["imported"], report["duplicates"]) == (99, 97, 10)
    assert [error["line"] for error in report["errors"]] == [51, 52]
    assert "100 lines of" in result.stderr
    with closing(LmdbStore(paths.node_store("88.901.1"))) as store:
        found = [(handle, values[0].text.partition(" ")[0]) for handle, values in store.records()]
        (note,) = store.entries()
    numbers = [number for number in range(100) if number not in (50, 51, 52)]
    last = {f"88.901.1/{number % 90:03d}": str(number) for number in numbers}
    assert found == sorted(last.items())
    assert note.handle == f"import of {source}"


def test_messagepack(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["0.NA/88.901.1", "88.901.1/A", "88.901.1/b"]
    assert run("import", file(tmp_path, *map(url, names))).code == 0
    source = tmp_path / "records.msgpack"
    result = run("export", "--format", "msgpack", "--output", source)
    assert (result.code, "3 records exported" in result.stderr) == (0, True)
    before = {name: run("export", "--node", name).stdout for name in ("optics", "88.901.1")}
    for name in ("optics", "88.901.1"):
        paths.node_store(name).unlink()
        LmdbStore(paths.node_store(name)).close()
    good = source.read_bytes()
    source.write_bytes(good + msgpack.packb(["88.901.2/a", b"\0\0\0\0"]) + b"\x92")
    result = run("import", source)
    assert result.code == 1
    assert result.stdout.startswith("imported 3 records in ")
    assert result.stderr.splitlines()[1:] == [
        f"{source}:4: 88.901.2/a: no node of this network is responsible for it",
        f"{source}:5: the file ends within this record; whatever follows is left out too",
    ]
    assert before == {name: run("export", "--node", name).stdout for name in before}


def test_json(paths: DataPaths, run: Callable[..., Result], tmp_path: Path) -> None:
    first = file(tmp_path, url("88.901.1/a"), url("88.901.1/A"), b"x\n", name="first")
    second = file(tmp_path, url("88.901.1/b"), name="second")
    result = run("import", first, second, "--json")
    assert result.code == 1
    document = json.loads(result.stdout)
    assert document.pop("seconds") >= 0
    assert document == {
        "imported": 3,
        "duplicates": 1,
        "failed": 1,
        "files": [
            {
                "file": str(first),
                "lines": 3,
                "imported": 2,
                "duplicates": 1,
                "failed": 1,
                "errors": [{"line": 3, "reason": "not JSON: Expecting value at column 1"}],
            },
            {
                "file": str(second),
                "lines": 1,
                "imported": 1,
                "duplicates": 0,
                "failed": 0,
                "errors": [],
            },
        ],
    }


def test_the_error_file_has_every_line(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path
) -> None:
    source = file(tmp_path, *[b"x\n"] * 150, b'{"handle":"88.901.1/\\u001b[2J"}\n')
    told = run("import", source, "--error-file", tmp_path / "errors")
    errors = (tmp_path / "errors").read_text(encoding="utf-8").splitlines()
    assert len(errors) == 151
    assert json.loads(errors[149]) == {
        "file": str(source),
        "line": 150,
        "reason": "not JSON: Expecting value at column 1",
    }
    assert told.stderr.count("not JSON") == 100
    assert f"{source}: 51 more lines left out\n" in told.stderr
    assert "--error-file keeps them all" in run("import", source).stderr


def test_what_a_file_says_is_not_obeyed_by_the_terminal(
    paths: DataPaths, run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run("import", file(tmp_path, url("9/\x1b[2J\n")))
    assert result.code == 1
    assert "9/\\x1b[2J\\n: no node" in result.stderr
    assert "\x1b" not in result.stderr


def test_an_unknown_node(paths: DataPaths, run: Callable[..., Result], tmp_path: Path) -> None:
    source = file(tmp_path, url("88.901.1/a"))
    for arguments in (("import", source), ("export",)):
        result = run(*arguments, "--node", "nobody")
        assert result.code == 1
        assert "no node 'nobody'" in result.stderr


@pytest.mark.parametrize("arguments", [["import"], ["import", "no such file"], ["export", "x"]])
def test_usage(paths: DataPaths, run: Callable[..., Result], arguments: list[str]) -> None:
    assert run(*arguments).code == 1


def test_a_network_that_never_ran(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WUHAN_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("WUHAN_CONFIG", "minimal")
    source = file(tmp_path, url("88.901.1/a"))
    for arguments in (("import", source), ("export",), ("export", "--node", "optics")):
        result = run(*arguments)
        assert result.code == 3
        assert "has no store yet" in result.stderr
        assert "wuhan up" in result.stderr
    assert not (tmp_path / "empty").exists()


def test_a_damaged_store(paths: DataPaths, run: Callable[..., Result], tmp_path: Path) -> None:
    paths.node_store("88.901.1").write_bytes(b"rubbish" * 1000)
    for arguments in (("import", file(tmp_path, url("88.901.1/a"))), ("export",)):
        result = run(*arguments)
        assert result.code == 3
        assert "this is not a record store" in result.stderr


@pytest.fixture
def full(paths: DataPaths) -> Iterator[dict[str, list[bytes]]]:
    """Sample records in two stores; yields the lines of each."""
    lines = {}
    for name, records in {
        "optics": [("0.NA/88.901.1", ValueList.of([])), *sample_records("88.901", 0)],
        "88.901.1": list(sample_records("88.901.1", 20)),
    }.items():
        with closing(LmdbStore(paths.node_store(name))) as store:
            store.put_many(records)
            lines[name] = [format_line(handle, values) for handle, values in store.records()]
    return lines


def test_export_everything_or_one_node_or_one_prefix(
    full: dict[str, list[bytes]], run: Callable[..., Result], tmp_path: Path
) -> None:
    def exported(*arguments: str) -> list[bytes]:
        result = run("export", *arguments)
        assert result.code == 0
        return result.stdout.encode().splitlines(keepends=True)

    assert exported() == full["optics"] + full["88.901.1"]
    assert exported("--node", "88.901.1") == full["88.901.1"]
    assert exported("--prefix", "88.901.1") == full["88.901.1"]
    assert exported("--prefix", "88.901") == full["optics"][1:]
    assert exported("--prefix", "0.na/88.901") == full["optics"][:1]
    assert len(exported("--prefix", "88.901.1/00001")) == 10
    assert exported("--prefix", "88.902") == []


def test_what_was_exported_imports_and_exports_the_same(
    paths: DataPaths,
    full: dict[str, list[bytes]],
    run: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert run("export", "--output", first).code == 0
    monkeypatch.setenv("WUHAN_DATA", str(tmp_path / "other"))
    other = DataPaths(tmp_path / "other")
    for name in NODES:
        LmdbStore(other.node_store(name)).close()
    assert run("import", first).code == 0
    assert run("export", "--output", second).code == 0
    assert second.read_bytes() == first.read_bytes() == b"".join(full["optics"] + full["88.901.1"])
    assert held(other) == held(paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "data",
        "first.jsonl",
        "other",
        "second.jsonl",
    ]


def test_an_output_that_cannot_be_written(
    full: dict[str, list[bytes]], run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run("export", "--output", tmp_path / "none" / "records.jsonl")
    assert result.code == 3
    assert "cannot write" in result.stderr


def test_a_process_that_has_the_store_open_sees_the_import(
    paths: DataPaths, tmp_path: Path
) -> None:
    with closing(LmdbStore(paths.node_store("88.901.1"))) as store:
        before = store.generation()
        source = file(tmp_path, url("88.901.1/new"))
        command = "from resolver.cli.main import main; raise SystemExit(main())"
        done = subprocess.run(
            [sys.executable, "-c", command, "import", str(source)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("\n")) == (0, 1)
        assert store.generation() > before
        assert store.get("88.901.1/NEW") is not None
