"""The house's floor plan, checked on the source itself: who may import whom, and who may not wait.

The plan stands once, in pyproject.toml, for the import linter of ``make lint``; these tests read
it there. They see direct imports only and need nothing but the source; the linter also follows
chains.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PACKAGES = ("resolver", "secondary_nodes", "bench")
OUTSIDE_THE_PLAN = {"resolver", "resolver.__about__"}
LONGEST_FILE = 400

CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
}
FLOORS: list[list[str]] = [
    [room.strip() for room in floor.split("|")] for floor in CONTRACTS["layers"]["layers"]
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
PURE: list[str] = CONTRACTS["pure"]["source_modules"]
FORBIDDEN: list[str] = CONTRACTS["pure"]["forbidden_modules"]
ALLOWED: list[str] = CONTRACTS["pure"].get("ignore_imports", [])
WALL_CLOCK = {"now", "utcnow", "today"}


def sources() -> Iterator[tuple[str, Path]]:
    """All modules of the packages as (dotted name, file)."""
    for package in PACKAGES:
        for file in sorted((HOUSE / package).rglob("*.py")):
            parts = file.relative_to(HOUSE).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), file


SOURCES = dict(sources())


def tree(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """Names imported anywhere in ``module``; ``from a import b`` gives both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def room_of(name: str) -> str | None:
    """The room of the plan that ``name`` stands in; None outside the plan."""
    inside = (room for room in FLOOR_OF if name == room or name.startswith(room + "."))
    return max(inside, key=len, default=None)


def in_room(room: str) -> list[str]:
    return [module for module in SOURCES if module == room or module.startswith(room + ".")]


def test_every_module_stands_in_a_room_of_the_plan():
    assert [m for m in SOURCES if room_of(m) is None and m not in OUTSIDE_THE_PLAN] == []


def test_every_room_of_the_plan_exists():
    assert [room for room in FLOOR_OF if not in_room(room)] == []


@pytest.mark.parametrize("room", FLOOR_OF)
def test_a_room_imports_only_from_rooms_below_it(room: str):
    wrong = [
        f"{module} imports {name}"
        for module in in_room(room)
        for name in sorted(imports(module))
        if (other := room_of(name)) not in (None, room) and FLOOR_OF[other] <= FLOOR_OF[room]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_know_no_sockets_no_loop_and_no_clock(room: str):
    wrong = [
        f"{module} imports {name}"
        for module in in_room(room)
        for name in sorted(imports(module))
        if name.split(".")[0] in FORBIDDEN and f"{module} -> {name}" not in ALLOWED
    ]
    assert wrong == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_do_not_ask_for_the_date(room: str):
    wrong = [
        f"{module}:{node.lineno} calls .{node.func.attr}()"
        for module in in_room(room)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WALL_CLOCK
        and ast.unparse(node.func.value) in {"datetime", "date", "datetime.datetime"}
    ]
    assert wrong == []


def test_the_product_does_not_know_its_benchmarks():
    knowing = [m for m in SOURCES if not m.startswith("bench") and "bench" in imports(m)]
    assert knowing == []


def test_every_module_says_what_it_is_for():
    assert [m for m in SOURCES if ast.get_docstring(tree(m)) is None] == []


def test_no_file_has_outgrown_its_purpose():
    lengths = {m: len(f.read_text(encoding="utf-8").splitlines()) for m, f in SOURCES.items()}
    assert {m: n for m, n in lengths.items() if n > LONGEST_FILE} == {}
