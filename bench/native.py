"""The load generator in C, ``bench/native``, for Python: builds it, writes requests, runs it.

It costs about as much for a request as the cheapest server does for the answer, so on a core of its
own it is not what bounds a server in Python. ``Requests`` are octets with the place of the name
that the answer must repeat; a ``Protocol`` says where in a message the id and the response code
are, and which code is the right one.
"""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resolver.model.errors import ResolverError

COMPILERS: Final = ("cc", "gcc", "clang")
_SOURCES: Final = Path(__file__).with_name("native")
_FLAGS: Final = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow")
_GRACE_S: Final = 30.0
_LIBRARIES: Final = ("-lm",)
_HEAD: Final = struct.Struct(">IIII")
_ANY: Final = 0xFFFFFFFF
"""In place of a request's own right code."""


class NativeError(ResolverError):
    """The load generator cannot be built or run; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Where a message has its numbers (big-endian; offsets and widths in octets).

    Attributes:
        code_mask: bits of the code that count.
        right: the code of a right answer.
    """

    id_at: int = 8
    id_octets: int = 4
    code_at: int = 24
    code_octets: int = 4
    code_mask: int = 0xFFFFFFFF
    right: int = 1


HANDLE: Final = Protocol()
"""The Handle protocol, answers with response code 1."""

ECHO: Final = Protocol(right=0)
"""Requests of the Handle protocol as they come back: they have the code 0."""

DNS: Final = Protocol(0, 2, 2, 6, 0x000F_0000_FFFF, 1)
"""Flags, number of questions and of answers: response code 0 and one answer."""

HTTP: Final = Protocol(right=200)
"""The code is the status."""


@dataclass(frozen=True, slots=True)
class Request:
    """Octets to send, and the part of them that the answer must have too (empty: no check).

    Attributes:
        right: the code of the right answer over UDP or TCP; None: that of the ``Protocol``.
    """

    octets: bytes
    name: bytes = b""
    right: int | None = None


