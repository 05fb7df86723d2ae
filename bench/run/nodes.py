"""What the nodes of a network tell of themselves during a run: CPU of their processes, and hits of
the recursive nodes' caches.

Enterprise nodes share processes, so CPU is told by process; each belongs to one role.
"""

import re
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Final

import psutil

from bench.machine import cpu_seconds
from resolver.cluster.state import NetworkState, NodeState, data_paths, read_state
from resolver.model.address import format_address

_LOOKUPS: Final = re.compile(rb"^wuhan_cache_lookups_total\{(.*)\} (\S+)", re.MULTILINE)
_LABEL: Final = re.compile(rb'(\w+)="([^"]*)"')
_HITS: Final = frozenset({"hit", "stale", "prefetch"})
_PATIENCE_S: Final = 2.0


class Nodes:
    """A network's processes and caches, read again and again; each reading is since the last."""

    def __init__(self, state: NetworkState, data: Path) -> None:
        """``data``: the folder that says which processes the nodes have now."""
        self._paths: Final = data_paths(data)
        self._pids = _pids_of(state)
        self._caching: Final = [node for node in state.nodes if node.role == "recursive"]
        self._cpu: dict[int, float] = {}
        self._lookups: dict[str, tuple[float, float]] = {}
        self.read()

    def read(self) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """CPU seconds by process, and hits and misses by class, since the last reading.

        A process that has gone away, or a node that does not answer, adds nothing.
        """
        state = read_state(self._paths)
        if state is not None:
            self._pids = _pids_of(state)
        cpu = {
            process: sum(self._spent(pid) for pid in pids) for process, pids in self._pids.items()
        }
        now = self._counted()
        before = self._lookups
        lookups = {}
        for name, (hits, misses) in now.items():
            old_hits, old_misses = before.get(name, (0.0, 0.0))
            lookups[name] = (max(0.0, hits - old_hits), max(0.0, misses - old_misses))
        self._lookups = now
        return cpu, lookups

    def _spent(self, pid: int) -> float:
        try:
            total = cpu_seconds((pid,))
        except OSError:
            return 0.0
        before = self._cpu.get(pid, total)
        self._cpu[pid] = total
        return total - before

    def _counted(self) -> dict[str, tuple[float, float]]:
        found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for node in self._caching:
            for labels, value in _LOOKUPS.findall(_metrics(node)):
                told = dict(_LABEL.findall(labels))
                # A known "not found" answers a look for a leaf.
                kind = "route" if told[b"class"] == b"route" else "leaf"
                found[kind][told[b"result"].decode() not in _HITS] += float(value)
        return {name: (hits, misses) for name, (hits, misses) in found.items()}


def _pids_of(state: NetworkState) -> dict[str, tuple[int, ...]]:
    return {node.process: tuple(pid for pid in node.pids if pid) for node in state.nodes}


def _metrics(node: NodeState) -> bytes:
    url = f"http://{format_address(node.address, node.http_port)}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S) as response:
            octets: bytes = response.read()
    except OSError:
        return b""
    return octets


class Locusts:
    """CPU of the load itself."""

    def __init__(self, pid: int) -> None:
        self._pid: Final = pid
        self._before = self._total()

    def read(self) -> float:
        """Seconds since the last reading; 0 when it has ended."""
        total = self._total()
        spent, self._before = max(0.0, total - self._before), total
        return spent

    def _total(self) -> float:
        try:
            process = psutil.Process(self._pid)
            pids = [self._pid, *(child.pid for child in process.children(recursive=True))]
            return cpu_seconds(pids)
        except (psutil.Error, OSError):
            return 0.0
