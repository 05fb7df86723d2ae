"""Colour: on a terminal, unless nobody wants it, and nowhere else."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tests.support.command import COMMAND, network, wuhan

pytestmark = pytest.mark.slow

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("network"), "--config", "minimal") as folder:
        yield folder


def on_terminal(
    *arguments: str, data: Path, environ: dict[str, str], stdin: IO[str] | int = subprocess.DEVNULL
) -> str:
    """What a command writes to a terminal."""
    terminal, inside = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        with os.fdopen(inside, "wb") as end:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=stdin,
                stdout=end,
                stderr=end,
                env={**plain, "TERM": "xterm-256color", "WUHAN_DATA": str(data), **environ},
            )
        written = b""
        # Linux says EIO when nobody holds the other end any more.
        with suppress(OSError):
            while octets := screen.read(65536):
                written += octets
        process.wait(10)
    return written.decode()


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_escapes_where_there_is_no_terminal(data: Path, setting: dict[str, str]):
    for arguments in (("status",), ("resolve", "88.901.1/000001", "--trace"), ("--help",)):
        shown = wuhan(*arguments, data=data, environ=setting)
        assert ESCAPE not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)]
)
def test_colour_on_a_terminal_unless_nobody_wants_it(
    data: Path, tmp_path: Path, setting: dict[str, str], coloured: bool
):
    for arguments, folder in ((("status",), data), (("status",), tmp_path)):
        assert (ESCAPE in on_terminal(*arguments, data=folder, environ=setting)) == coloured


@pytest.mark.parametrize("source", ["file", "-"])
def test_an_import_shows_how_fast_it_goes(data: Path, tmp_path: Path, source: str):
    path = tmp_path / "records.jsonl"
    line = '{"handle":"88.901.1/t-%d","values":[{"index":1,"type":"DESC","data":"x"}]}\n'
    path.write_text("".join(line % number for number in range(60_000)))
    with path.open() as stream:
        shown = on_terminal(
            *("import", str(path) if source == "file" else "-"),
            data=data,
            environ={},
            stdin=stream,
        )
    assert "60000/60000" in shown or source == "-"
    assert re.search(r"[\d,]{5,}/s", shown)
    assert "imported 60,000 records" in shown


def test_no_colour_in_a_greeting_either(tmp_path: Path):
    try:
        shown = on_terminal(
            "up",
            "--config",
            "minimal",
            "--base-port",
            "0",
            "--detach",
            data=tmp_path,
            environ={"NO_COLOR": "1"},
        )
    finally:
        wuhan("down", data=tmp_path)
    assert "wuhan network 'minimal' is ready" in shown
    assert ESCAPE not in shown
