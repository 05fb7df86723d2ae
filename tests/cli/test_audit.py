"""``wuhan audit`` on journals in a data folder."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from resolver.model.codes import OpCode
from resolver.model.value import HandleValue
from resolver.storage.base import Change
from resolver.storage.forms import format_line
from resolver.storage.lmdb import LmdbStore
from resolver.topology.plan import DataPaths
from resolver.wire.values import ValueList
from tests.support.offline import Result

Run = Callable[..., Result]
Opened = Callable[[], AbstractContextManager[LmdbStore]]
NODE, USER, NOW = "88.901.1", "300:88.901.1/ADMIN", 1_700_000_000


def values(text: str) -> ValueList:
    return ValueList.of([HandleValue(1, "URL", text.encode())])


@pytest.fixture
def opened(paths: DataPaths) -> Opened:
    """Opens the node's store for a moment; it has a journal of four entries."""

    @contextmanager
    def opened() -> Iterator[LmdbStore]:
        store = LmdbStore(paths.node_store(NODE))
        yield store
        store.close()

    with opened() as store:
        _fill(store)
    return opened


def _fill(store: LmdbStore) -> None:
    store.apply(
        [
            Change("88.901.1/a", None, values("a"), OpCode.CREATE_HANDLE, USER),
            Change("88.901.1/b", None, values("b"), OpCode.CREATE_HANDLE, USER),
        ],
        NOW,
    )
    store.apply([Change("88.901.1/B", values("b"), None, OpCode.DELETE_HANDLE)], NOW + 60)
    store.note("home 88.901.7", USER, NOW + 120)


def entries(run: Run, *options: str) -> list[tuple[int, str, str]]:
    result = run("audit", NODE, "--json", *options)
    assert result.code == 0, result.stderr
    return [(row["entry"], row["operation"], row["handle"]) for row in json.loads(result.stdout)]


@pytest.mark.usefixtures("opened")
def test_who_did_what_and_when(run: Run):
    result = run("audit", NODE)
    assert result.code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["ENTRY", "TIME", "OPERATION", "HANDLE", "BY"],
        ["1", "2023-11-14T22:13:20Z", "create-handle", "88.901.1/a", USER],
        ["2", "2023-11-14T22:13:20Z", "create-handle", "88.901.1/b", USER],
        ["3", "2023-11-14T22:14:20Z", "delete-handle", "88.901.1/B", "anybody"],
        ["4", "2023-11-14T22:15:20Z", "note", "home", "88.901.7", USER],
    ]


@pytest.mark.usefixtures("opened")
def test_as_json(run: Run):
    rows = json.loads(run("audit", NODE, "--json", "--limit", "2").stdout)
    assert rows == [
        {
            "entry": 3,
            "time": "2023-11-14T22:14:20Z",
            "operation": "delete-handle",
            "handle": "88.901.1/B",
            "user": None,
            "deleted": True,
        },
        {
            "entry": 4,
            "time": "2023-11-14T22:15:20Z",
            "operation": "note",
            "handle": "home 88.901.7",
            "user": USER,
            "deleted": False,
        },
    ]


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--limit", "0"), [1, 2, 3, 4]),
        (("--limit", "1"), [4]),
        (("--after", "2"), [3, 4]),
        (("--handle", "88.901.1/b"), [2, 3]),
        (("--prefix", "88.901.1"), [1, 2, 3]),
        (("--user", "300:88.901.1/admin"), [1, 2, 4]),
        (("--user", "301:88.901.1/ADMIN"), []),
    ],
)
def test_some_of_it(run: Run, options: tuple[str, ...], numbers: list[int]):
    assert [number for number, _, _ in entries(run, *options)] == numbers


def test_the_check(run: Run, opened: Opened):
    result = run("audit", NODE, "--check")
    assert (result.code, result.stdout) == (
        0,
        "4 entries, 0 gaps; 0 records compared, 0 differ\n",
    ), "a note may stand for anything"
    with opened() as store:
        store.apply([Change("88.901.1/c", None, values("c"), OpCode.CREATE_HANDLE, USER)], NOW)
    assert run("audit", NODE, "--check").stdout.endswith("1 records compared, 0 differ\n")
    with opened() as store:
        store.put_many([("88.901.1/c", values("somebody else was here"))])
    result = run("audit", NODE, "--check")
    assert result.code == 1
    assert "88.901.1/c is not as entry 5 left it" in result.stderr
    checked = json.loads(run("audit", NODE, "--check", "--json").stdout)
    assert checked == {"entries": 5, "gaps": 0, "records": 1, "differing": ["88.901.1/c"]}


def test_an_import_leaves_a_note(run: Run, opened: Opened, tmp_path: Path):
    file = tmp_path / "records.jsonl"
    file.write_bytes(format_line("88.901.1/a", values("imported")))
    assert run("import", file).code == 0
    with opened() as store:
        (note,) = store.entries(4)
    assert (note.user, note.handle) == ("operator", f"import of {file}")
    assert run("audit", NODE, "--check").code == 0


def test_bad_input(run: Run, paths: DataPaths):
    result = run("audit", "88.901.l")
    assert result.code == 1
    assert "has no node '88.901.l'; did you mean '88.901.1'?" in result.stderr
    paths.node_store(NODE).unlink()
    result = run("audit", NODE)
    assert result.code == 3
    assert "has no store yet" in result.stderr
