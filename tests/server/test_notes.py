"""One line a second, with the number of those left out."""

import logging

import pytest

from resolver.server.notes import Notes


def test_one_line_a_second(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    notes = Notes("works", logging.INFO)
    for tenth in range(25):
        notes.note(f"trouble {tenth}", 100 + tenth / 10)
    assert [record.getMessage() for record in caplog.records] == [
        "works: trouble 0",
        "works: trouble 10 (and 9 more since the last such line)",
        "works: trouble 20 (and 9 more since the last such line)",
    ]
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_kinds_do_not_wait_for_each_other(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    Notes("works", logging.INFO).note("one", 1.0)
    Notes("works", logging.WARNING).note("other", 1.0)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


def test_what_clients_send_cannot_forge_lines(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    Notes("works", logging.INFO).note("no 测试\n2026 ERROR \x1b[31m", 1.0)
    assert caplog.messages == ["works: no 测试\\n2026 ERROR \\x1b[31m"]
