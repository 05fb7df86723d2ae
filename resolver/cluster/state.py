"""What the data folder says about the network in it: ``state.json``, and whether it is true.

Rules: the supervisor alone writes the file, whole and by rename. A process is known by its id and
its start time together, since ids are used again.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import psutil

from resolver.model.address import format_address
from resolver.model.errors import ConfigError, NetworkStateError
from resolver.topology.plan import DataPaths, NodeSpec, Topology

STARTING: Final = "starting"
READY: Final = "ready"
RESTARTING: Final = "restarting"
FAILED: Final = "failed"

_START_TOLERANCE_S: Final = 1.0


@dataclass(slots=True)
class NodeState:
    """One node, as the supervisor sees it.

    Attributes:
        state: STARTING, READY, RESTARTING (its process died and will be started again) or FAILED
            (it died again and again; it is still tried).
        pid: of its process, the first if it has several.
        restarts: how often processes of it were started again.
        pids: of all of its processes.
    """

    name: str
    role: str
    title: str
    prefix: str
    address: str
    port: int
    http_port: int
    process: str
    pid: int = 0
    state: str = STARTING
    restarts: int = 0
    pids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class NetworkState:
    """A network, as the supervisor sees it.

    Attributes:
        source: the configuration it was started from.
        pid, started_at: of the supervisor; unix seconds as the kernel tells them.
        ready_seconds: from the start until every node was ready; None before.
    """

    network: str
    source: str
    pid: int
    started_at: float
    nodes: list[NodeState] = field(default_factory=list)
    ready_seconds: float | None = None

    def node(self, name: str) -> NodeState:
        """The node called ``name``.

        Raises:
            ConfigError: there is none; the text names what may have been meant, or some.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        # Imported here: the supervisor, whose memory all nodes share, never errs.
        from resolver.topology.nearest import did_you_mean

        names = [node.name for node in self.nodes]
        hint = did_you_mean(name, names) or f"; it has {', '.join(names[:6])}…"
        raise ConfigError(f"the network {self.network} has no node {name!r}{hint}")

    def pids(self) -> set[int]:
        """All processes of all nodes."""
        return {pid for node in self.nodes for pid in node.pids if pid}

    def first_of(self, role: str) -> NodeState | None:
        """The first node of a role."""
        return next((node for node in self.nodes if node.role == role), None)


def hold(data: DataPaths) -> int:
    """Hold the folder as long as this process lives; what to close to let it go.

    Raises:
        NetworkStateError: another process holds it.
    """
    lock = os.open(data.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise NetworkStateError(
            f"a network already runs in {data.root}; see it with: wuhan status, "
            "stop it with: wuhan down, or choose another folder with --data"
        ) from None
    os.set_inheritable(lock, False)
    return lock


def new_state(topology: Topology, source: str) -> NetworkState:
    """The state of a network whose supervisor is this process."""
    started_at = psutil.Process().create_time()
    nodes = [_node(spec) for spec in topology.nodes]
    return NetworkState(topology.name, source, os.getpid(), started_at, nodes)


def write_state(data: DataPaths, state: NetworkState) -> None:
    """Replace the state file."""
    draft = data.state.with_suffix(".new")
    draft.write_text(json.dumps(asdict(state), ensure_ascii=False, indent=1), encoding="utf-8")
    draft.replace(data.state)


def write_targets(data: DataPaths, topology: Topology) -> None:
    """Write where Prometheus finds the metrics of each node: a target for each, with the labels
    by which rules and dashboards know it even when it is silent. A node that listens everywhere
    is found where it says that it is, so that a Prometheus elsewhere finds it too."""
    targets = [
        {
            "targets": [format_address(_place_of(node, node.advertise), node.http_port)],
            "labels": {
                "network": topology.name,
                "node": node.name,
                "role": node.role,
                "process": node.process,
            },
        }
        for node in topology.nodes
    ]
    draft = data.targets.with_suffix(".new")
    draft.write_text(json.dumps(targets, indent=1), encoding="utf-8")
    draft.replace(data.targets)


def read_state(data: DataPaths) -> NetworkState | None:
    """The state of the network that runs in this folder; None if none does.

    Raises:
        NetworkStateError: the file is there but cannot be understood.
    """
    try:
        found: dict[str, Any] = json.loads(data.state.read_text(encoding="utf-8"))
        nodes = [NodeState(**node) for node in found.pop("nodes")]
        state = NetworkState(**found, nodes=nodes)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NetworkStateError(
            f"{data.state} cannot be read ({error}); if no network runs here, remove it"
        ) from None
    return state if is_running(state) else None


def running_network(data: DataPaths) -> NetworkState:
    """The network that runs in this folder.

    Raises:
        NetworkStateError: none does; the text says how to start one.
    """
    state = read_state(data)
    if state is None:
        raise NetworkStateError(f"no network runs in {data.root}; start one with: wuhan up")
    return state


def is_running(state: NetworkState) -> bool:
    """Whether the supervisor that wrote ``state`` is alive."""
    try:
        process = psutil.Process(state.pid)
        created, status = process.create_time(), process.status()
    except psutil.Error:
        return False
    is_same = abs(created - state.started_at) < _START_TOLERANCE_S
    return is_same and status != psutil.STATUS_ZOMBIE


def resident_bytes(pids: set[int]) -> int:
    """Resident memory of these processes together; shared pages count in each."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            continue
    return total


def data_paths(folder: str | Path) -> DataPaths:
    """The paths of a data folder, absolute."""
    return DataPaths(Path(folder).absolute())


def _node(spec: NodeSpec) -> NodeState:
    return NodeState(
        name=spec.name,
        role=spec.role,
        title=spec.title,
        prefix=spec.prefix,
        address=_place_of(spec, "::1" if ":" in spec.bind[0] else "127.0.0.1"),
        port=spec.port,
        http_port=spec.http_port,
        process=spec.process,
    )


def _place_of(spec: NodeSpec, everywhere: str) -> str:
    """Where a node is reached: the first address that it listens on, or ``everywhere`` if that
    means all of them."""
    return everywhere if ip_address(spec.bind[0]).is_unspecified else spec.bind[0]
