"""The paths benchmark: each path works on a small scale and tells what it should."""

import json

import msgpack
import pytest

from bench.native import why_not
from bench.paths import __main__ as paths
from bench.paths.batch import _items

needs_compiler = pytest.mark.skipif(bool(why_not()), reason=why_not())

SMALL = ["--names", "60", "--rounds", "2", "--seconds", "0.1", "--records", "300"]


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("path", ["tcp", "http", "batch", "authoritative", "growth", "workers"])
def test_a_short_run(path: str, capsys: pytest.CaptureFixture[str]):
    status = paths.main([path, *SMALL, "--cached", "400", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    found = report["paths"][path]
    paths.print_report(report)
    shown = capsys.readouterr().out
    if "left_out" in found:
        assert path == "batch"
        assert f"{path} is left out: {found['left_out']}" in shown
        return
    assert found["troubles"] == []
    assert len(found["goals"]) == (2 if path == "growth" else 1)
    assert len(found["rows"]) == (2 if path in ("growth", "workers") else 1)
    for row in found["rows"]:
        assert 0 < row["least"] <= row["cpu_us"] <= row["most"]
        assert row["work"] > 0
        assert row["rate"] > 0
        assert row["title"] in shown


def test_paths_are_chosen_by_name(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        paths.main(["tcp", "udp"])
    assert ended.value.code == 2
    assert "there is no path 'udp'; there are: tcp, http" in capsys.readouterr().err


def test_a_stream_of_answers_may_be_one_array():
    answers = [{"responseCode": 1}, {"responseCode": 100}]
    stream = b"".join(map(msgpack.packb, answers))
    assert _items(stream) == answers
    assert _items(msgpack.packb(answers)) == answers
