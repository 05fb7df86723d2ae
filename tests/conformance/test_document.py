"""The table of clients and operations in docs/conformance.md names tests that there are."""

import re
from pathlib import Path

from tests.conformance.listed import DOCUMENT
from tests.support.recorded import exchanges

ROOT = Path(__file__).parents[2]
TEXT = DOCUMENT.read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PROOF = re.compile(r"^\| ([A-Z]\d+) \| (`tests/.+) \|$", re.MULTILINE)
MARK = re.compile(r"\b[A-Z]\d+\b")


def operations() -> list[list[str]]:
    """The rows of the table, each cell."""
    table = TEXT.partition("| operation |")[2].partition("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]
    ]


def test_every_test_that_is_named_is_there():
    named = TEST.findall(TEXT)
    assert len(named) > 25
    for file, function in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert not function or re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), (
            f"docs/conformance.md names {file}::{function}"
        )


def test_every_mark_stands_for_a_test_and_is_used():
    proofs = dict(PROOF.findall(TEXT))
    used = {mark for row in operations() for cell in row[1:] for mark in MARK.findall(cell)}
    assert used == set(proofs)


def test_the_rows_are_those_of_the_protocol_s_checklist():
    rows = operations()
    assert {len(row) for row in rows} == {6}
    for operation, *cells in rows:
        assert operation
        for cell in cells:
            assert MARK.search(cell) or cell[0] in "·–", (operation, cell)
    # What the marks for recordings promise was recorded of these clients.
    recorded = {(exchange.file, exchange.transport) for exchange in exchanges()}
    assert ("idsdk_keepalive", "tcp") in recorded
    assert not any(file.startswith("idsdk") for file, transport in recorded if transport == "udp")
    assert not any("pointer" in file for file, _ in recorded)
    assert not any("R" in row[3] or "R" in row[4] for row in rows)
