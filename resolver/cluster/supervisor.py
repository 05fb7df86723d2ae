"""The supervisor: starts the processes of a network, watches them, starts them again, stops them.

Rules: one thread, no event loop, so that forking is safe; nothing here imports what only one
command needs, since every page of this process is shared by all nodes. Children inherit their
sockets and close the others'. A process that dies is started again after a delay that doubles from
0.1 to 30 seconds and starts over once it has run for a minute. The supervisor itself never touches
a message.
"""

import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from resolver.cluster.processes import (
    die_with_parent,
    how_it_ended,
    kill,
    raise_file_limit,
    redirect_output,
)
from resolver.cluster.sockets import close_all, link
from resolver.cluster.state import (
    FAILED,
    READY,
    RESTARTING,
    STARTING,
    NetworkState,
    write_state,
)
from resolver.server.logs import set_up
from resolver.topology.plan import (
    DataPaths,
    HostPlan,
    NodeSockets,
    NodeSpec,
    Topology,
    process_name,
)

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
GOOD_RUN_S: Final = 60.0
GRACE_S: Final = 5.0
"""How long processes may take to finish what they do after SIGTERM."""

FAILED_AFTER: Final = 5
"""Deaths in a row after which a process is called failed; it is still started again."""

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log: Final = logging.getLogger(__name__)

Host = Callable[[HostPlan], int]
Emit = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class _Process:
    """One process that runs some nodes, or one of several that run a node."""

    name: str
    nodes: tuple[NodeSpec, ...]
    worker: int = 0
    pid: int = 0
    started_at: float = 0.0
    deaths: int = 0
    start_due: float | None = 0.0
    pipe: int = -1
    heard: bytes = b""
    is_ready: bool = False


