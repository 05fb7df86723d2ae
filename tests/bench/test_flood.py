"""The flood benchmark on a small scale: what it tells of a node that stands it."""

import json

import pytest

from bench import flood
from bench.native import why_not


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_short_flood(capsys: pytest.CaptureFixture[str]):
    options = ["--suffixes", "3000", "--hot", "20", "--rate", "100", "--before", "0.3", "--json"]
    status = flood.main(options)
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    assert report["budget"] == (64 + 4 + 2 + 8 + 16) << 20
    poured = report["flood"]
    assert poured["sent"] == 3000
    assert poured["lost"] + sum(poured["answers"].values()) == 3000
    for name in ("before", "during"):
        phase = report[name]
        assert phase["normal"]["sent"] > 0
        assert sum(phase["traced"].values()) > 0
        assert phase["memory"][0]["resident"] > 1 << 20
    assert report["before"]["traced"] == {"hit": sum(report["before"]["traced"].values())}
    assert report["before"]["normal"]["trouble"] == ""
    # The hot identifiers fit many times over.
    assert report["during"]["traced"].get("miss", 0) == 0
    flood.print_report(report)
    shown = capsys.readouterr().out
    assert "3,000 names" in shown
    assert "memory of the recursive node" in shown
