"""A run: Locust asks, the nodes are watched, and slices come out.

Locust runs in a process of its own (it changes Python's sockets for its purposes) and writes what
its users measured to a file; whenever that has grown for a second, a slice is closed: what was
measured since, and what the nodes used meanwhile.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.run.nodes import Locusts, Nodes
from bench.run.slices import Slice, Tally
from bench.target import VARIABLE as DATA_VARIABLE
from bench.workloads.arrivals import factor_at
from bench.workloads.model import VARIABLE as WORKLOAD_VARIABLE
from bench.workloads.model import Workload
from resolver.cluster.state import NetworkState
from resolver.model.errors import ResolverError

LOAD: Final = "load"
"""The name under which a slice has the CPU of Locust."""

_FIGURES_VARIABLE: Final = "WUHAN_BENCH_FIGURES"
_LOCUSTFILE: Final = Path(__file__).parents[1] / "locustfile.py"
_LOOK_S: Final = 0.1
_SLICE_S: Final = 1.0
_LEAST_S: Final = 0.5
_START_S: Final = 60.0
_END_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 8
_TAIL_LINES: Final = 3


class LoadError(ResolverError):
    """Locust did not do what it should; the text says why, or which log does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run.

    Attributes:
        source: the workload as ``load_workload`` takes it.
        users: client applications.
        processes: of Locust that ask; 1 is Locust alone.
        data: folder of the running network.
        folder: where figures and Locust's log go.
    """

    workload: Workload
    source: str
    seconds: float
    users: int
    processes: int
    data: Path
    folder: Path


class Session:
    """A run under way."""

    def __init__(self, plan: Plan, state: NetworkState) -> None:
        self.plan: Final = plan
        self.log: Final = plan.folder / "locust.log"
        self._figures: Final = plan.folder / "figures.jsonl"
        self._nodes: Final = Nodes(state, plan.data)
        self._process: Final = _start(plan, self._figures, self.log)
        self._load: Final = Locusts(self._process.pid)
        self._read = 0
        self._start: float | None = None

    def slices(self) -> Iterator[Slice]:
        """The slices as they come, until Locust has ended; what is told last is part of the last.

        Raises:
            LoadError: it ended badly, or does not start or end.
        """
        held: Slice | None = None
        for part in self._cut():
            if held is not None and part.seconds < _LEAST_S:
                held.absorb(part)
                continue
            if held is not None:
                yield held
            held = part
        if held is not None:
            yield held

    def _cut(self) -> Iterator[Slice]:
        """What is told, cut where about a second has passed."""
        began, since, ending = time.monotonic(), 0.0, False
        open_slice = Slice(0.0, 0.0)
        while True:
            ended = self._process.poll() is not None
            lines = self._lines()
            for line in lines:
                if line.get("start") and self._start is None:
                    self._start = since = float(line["t"])
                    self._watch(Slice(0.0, 0.0))
                self._add(open_slice, line)
            if self._start is None:
                if ended:
                    raise self._failure()
                if time.monotonic() - began > _START_S:
                    raise LoadError(f"the load did not start in {_START_S:g} s; see {self.log}")
            else:
                # What workers tell is of a moment ago.
                last = max([since, *(float(line["t"]) for line in lines)])
                if last - since >= _SLICE_S or (ended and open_slice.clients):
                    yield self._closed(open_slice, since - self._start, last - since)
                    since, open_slice = last, Slice(0.0, 0.0)
                overdue = time.time() - self._start - self.plan.seconds
                if overdue > _END_S and not ending:
                    ending = True
                    self.stop()
                if overdue > 2 * _END_S:
                    raise LoadError(f"the load does not end; see {self.log}")
            if ended and not lines:
                break
            if not ended:
                time.sleep(_LOOK_S)
        if self._process.returncode:
            raise self._failure()

    def stop(self) -> None:
        """Let Locust end early; what was measured stays true."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End Locust, whatever it does."""
        self.stop()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _closed(self, found: Slice, start: float, seconds: float) -> Slice:
        found.start, found.seconds = start, seconds
        workload = self.plan.workload
        rate = sum(client.answers_a_second for client in workload.client)
        share = self.plan.users / workload.users
        found.offered = rate * share * factor_at(workload.arrival, start)
        self._watch(found)
        return found

    def _watch(self, found: Slice) -> None:
        found.cpu, found.lookups = self._nodes.read()
        found.cpu[LOAD] = self._load.read()

    def _add(self, found: Slice, line: dict[str, Any]) -> None:
        for series in line["series"]:
            found.clients.setdefault(series["name"], Tally()).add(series)

    def _lines(self) -> list[dict[str, Any]]:
        """What was written since the last time, whole lines only."""
        try:
            with self._figures.open("rb") as file:
                file.seek(self._read)
                octets = file.read()
        except FileNotFoundError:
            return []
        whole = octets[: octets.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _failure(self) -> LoadError:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        tells = errors[-1] if errors else " / ".join(lines[-_TAIL_LINES:]) or "it said nothing"
        return LoadError(f"the load ended with status {self._process.returncode}: {tells}")


@contextmanager
def session(plan: Plan, state: NetworkState) -> Iterator[Session]:
    """A run that has ended, one way or another, at the end."""
    running = Session(plan, state)
    try:
        yield running
    finally:
        running.close()


def locust_command(plan: Plan) -> Sequence[str]:
    """What starts Locust."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(_LOCUSTFILE), "--headless"]
    command += ["--users", str(plan.users), "--spawn-rate", str(plan.users)]
    command += ["--run-time", f"{math.ceil(plan.seconds)}s"]
    command += ["--stop-timeout", str(_STOP_TIMEOUT_S), "--only-summary", "--exit-code-on-error=0"]
    if plan.processes > 1:
        command += ["--processes", str(plan.processes), "--master-bind-host=127.0.0.1"]
    return command


def _start(plan: Plan, figures: Path, log: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        WORKLOAD_VARIABLE: plan.source,
        DATA_VARIABLE: str(plan.data),
        _FIGURES_VARIABLE: str(figures),
    }
    with log.open("wb") as file:
        return subprocess.Popen(
            locust_command(plan),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
