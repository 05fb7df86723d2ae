"""What the benchmarks read from the kernel, and how they judge it."""

import json
import os
import subprocess
import sys
import time

import pytest

from bench import machine
from bench.goals import Goal, lines_of
from bench.machine import (
    Neighbours,
    Stolen,
    beside_the_clients,
    client_core,
    cpu_seconds,
    family,
    resident,
)


def test_cpu_is_what_the_process_has_used():
    own = os.getpid()
    before, clock = cpu_seconds([own]), time.process_time()
    while time.process_time() < clock + 0.05:
        pass
    assert cpu_seconds([own]) - before == pytest.approx(time.process_time() - clock, abs=0.01)
    assert cpu_seconds([own, own]) == pytest.approx(2 * cpu_seconds([own]), abs=0.01)


def test_the_family_of_a_process():
    text = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True); {text}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        until = time.monotonic() + 10
        while len(found := family(process.pid)) < 2 and time.monotonic() < until:
            pass
        assert found[0] == process.pid
        assert len(found) == 2
        assert resident(found) > resident(found[1:]) > 1 << 20
        process.communicate(b"\n")


def test_what_others_take_is_what_we_did_not():
    neighbours, clock = Neighbours(), time.process_time()
    while time.process_time() < clock + 0.3:
        pass
    used = time.process_time() - clock
    # To whoever does not say that it was us, we are the others; ticks are 10 ms.
    blamed, rest = neighbours.share(0), neighbours.share(used)
    assert blamed > 0
    assert rest < blamed


def test_this_process_returns_to_where_it_was():
    was = os.sched_getaffinity(0)
    with beside_the_clients():
        assert os.sched_getaffinity(0) == {client_core()}
    assert os.sched_getaffinity(0) == was


def test_goals_have_a_bound_above_or_below():
    assert Goal("a", 1.0, 1.0).met
    assert not Goal("a", 1.1, 1.0).met
    assert Goal("a", 1.0, 1.0, at_least=True).met
    assert not Goal("a", 0.9, 1.0, at_least=True).met
    told = [Goal("CPU", 4.567, 5, "µs").told(), Goal("rate", 61234, 70000, at_least=True).told()]
    assert lines_of(json.loads(json.dumps(told))) == [
        "CPU: 4.57 µs, at most 5: met",
        "rate: 61,234, at least 70,000: MISSED",
    ]


def test_what_the_host_takes_is_a_share():
    stolen = Stolen()
    assert 0.0 <= stolen.share() <= 1.0


def test_what_the_host_takes_is_that_of_the_core_that_lost_most(monkeypatch: pytest.MonkeyPatch):
    taken = [[1.0, 2.0], [1.0, 2.5]]
    monkeypatch.setattr(machine, "_stolen_seconds", lambda: taken.pop(0))
    monkeypatch.setattr(machine.time, "monotonic", iter([10.0, 12.0]).__next__)
    assert Stolen().share() == pytest.approx(0.25)
