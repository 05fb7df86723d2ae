"""How what is logged looks, and what is logged of resolutions."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from resolver.model.errors import RefusedError
from resolver.server.logs import FIELDS, set_level, set_up
from resolver.server.notes import Notes


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_is_one_line_whatever_is_in_it():
    stream = io.StringIO()
    set_up("json", "info", stream)
    log = logging.getLogger("somebody")
    log.info("two\nlines, 测试 %d", 7, extra={FIELDS: {"node": "works", "seconds": 0.5}})
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("it failed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "info", "logger": "somebody", "message": "two\nlines, 测试 7",
        "node": "works", "seconds": 0.5,
    }  # fmt: skip
    assert second["level"] == "error"
    assert "ValueError: no" in second["exception"]


def test_notes_have_fields():
    stream = io.StringIO()
    set_up("json", "info", stream)
    Notes("works", logging.WARNING).note("slow", 1.0, handle="88.901.1/x", code=2)
    told = json.loads(stream.getvalue())
    assert (told["node"], told["handle"], told["code"]) == ("works", "88.901.1/x", 2)


def test_the_level_while_it_runs():
    stream = io.StringIO()
    set_up("pretty", "warning", stream)
    log = logging.getLogger("somebody")
    log.info("unheard")
    assert set_level("debug") == "warning"
    log.info("heard")
    assert stream.getvalue().endswith("INFO heard\n")
    assert "unheard" not in stream.getvalue()
    for level in ("loud", 10, None):
        with pytest.raises(RefusedError, match="is no level: debug, info, warning, error"):
            set_level(level)
