"""``bench.overload``, briefly: that it runs and says what it should."""

import json

import pytest

from bench import overload
from bench.native import why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a compiler"),
]


def test_a_short_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert overload.main(["--seconds", "0.5", "--rounds", "1", "--json"]) in (0, 4)
    report = json.loads(capsys.readouterr().out)
    assert report["asked"] > report["answered"] > 0
    assert report["busy"] + report["lost"] > 0
    assert len(report["goals"]) == 3