@dataclass(frozen=True, slots=True)
class Requests:
    """A file of requests.

    Attributes:
        count: how many different items are asked for.
        options: what the load generator must be told about them.
    """

    path: Path
    count: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a load.

    Attributes:
        rate: right answers a second.
        wrong: answers with another code, or about another name (``other_names``).
        lost: requests without an answer in time.
        unknown_ids: answers to no request in flight; not counted as wrong.
        late: open loop: requests that left a millisecond or more after they were due.
        codes: answers by response code.
        octets: of all right answers together; ``shortest`` and ``longest`` one.
        latency_us: ``mean``, ``p50``, ``p90``, ``p99``, ``p999``, ``max`` of right answers, in
            microseconds; in an open loop since they were due.
        client_cpu: seconds of CPU that the client took.
    """

    elapsed: float
    rate: float
    sent: int
    right: int
    wrong: int
    lost: int
    other_names: int
    unknown_ids: int
    late: int
    codes: Mapping[str, int]
    octets: int
    shortest: int
    longest: int
    latency_us: Mapping[str, float]
    client_cpu: float

    def trouble(self) -> str:
        """What was not right, in words; empty if nothing."""
        told = {
            "lost": self.lost,
            "with another response code": self.wrong - self.other_names,
            "about another name": self.other_names,
        }
        return ", ".join(f"{count:,} {what}" for what, count in told.items() if count)


@dataclass(frozen=True, slots=True)
class Load:
    """How to ask; see ``wuhan-load`` for what each means.

    Attributes:
        window: requests in flight; over TCP on each connection.
        flows: sockets.
        rate: UDP: requests a second, an open loop; 0 is a closed one.
        poisson: seed of the gaps between the requests of an open loop; 0: they are all alike.
        count: requests at most; 0 is no limit.
        skip, stride: which of the items are asked for, and in which order.
        timeout: seconds until a request counts as lost.
        source: the client's address; empty for any.
        core: where the client stays; None for anywhere.
    """

    protocol: Protocol = HANDLE
    seconds: float = 2.0
    window: int = 128
    flows: int = 1
    rate: float = 0.0
    poisson: int = 0
    count: int = 0
    skip: int = 0
    stride: int = 1
    timeout: float = 1.0
    source: str = ""
    core: int | None = None

    def options(self) -> Iterator[str]:
        """As the command line has it."""
        protocol = self.protocol
        given: dict[str, object] = {
            "id-at": protocol.id_at,
            "id-octets": protocol.id_octets,
            "code-at": protocol.code_at,
            "code-octets": protocol.code_octets,
            "code-mask": f"{protocol.code_mask:x}",
            "right": protocol.right,
            "seconds": self.seconds,
            "window": self.window,
            "flows": self.flows,
            "rate": self.rate,
            "poisson": self.poisson,
            "count": self.count,
            "skip": self.skip,
            "stride": self.stride,
            "timeout": self.timeout,
        }
        if self.source:
            given["bind"] = self.source
        if self.core is not None:
            given["core"] = self.core
        for name, value in given.items():
            yield from (f"--{name}", str(value))


def why_not() -> str:
    """Why the load generator cannot be built here; empty if it can."""
    if any(map(shutil.which, COMPILERS)):
        return ""
    return (
        "there is no C compiler, which the benchmarks' load generator needs: install gcc and the"
        " C library's headers (Debian and Ubuntu: apt-get install gcc libc6-dev)"
    )


def program() -> Path:
    """The load generator, built if it is not there yet or its sources have changed.

    Raises:
        NativeError: it cannot be built.
    """
    reason = why_not()
    if reason:
        raise NativeError(reason)
    sources = sorted(_SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    built = _cache() / f"wuhan-load-{digest}"
    if built.exists():
        return built
    compiler = next(filter(None, map(shutil.which, COMPILERS)))
    files = [str(path) for path in sources if path.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=built.parent) as folder:
        draft = Path(folder) / built.name
        done = subprocess.run(
            [compiler, *_FLAGS, "-o", str(draft), *files, *_LIBRARIES],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NativeError(f"{compiler} cannot build the load generator: {done.stderr.strip()}")
        draft.replace(built)
    return built


def _cache() -> Path:
    """Where the program is kept: ``build/`` of a checkout, else a folder of this user's own.

    Raises:
        NativeError: the folder belongs to somebody else.
    """
    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file() and os.access(checkout, os.W_OK):
        folder = checkout / "build" / "native"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"wuhan-native-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.stat()
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise NativeError(f"{folder} is not this user's alone; remove it, or set TMPDIR to another")
    return folder


def write_requests(path: Path, requests: Iterable[Request]) -> Requests:
    """Write ``requests`` to a file, in their order."""
    count = 0
    with path.open("wb") as file:
        for request in requests:
            where = request.octets.find(request.name)
            assert where >= 0, "the name is not in the request"
            right = _ANY if request.right is None else request.right
            head = _HEAD.pack(len(request.octets), where, len(request.name), right)
            file.write(head + request.octets)
            count += 1
    return Requests(path, count)


def write_numbered(path: Path, request: Request, digits: bytes, count: int) -> Requests:
    """Write ``count`` requests that differ in a decimal number, 0 and on; one of them in fact.

    Args:
        digits: what stands in the place of the number, and nowhere else in the request.
    """
    assert request.octets.count(digits) == 1
    at = request.octets.index(digits)
    options = {"number-at": at, "number-digits": len(digits), "items": count}
    written = write_requests(path, [request])
    told = tuple(text for name, value in options.items() for text in (f"--{name}", str(value)))
    return Requests(written.path, count, told)


def run_load(mode: str, address: tuple[str, int], requests: Requests, load: Load) -> Figures:
    """Ask ``address`` over ``mode`` (``udp``, ``tcp``, ``http``) and check every answer.

    Raises:
        NativeError: the load could not be run.
    """
    with started_load(mode, address, requests, load) as running:
        return running.figures()


class RunningLoad:
    """A load under way."""

    def __init__(self, process: "subprocess.Popen[str]", patience: float) -> None:
        self._process: Final = process
        self._patience: Final = patience

    def is_running(self) -> bool:
        """Whether it still asks."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Wait for the end, but no longer than this."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))

    def finish(self) -> None:
        """Let it ask no more; what is in flight is still waited for."""
        self._process.terminate()

    def figures(self) -> Figures:
        """Wait for the end, and what came of it.

        Raises:
            NativeError: the load could not be run.
        """
        try:
            told, trouble = self._process.communicate(timeout=self._patience)
        except subprocess.TimeoutExpired:
            raise NativeError("the load generator does not end; it was killed") from None
        if self._process.returncode:
            raise NativeError(f"the load could not be run: {trouble.strip()}")
        found: dict[str, Any] = json.loads(told)
        return Figures(**found)


@contextmanager
def started_load(
    mode: str, address: tuple[str, int], requests: Requests, load: Load
) -> Iterator[RunningLoad]:
    """A load that runs meanwhile; it is killed if it has not ended at the end."""
    command = [str(program()), mode, "--address", address[0], "--port", str(address[1])]
    command += ["--requests", str(requests.path), *requests.options, *load.options()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield RunningLoad(process, load.seconds + load.timeout + _GRACE_S)
    finally:
        process.kill()
        process.communicate()


@dataclass(frozen=True, slots=True)
class Echo:
    """A running echo."""

    address: tuple[str, int]
    pid: int


@contextmanager
def echo(octets: int) -> Iterator[Echo]:
    """The cheapest UDP server there is; its answers have ``octets`` octets."""
    command = [str(program()), "echo", "--octets", str(octets)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("port "):
            raise NativeError("the echo did not start")
        yield Echo(("127.0.0.1", int(line.split()[1])), process.pid)
    finally:
        process.terminate()
        process.communicate()