class Supervisor:
    """Runs one network until it is told to stop."""

    def __init__(
        self,
        topology: Topology,
        sockets: Mapping[str, tuple[NodeSockets, ...]],
        data: DataPaths,
        state: NetworkState,
        host: Host,
        emit: Emit,
    ) -> None:
        """
        Args:
            topology: with the ports as they were bound.
            sockets: bound, by node and process.
            host: runs the nodes of one process until SIGTERM.
            emit: told what happens: ``ready``, ``died``, ``restarted``, ``all-ready``, ``stopped``.
        """
        self._topology: Final = topology
        self._sockets: Final = sockets
        self._data: Final = data
        self._state: Final = state
        self._host: Final = host
        self._emit: Final = emit
        self._nodes: Final = {node.name: node for node in state.nodes}
        self._specs: Final = {node.name: node for node in topology.nodes}
        self._processes: Final = [
            _Process(process_name(name, worker), nodes, worker)
            for name, nodes in topology.processes().items()
            for worker in range(nodes[0].workers)
        ]
        self._links: Final = {node.name: link(node.workers) for node in topology.nodes}
        self._selector: Final = selectors.DefaultSelector()
        self._wakeup, self._wakeup_in = socket.socketpair()
        self._began: Final = time.monotonic()
        self._stopping = False

    def run(self) -> None:
        """Start everything, keep it running, return when told to stop and everything has ended."""
        raise_file_limit()
        self._listen_to_signals()
        # What is there now stays as it is: the collector need not touch, and so copy, its pages.
        gc.collect()
        gc.freeze()
        try:
            while not self._stopping:
                self._start_due()
                self._wait(self._next_start())
        finally:
            self._stop_all()
            close_all(worker for workers in self._sockets.values() for worker in workers)
            self._data.state.unlink(missing_ok=True)
            self._data.targets.unlink(missing_ok=True)
            self._emit({"event": "stopped"})

    # Starting

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [p for p in self._processes if p.start_due is not None and p.start_due <= now]
        for process in due:
            self._start(process)
        if due:
            write_state(self._data, self._state)

    def _start(self, process: _Process) -> None:
        ready, ready_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready)
            _become_host(process, ready_in, self)
        os.close(ready_in)
        os.set_blocking(ready, False)
        self._selector.register(ready, selectors.EVENT_READ, process)
        process.pid, process.pipe, process.heard = pid, ready, b""
        process.started_at, process.start_due = time.monotonic(), None
        for spec in process.nodes:
            node = self._nodes[spec.name]
            node.restarts += process.deaths > 0
            node.state = STARTING if not process.deaths else node.state
            self._note_pids(spec)

    def plan_of(self, process: _Process, ready: Callable[[str], None]) -> HostPlan:
        """What ``process`` is to run; for the child."""
        names = tuple(node.name for node in process.nodes)
        mine = {name: self._sockets[name][process.worker] for name in names}
        kept = {id(sockets) for sockets in mine.values()}
        close_all(
            sockets
            for workers in self._sockets.values()
            for sockets in workers
            if id(sockets) not in kept
        )
        links = self._links[names[0]].of(process.worker)
        for end in (end for others in self._links.values() for end in others.all()):
            if end not in links:
                end.close()
        for own in (self._wakeup, self._wakeup_in):
            own.close()
        self._selector.close()
        for other in self._processes:
            if other.pipe >= 0:
                os.close(other.pipe)
        return HostPlan(self._topology, names, mine, self._data, ready, process.worker, links)

    def host(self, plan: HostPlan) -> int:
        """Run ``plan``; for the child."""
        return self._host(plan)

    def set_up_log(self) -> None:
        """Log as the configuration says; for the child."""
        log = self._topology.log
        set_up(log.form, log.level, sys.stderr)

    def log_path(self, process: str) -> str:
        """Where the output of ``process`` goes."""
        return str(self._data.log(process))

    # Watching

    def _next_start(self) -> float | None:
        due = [p.start_due for p in self._processes if p.start_due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._wakeup.recv(4096)
                self._reap()
            elif key.data.pipe >= 0:  # else it was read to its end when its process was reaped
                self._hear(key.data)

    def _hear(self, process: _Process) -> None:
        """Read which nodes of ``process`` are ready."""
        octets = os.read(process.pipe, 65536)
        if not octets:
            self._close_pipe(process)
            return
        *names, process.heard = (process.heard + octets).split(b"\n")
        nodes = [self._nodes[name.decode()] for name in names]
        process.is_ready = process.is_ready or bool(nodes)
        nodes = [node for node in nodes if self._all_ready(node.name)]
        for node in nodes:
            node.state = READY
        first_time = self._state.ready_seconds is None and all(
            node.state == READY for node in self._state.nodes
        )
        if first_time:
            self._state.ready_seconds = time.monotonic() - self._began
        # Written before it is told, so that whoever is told may read it.
        write_state(self._data, self._state)
        for node in nodes:
            self._emit({"event": "restarted" if node.restarts else "ready", "node": node.name})
        if first_time:
            self._emit({"event": "all-ready", "seconds": self._state.ready_seconds})

    def _reap(self) -> None:
        """Take note of processes that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = next((p for p in self._processes if p.pid == pid), None)
            if process is not None:
                self._note_death(process, status)

    def _note_death(self, process: _Process, status: int) -> None:
        if process.pipe >= 0:
            self._hear_out(process)
        process.pid, process.is_ready = 0, False
        if self._stopping:
            return
        now = time.monotonic()
        good = now - process.started_at >= GOOD_RUN_S
        process.deaths = 1 if good else process.deaths + 1
        delay = min(FIRST_DELAY_S * 2 ** (process.deaths - 1), LONGEST_DELAY_S)
        process.start_due = now + delay
        how = how_it_ended(status)
        for spec in process.nodes:
            node = self._nodes[spec.name]
            self._note_pids(spec)
            node.state = FAILED if process.deaths >= FAILED_AFTER else RESTARTING
        _log.warning("process %s %s; started again in %.1f s", process.name, how, delay)
        write_state(self._data, self._state)
        self._emit(
            {
                "event": "died",
                "process": process.name,
                "nodes": [spec.name for spec in process.nodes],
                "how": how,
                "delay": delay,
                "deaths": process.deaths,
                "log": self.log_path(process.name),
            }
        )

    def _all_ready(self, name: str) -> bool:
        """Whether each process of a node is."""
        spec = self._specs[name]
        return spec.workers == 1 or all(
            process.is_ready for process in self._processes if spec in process.nodes
        )

    def _note_pids(self, spec: NodeSpec) -> None:
        pids = [process.pid for process in self._processes if spec in process.nodes]
        node = self._nodes[spec.name]
        node.pid, node.pids = pids[0], pids

    def _hear_out(self, process: _Process) -> None:
        with suppress(BlockingIOError):
            while process.pipe >= 0:
                self._hear(process)
        if process.pipe >= 0:
            self._close_pipe(process)

    def _close_pipe(self, process: _Process) -> None:
        self._selector.unregister(process.pipe)
        os.close(process.pipe)
        process.pipe = -1

    # Stopping

    def _stop_all(self) -> None:
        self._stopping = True
        for process in self._processes:
            kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while any(process.pid for process in self._processes):
            left = deadline - time.monotonic()
            if left <= 0:
                for process in self._processes:
                    kill(process.pid, signal.SIGKILL)
                left = GRACE_S
                deadline = time.monotonic() + left
            self._wait(left)

    # Signals

    def _listen_to_signals(self) -> None:
        for end in (self._wakeup, self._wakeup_in):
            end.setblocking(False)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(self._wakeup_in.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True


def _become_host(process: _Process, ready: int, supervisor: Supervisor) -> None:
    """The rest of a child's life; does not return."""
    status = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        log = supervisor.log_path(process.name)
        redirect_output(log)
        supervisor.set_up_log()
        plan = supervisor.plan_of(process, lambda name: _report(ready, name))
        status = supervisor.host(plan)
    except BaseException:
        # The last line of defence of a process: whatever it was goes to the log, and out.
        logging.getLogger(__name__).exception("process %s ends", process.name)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _report(pipe: int, name: str) -> None:
    os.write(pipe, name.encode() + b"\n")


def emit_to(stream: int) -> Emit:
    """An ``emit`` that writes JSON lines to a file descriptor until its reader goes away."""
    open_ = True

    def emit(event: Mapping[str, Any]) -> None:
        nonlocal open_
        if open_:
            try:
                os.write(stream, json.dumps(event).encode() + b"\n")
            except OSError:
                open_ = False

    return emit
