"""What the operating system is asked about processes: their end, their output, their files."""

import ctypes
import os
import resource
import signal
from contextlib import suppress
from typing import Final

_LOG_OCTETS: Final = 16 << 20
"""A log longer than this is set aside when its process starts."""

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Have the kernel end this process when the supervisor is gone, however it went (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def redirect_output(path: str) -> None:
    """Write what this process says into the file ``path`` from now on, and read nothing."""
    if os.path.exists(path) and os.path.getsize(path) > _LOG_OCTETS:  # noqa: PTH110, PTH202
        os.replace(path, path + ".1")  # noqa: PTH105
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(null)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, if there is one (``pid`` is not 0)."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def how_it_ended(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"


def raise_file_limit() -> None:
    """A network of a hundred nodes needs more files than many shells allow at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
