"""Which machine a figure was measured on, and what the kernel says that processes used of it."""

import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

_STEAL: Final = 7
"""Its column in /proc/stat, proc(5)."""

_CORES: Final = frozenset(os.sched_getaffinity(0))


def machine_line() -> str:
    """Processor, cores that this process may use, kernel and Python, in one line."""
    processor = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return (
        f"{processor}, {len(_CORES)} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def server_core() -> int:
    """The core for what is measured."""
    return min(_CORES)


def client_core() -> int:
    """The core for everything else: another one, if there are two."""
    return max(_CORES)


@contextmanager
def beside_the_clients() -> Iterator[None]:
    """This process on the clients' core, for as long as the block lasts."""
    was = os.sched_getaffinity(0)
    keep_on(os.getpid(), {client_core()})
    try:
        yield
    finally:
        keep_on(os.getpid(), was)


def keep_on(pid: int, cores: Iterable[int]) -> None:
    """Keep a process, and its threads, on ``cores``."""
    allowed = set(cores)
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), allowed)


def family(pid: int) -> tuple[int, ...]:
    """A process and its descendants."""
    return (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True)))


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes together, from their CPU clocks: to the nanosecond, where
    ``/proc`` has it in hundredths of a second."""
    return sum(time.clock_gettime(_cpu_clock(pid)) for pid in pids)


def _cpu_clock(pid: int) -> int:
    """The id of the CPU clock of a process, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


class Neighbours:
    """What everybody else takes of the machine meanwhile, which makes latencies longer."""

    def __init__(self) -> None:
        self._busy, self._began = _busy_seconds(), time.monotonic()

    def share(self, own_seconds: float) -> float:
        """Share of all cores' time since the start that others used, 0 to 1.

        Args:
            own_seconds: CPU that those who are measured, and their clients, have used.
        """
        others = _busy_seconds() - self._busy - own_seconds
        elapsed = time.monotonic() - self._began
        return max(0.0, others / elapsed / (os.cpu_count() or 1))


class Stolen:
    """What the host of a virtual machine takes away meanwhile; nothing on a real one."""

    def __init__(self) -> None:
        self._stolen, self._began = _stolen_seconds(), time.monotonic()

    def share(self) -> float:
        """Share of a core's time since the start, of the core that lost most; 0 to 1, to one
        hundredth of a second."""
        elapsed = max(1e-9, time.monotonic() - self._began)
        pairs = zip(_stolen_seconds(), self._stolen, strict=True)
        return min(1.0, max(now - before for now, before in pairs) / elapsed)


def _stolen_seconds() -> list[float]:
    """Since the machine started, of the two cores of benchmarks."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    fields = {words[0]: words[1:] for words in map(str.split, lines)}
    cores = (fields[f"cpu{core}"] for core in (server_core(), client_core()))
    return [int(core[_STEAL]) / os.sysconf("SC_CLK_TCK") for core in cores]


def _busy_seconds() -> float:
    """CPU of all cores together since the machine started, but what they were idle."""
    first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, first[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def resident(pids: Iterable[int]) -> int:
    """Resident memory of processes together, in bytes."""
    return sum(int(psutil.Process(pid).memory_info().rss) for pid in pids)
