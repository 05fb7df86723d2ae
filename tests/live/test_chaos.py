"""Two hundred kills in four batches at once; ``make chaos-kill`` makes it a thousand."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def batches() -> Iterator[dict[int, "subprocess.Popen[str]"]]:
    """All of them at once: each waits for its disk, its nodes and the moment of the blow."""
    with ExitStack() as running:
        yield {seed: running.enter_context(batch(seed)) for seed in SEEDS}


@contextmanager
def batch(seed: int) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.live.chaos", "--kills", "50", "--seed", str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_acknowledged_is_lost(batches: dict[int, "subprocess.Popen[str]"], seed: int):
    told, trouble = batches[seed].communicate(timeout=100)
    assert told, trouble
    seen = json.loads(told)
    assert seen["wrong"] == []
    assert seen["kills"] == 50
    assert seen["acknowledged"] > 2 * seen["kills"]
    assert seen["in_flight_when_killed"] > 50, "a kill that hits nothing shows nothing"
