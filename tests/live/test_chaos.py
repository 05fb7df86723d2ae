"""Two hundred kills in four batches; ``make chaos-kill`` makes it a thousand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_nothing_acknowledged_is_lost(seed: int):
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.chaos", "--kills", "50", "--seed", str(seed)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert done.stdout, done.stderr
    seen = json.loads(done.stdout)
    assert seen["wrong"] == []
    assert seen["kills"] == 50
    assert seen["acknowledged"] > 1000
    assert seen["in_flight_when_killed"] > 50, "a kill that hits nothing shows nothing"
