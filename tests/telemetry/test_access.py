"""Access logs as octets."""

import io

import pytest

from resolver.model.errors import ConfigError
from resolver.telemetry.access import FORMS, Asked, Head, encode, encode_head, read

HEAD = Head("recursive", 10)
ROWS = [
    Asked(1.25, 0.5, "127.0.0.1", "udp", "ready", 1, 25, "88.901.1/电机", (), (), 1),
    Asked(2.5, 0.0, "::1", "tcp", "local", 1, 0, "88.901.1/\udcff", (1, 2), ("URL",), 100),
    Asked(3.0, 9.0, "", "http", "forwarded", 100, 0, "", (), (), 402),
]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_can_be_read(form: str):
    octets = encode_head(form, HEAD) + encode(form, ROWS)
    head, rows = read(io.BytesIO(octets), "log")
    assert (head, list(rows)) == (HEAD, ROWS)
    for cut in (1, 5):
        head, rows = read(io.BytesIO(octets[:-cut]), "log")
        assert list(rows) == ROWS[:-1], "of a file that was cut off there is what is whole"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{}\n",
        b"not a log\n",
        b'{"log":"wuhan-access-log","version":2,"node":"x","every":1}\n',
        b"\x81\xa1a\x01",
        b"\xc1",
    ],
)
def test_what_is_no_log_is_refused(octets: bytes):
    with pytest.raises(ConfigError, match="name is no access log of version 1"):
        read(io.BytesIO(octets), "name")


@pytest.mark.parametrize("row", [b"[]\n", b"{}\n", b'{"id":1}\n', b'{"id":"x"}\n', b"{broken\n"])
def test_a_row_that_is_none_is_named(row: bytes):
    octets = encode_head("jsonl", HEAD) + encode("jsonl", ROWS[:1]) + row
    _, rows = read(io.BytesIO(octets), "name")
    assert next(rows) == ROWS[0]
    with pytest.raises(ConfigError, match="name: row 3 is none"):
        next(rows)
