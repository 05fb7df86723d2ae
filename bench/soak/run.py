"""A soak from its checkpoint on: the network, the asking, the writing down.

Whom it asks: the node that is named; else the first recursive node of the network that runs in the
data folder; else that of a network of its own, beside the checkpoint, with a process per core for
the recursive node. Its own network outlives a command that is killed and is used again by the next;
it is stopped whenever a command ends by itself, and removed when the work is done.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import psutil

from bench.machine import cpu_seconds, family
from bench.soak.asking import Asking, Done
from bench.soak.blocks import BLOCK, Record, Workload
from bench.soak.checkpoint import Checkpoint, Progress, Session, Work
from resolver.cluster.launch import launch, stop_network
from resolver.cluster.state import NetworkState, data_paths, read_state
from resolver.model.errors import ConfigError
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import Topology
from secondary_nodes.population import sample_records

FIRST_BLOCK: Final = 50
"""Of what a connection begins with."""

_LOOK_S: Final = 0.25
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Options:
    """What a soak may be told.

    Attributes:
        total: requests.
        checkpoint: the file.
        server: address of the node to ask; None for that of a network.
        source: the network's configuration, which says what records there are.
        data: data folder of a network that may be running.
        save_s: seconds between two checkpoints.
    """

    total: int
    checkpoint: Path
    server: tuple[str, int] | None = None
    source: str = "wuhan"
    data: str = ".wuhan"
    save_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a soak has come.

    Attributes:
        is_interrupted: whether somebody stopped it.
        asked: which node, for people.
    """

    work: Work
    progress: Progress
    is_interrupted: bool
    asked: str

    @property
    def is_complete(self) -> bool:
        """Whether all that was to be asked has been answered."""
        return self.progress.requests >= self.work.total


@dataclass(frozen=True, slots=True)
class Told:
    """What can be shown meanwhile.

    Attributes:
        rate: of this session, requests a second since the last time.
    """

    work: Work
    progress: Progress
    rate: float


Tell = Callable[[Told], None]


def soak(options: Options, say: Callable[[str], None], tell: Tell) -> Outcome:
    """Go on until everything is asked, or somebody interrupts; the checkpoint is up to date then.

    Args:
        say: takes what is to be said once.
        tell: takes the progress, a few times a second.

    Raises:
        ConfigError: the checkpoint is another's or damaged, or in use.
        NetworkStateError: the network does not start.
        UpstreamError: the node does not answer any more; the checkpoint is up to date.
    """
    own = data_paths(options.checkpoint.with_name(options.checkpoint.name + ".network"))
    running = None if options.server else read_state(data_paths(options.data))
    source = running.source if running else options.source
    topology = expand(load_network(source))
    records = list(records_of(topology))
    if not records:
        raise ConfigError(f"{source} has no sample records to ask for; set network.samples")
    workload, first = Workload(records), Workload(records, block=FIRST_BLOCK)
    work = Work(options.total, BLOCK, workload.fingerprint, workload.records, topology.name)
    checkpoint = Checkpoint(options.checkpoint, work)
    checkpoint.path.absolute().parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as at_end:
        at_end.enter_context(checkpoint.held())
        progress = checkpoint.load()
        if progress.requests:
            say(f"goes on after {progress.requests:,} of {work.total:,} requests")
        if progress.requests >= work.total:
            return Outcome(work, progress, is_interrupted=False, asked="nobody; all was done")
        if options.server is not None:
            pids, (host, port) = None, options.server
            asked = f"the node at {host}:{port}"
        else:
            network = running or at_end.enter_context(_own_network(own.root, source, say))
            node = network.first_of("recursive")
            if node is None:
                raise ConfigError(f"{source} has no recursive node to ask; name one with --server")
            pids, host, port = network.pid, node.address, node.port
            asked = f"{node.name} of the network {network.network}, {len(node.pids)} processes"
        say(f"asks {asked}")
        asking = Asking((host, port), workload, progress.turns(work), first=first)
        at_end.callback(asking.close)
        interrupted = _ask(asking, _Keeper(checkpoint, progress, pids, options.save_s), tell)
    if progress.requests >= work.total:
        shutil.rmtree(own.root, ignore_errors=True)
    return Outcome(work, progress, interrupted, asked)


