"""What a soak has done so far, in a file that outlives whatever ends it.

Rules: the file is replaced as a whole (written beside, synchronised, renamed), so it is the old one
or the new one, whatever happens. It names each block that counts: all before ``first_open``, and
those of ``ahead``. A block counts when all its answers have been looked at, and once; what was
under way when the run ended was never counted and is asked anew. So no answer is counted twice,
and none of those that are counted is missing.

A file of another workload, or one that is damaged, is refused and left as it is.
"""

import fcntl
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.soak.asking import MAX_EXAMPLES, Done
from resolver.model.errors import ConfigError

FORMAT: Final = 1
MAX_POINTS: Final = 1000
"""Of the curve; when there are more, every two become one."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done; a checkpoint is of one of these and no other.

    Attributes:
        total: requests.
        block: requests of each block.
        fingerprint: of questions and answers, ``Workload.fingerprint``.
        records: different identifiers.
        network: where they come from, for people.
    """

    total: int
    block: int
    fingerprint: str
    records: int
    network: str

    @property
    def blocks(self) -> int:
        """How many blocks; the last one may count in part."""
        return -(-self.total // self.block)

    def requests(self, number: int) -> int:
        """How many requests of a block count."""
        return min(self.block, self.total - number * self.block)


@dataclass(slots=True)
class Session:
    """One time the command ran.

    Attributes:
        began, ended: unix seconds; ``ended`` when it was last written down.
        seconds: of asking.
        requests: counted in it.
        client_cpu, node_cpu: seconds of CPU meanwhile, of this process and of all processes of the
            network; None if the network is not on this machine.
        is_whole: whether it ended by itself, or by Ctrl-C, and was not killed.
    """

    began: float
    ended: float
    seconds: float = 0.0
    requests: int = 0
    client_cpu: float = 0.0
    node_cpu: float | None = None
    is_whole: bool = False


@dataclass(slots=True)
class Progress:
    """What is done.

    Attributes:
        first_open: all blocks before this one count.
        ahead: further blocks that count.
        requests, successes: answers that were looked at, and those that were right.
        failures: the others, by what was wrong; ``examples`` are some of them.
        incidents: connections that were lost, by why.
        points: (seconds of asking, requests) so far, the curve of the report.
    """

    first_open: int = 0
    ahead: set[int] = field(default_factory=set)
    requests: int = 0
    successes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    incidents: Counter[str] = field(default_factory=Counter)
    sessions: list[Session] = field(default_factory=list)
    points: list[tuple[float, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of asking, in all sessions."""
        return sum(session.seconds for session in self.sessions)

    def count(self, done: Done) -> None:
        """Count a block."""
        assert done.number >= self.first_open, "a block is counted twice"
        assert done.number not in self.ahead, "a block is counted twice"
        self.ahead.add(done.number)
        while self.first_open in self.ahead:
            self.ahead.remove(self.first_open)
            self.first_open += 1
        self.requests += done.requests
        self.successes += done.requests - sum(done.failures.values())
        self.failures += done.failures
        self.examples += done.examples[: MAX_EXAMPLES - len(self.examples)]
        self.sessions[-1].requests += done.requests

    def turns(self, work: Work) -> Iterator[tuple[int, int]]:
        """The blocks that do not count yet, with how many of their requests will."""
        counted = set(self.ahead)
        for number in range(self.first_open, work.blocks):
            if number not in counted:
                yield number, work.requests(number)

    def mark(self) -> None:
        """Add a point to the curve."""
        points = self.points
        points.append((round(self.seconds, 3), self.requests))
        if len(points) > MAX_POINTS:
            del points[:-1:2]


class Checkpoint:
    """The file of one soak, which this process alone uses meanwhile."""

    def __init__(self, path: Path, work: Work) -> None:
        self.path: Final = path
        self.work: Final = work

    def load(self) -> Progress:
        """What is done; nothing if there is no file yet.

        Raises:
            ConfigError: the file is of another workload, or damaged.
        """
        try:
            octets = self.path.read_bytes()
        except FileNotFoundError:
            return Progress()
        advice = "nothing was changed; move it away, or name another file with --checkpoint"
        try:
            document = json.loads(octets)
            body, checksum = document["soak"], document["checksum"]
            if document["format"] != FORMAT:
                raise ValueError(f"its format is {document['format']!r}, not {FORMAT}")
            if checksum != _checksum(body):
                raise ValueError("its checksum is another than its content has")
            found = Work(**body["work"])
            progress = _progress(body["progress"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ConfigError(
                f"{self.path} is no checkpoint, or damaged ({why}); {advice}"
            ) from None
        if found != self.work:
            other = ", ".join(
                f"{name} {was!r} and not {getattr(self.work, name)!r}"
                for name, was in asdict(found).items()
                if was != getattr(self.work, name)
            )
            raise ConfigError(f"{self.path} is of another workload ({other}); {advice}")
        return progress

    def save(self, progress: Progress) -> None:
        """Replace the file, and wait until that is on disk."""
        body = {"work": asdict(self.work), "progress": _document(progress)}
        whole = {"format": FORMAT, "checksum": _checksum(body), "soak": body}
        draft = self.path.with_name(self.path.name + ".new")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(whole, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        folder = os.open(self.path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from the file; the kernel lets go when this one ends, however.

        Raises:
            ConfigError: another process has it.
        """
        with self.path.with_name(self.path.name + ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{self.path} is in use by another soak; wait for it, or name another file"
                    " with --checkpoint"
                ) from None
            yield


def _document(progress: Progress) -> dict[str, Any]:
    """What a file says of a progress."""
    return {
        "first_open": progress.first_open,
        "ahead": sorted(progress.ahead),
        "requests": progress.requests,
        "successes": progress.successes,
        "failures": dict(progress.failures),
        "examples": progress.examples,
        "incidents": dict(progress.incidents),
        "sessions": [asdict(session) for session in progress.sessions],
        "points": progress.points,
    }


def _progress(document: dict[str, Any]) -> Progress:
    """The progress of a file.

    Raises:
        ValueError, TypeError, KeyError: it cannot be.
    """
    sessions = [Session(**session) for session in document.pop("sessions")]
    progress = Progress(
        sessions=sessions,
        ahead=set(document.pop("ahead")),
        failures=Counter(document.pop("failures")),
        incidents=Counter(document.pop("incidents")),
        points=[(seconds, requests) for seconds, requests in document.pop("points")],
        **document,
    )
    if progress.requests != progress.successes + sum(progress.failures.values()):
        raise ValueError("its successes and failures are not its requests")
    return progress


def _checksum(body: object) -> int:
    """Of what a file says, whatever the spaces in it."""
    return zlib.crc32(json.dumps(body, ensure_ascii=False, sort_keys=True).encode())
