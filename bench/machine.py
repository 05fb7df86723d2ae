"""Which machine a figure was measured on."""

import os
import platform
from pathlib import Path


def machine_line() -> str:
    """Processor, cores that this process may use, kernel and Python, in one line."""
    processor = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    return (
        f"{processor}, {cores} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def pin(server: int, client: int) -> None:
    """Keep the processes of these ids, and their threads, on two cores, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    for pid, core in ((server, cores[0]), (client, cores[-1])):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