def records_of(topology: Topology) -> Iterator[Record]:
    """The product records that the enterprises of a network hold when it is new."""
    for node in topology.nodes:
        for prefix in node.homes:
            if node.role == "enterprise" or prefix != node.prefix:
                yield from islice(sample_records(prefix, node.samples), node.samples)


@dataclass(slots=True)
class _Keeper:
    """Counts what is done and writes it down now and then."""

    checkpoint: Checkpoint
    progress: Progress
    network_pid: int | None
    save_s: float
    _began: float = 0.0
    _client: float = 0.0
    _node: float | None = None
    _saved_at: float = 0.0

    def begin(self) -> None:
        """A session begins."""
        unix = time.time()
        self.progress.sessions.append(Session(unix, unix))
        self._began = self._saved_at = time.monotonic()
        self._client, self._node = time.process_time(), self._node_cpu()
        self.checkpoint.save(self.progress)

    def count(self, done: Done) -> None:
        """A block is done."""
        self.progress.count(done)

    def look(self) -> None:
        """Write it down if that is due."""
        if time.monotonic() - self._saved_at >= self.save_s:
            self.save()

    def save(self, *, at_end: bool = False) -> None:
        """Write down what is done."""
        session = self.progress.sessions[-1]
        session.ended = time.time()
        self._saved_at = time.monotonic()
        session.seconds = self._saved_at - self._began
        session.client_cpu = time.process_time() - self._client
        node = self._node_cpu()
        if node is not None and self._node is not None:
            session.node_cpu = node - self._node
        session.is_whole = at_end
        self.progress.mark()
        self.checkpoint.save(self.progress)

    def _node_cpu(self) -> float | None:
        """Seconds of CPU of all processes of the network; None if it is not here, or one of them
        is ending just now."""
        if self.network_pid is None:
            return None
        try:
            return cpu_seconds(family(self.network_pid))
        except (OSError, psutil.Error):
            return None


def _ask(asking: Asking, keeper: _Keeper, tell: Tell) -> bool:
    """Ask until there is nothing left; whether somebody interrupted it."""
    interrupted, progress = False, keeper.progress

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    before = {number: signal.signal(number, interrupt) for number in _INTERRUPTS}
    known = progress.incidents.copy()
    keeper.begin()
    told_at, told = time.monotonic(), progress.requests
    try:
        while not interrupted and asking.step(_LOOK_S, keeper.count):
            now = time.monotonic()
            if now - told_at >= _LOOK_S:
                rate = (progress.requests - told) / (now - told_at)
                tell(Told(keeper.checkpoint.work, progress, rate))
                told_at, told = now, progress.requests
            progress.incidents = known + asking.incidents
            keeper.look()
    finally:
        progress.incidents = known + asking.incidents
        keeper.save(at_end=True)
        for number, handler in before.items():
            signal.signal(number, handler)
    return interrupted


@contextmanager
def _own_network(folder: Path, source: str, say: Callable[[str], None]) -> Iterator[NetworkState]:
    """The network beside the checkpoint, started if it does not run any more."""
    paths = data_paths(folder)
    state = read_state(paths)
    if state is not None and not all(node.state == "ready" for node in state.nodes):
        stop_network(state)
        state = None
    if state is None:
        say(f"starts the network {source} in {folder}")
        overrides = {"network.base_port": 0, "network.workers": "auto"}
        topology = expand(load_network(source, overrides=overrides))
        launched = launch(topology, paths, source, detach=True)
        try:
            state = launched.wait_ready(lambda event: None)
        except BaseException:
            launched.stop()
            raise
        launched.let_go()
    try:
        yield state
    finally:
        running = read_state(paths)
        if running is not None:
            stop_network(running)
