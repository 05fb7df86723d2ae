"""A network as the supervisor and the nodes know it: every node with its ports and its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resolver.model.errors import ConfigError
from resolver.model.value import Reference

if TYPE_CHECKING:
    import socket

MIB: Final = 1 << 20

SUPERVISOR: Final = "supervisor"
"""What the supervisor's log is called; no process of nodes has this name."""


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """What a node may keep of what it resolved (bytes, seconds)."""

    routes_bytes: int = 4 * MIB
    leaves_bytes: int = 16 * MIB
    negatives_bytes: int = 2 * MIB
    own_bytes: int = 8 * MIB
    bodies_bytes: int = 16 * MIB
    ttl_cap_s: float = 3600.0
    negative_ttl_s: float = 60.0
    failure_ttl_s: float = 2.0
    serve_stale_s: float = 86_400.0
    prefetch: bool = True
    snapshot: bool = True
    policy: str = "sieve"


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """Bounds of one resolution; ``networks``: where others than the nodes may be asked."""

    deadline_s: float = 5.0
    ask_timeout_s: float = 2.0
    max_asks: int = 16
    transports: tuple[str, ...] = ("tcp", "udp", "http")
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaSpec:
    """What a node allows; 0 is no limit."""

    daily_requests: int = 0
    registrations: int = 0
    prefixes: int = 0


@dataclass(frozen=True, slots=True)
class AdmissionSpec:
    """How much one client may ask in a second; 0 is no limit."""

    rate: int = 0
    burst: int = 0
    misses: int = 0
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class AccessSpec:
    """What nodes write down of the requests they answer.

    Attributes:
        form: ``off``, or that of the log.
        every: one of so many requests is written down.
        size: bytes of one file.
        keep: files that are kept besides the latest.
    """

    form: str = "off"
    every: int = 1
    size: int = 64 * MIB
    keep: int = 4


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """How a node reports to its parent (seconds)."""

    heartbeat_s: float = 5.0
    propagation_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node.

    Attributes:
        advertise: the address that others are told; a name until ``resolver.cluster.names`` has
            found its address, and ``host`` is that name from then on.
        homes: prefixes whose identifiers live here.
        delegates: prefixes below which the prefix records live here; '' is the root.
        hints: (prefix, node name): where a resolution starts.
        process: nodes with the same one share a process.
        samples: product records per prefix to put into a new store.
        administrators: keys that may change every record here.
        plain_passwords: whether passwords are taken over plain HTTP.
        workers: processes that answer for it; with more than one it shares none.
        pin: whether each of them stays on a core of its own.
    """

    name: str
    role: str
    title: str
    prefix: str
    homes: tuple[str, ...]
    delegates: tuple[str, ...]
    parent: str | None
    bind: tuple[str, ...]
    port: int
    http_port: int
    advertise: str
    recursion: bool
    hints: tuple[tuple[str, str], ...]
    process: str
    samples: int = 0
    cache: CacheSpec = field(default_factory=CacheSpec)
    limits: LimitSpec = field(default_factory=LimitSpec)
    administrators: tuple[Reference, ...] = ()
    plain_passwords: bool = False
    quotas: QuotaSpec = field(default_factory=QuotaSpec)
    admission: AdmissionSpec = field(default_factory=AdmissionSpec)
    control: ControlSpec = field(default_factory=ControlSpec)
    workers: int = 1
    pin: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class LogSpec:
    """What is logged, and how; a resolution that takes ``slow_s`` seconds is told of."""

    form: str = "pretty"
    level: str = "info"
    slow_s: float = 1.0
    access: AccessSpec = field(default_factory=AccessSpec)


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """Where spans are sent, nowhere if that is empty, and of which part of the traces that begin
    here."""

    endpoint: str = ""
    sample: float = 1.0


@dataclass(frozen=True, slots=True)
class Topology:
    """All nodes of a network.

    Attributes:
        tls_certificate, tls_key: PEM files of the operator's certificate; empty for one that the
            network makes itself.
        key: PEM file of the key that all nodes sign with; empty for one that the network makes.
    """

    name: str
    nodes: tuple[NodeSpec, ...]
    tls_certificate: str = ""
    tls_key: str = ""
    log: LogSpec = field(default_factory=LogSpec)
    traces: TraceSpec = field(default_factory=TraceSpec)
    key: str = ""

    def node(self, name: str) -> NodeSpec:
        """The node called ``name``.

        Raises:
            ConfigError: there is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        # Imported here: every process of the network holds this module, and none of them errs.
        from resolver.topology.nearest import did_you_mean

        near = did_you_mean(name, (node.name for node in self.nodes))
        raise ConfigError(f"the network {self.name} has no node {name!r}{near}")

    def told_by(self, spec: NodeSpec) -> NodeSpec | None:
        """Whom a node reports to: its parent; a recursive node, which has none, the first
        top-level node. None if that is nobody."""
        if spec.parent is not None:
            return self.node(spec.parent)
        if spec.role != "recursive":
            return None
        return next((node for node in self.nodes if node.role == "top-level"), None)

    def processes(self) -> dict[str, tuple[NodeSpec, ...]]:
        """The nodes by the process they share, in order."""
        shared: dict[str, list[NodeSpec]] = {}
        for node in self.nodes:
            shared.setdefault(node.process, []).append(node)
        return {process: tuple(nodes) for process, nodes in shared.items()}

    def fingerprint(self) -> str:
        """The same for all networks that have the same nodes at the same addresses."""
        places = sorted(f"{node.name} {node.advertise} {node.port}" for node in self.nodes)
        return sha256("\n".join(places).encode()).hexdigest()[:16]

    def with_ports(self, ports: Mapping[str, tuple[int, int]]) -> "Topology":
        """The same network with (port, http_port) of each node as given."""
        return replace(
            self,
            nodes=tuple(
                replace(node, port=ports[node.name][0], http_port=ports[node.name][1])
                for node in self.nodes
            ),
        )


def process_name(process: str, worker: int) -> str:
    """What one of several processes that run the same is called."""
    return f"{process}-{worker + 1}" if worker else process


@dataclass(frozen=True, slots=True)
class DataPaths:
    """Where a network keeps its files; nothing is written outside ``root``."""

    root: Path

    @property
    def state(self) -> Path:
        """What runs here."""
        return self.root / "state.json"

    @property
    def targets(self) -> Path:
        """Where Prometheus finds the nodes (its file-based service discovery)."""
        return self.root / "targets.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "lock"

    def log(self, process: str) -> Path:
        """The log of a process."""
        return self.root / "logs" / f"{process}.log"

    @property
    def network_key(self) -> Path:
        """The key that all nodes sign with."""
        return self.root / "keys" / "network.pem"

    def counters(self, name: str, worker: int) -> Path:
        """What one of several processes of a node has counted."""
        return self.root / "nodes" / name / f"worker-{worker}.counters"

    def faults(self, name: str) -> Path:
        """The faults in force at a node."""
        return self.root / "nodes" / name / "faults.json"

    def all_faults(self) -> list[Path]:
        """Those of all nodes."""
        return list((self.root / "nodes").glob("*/faults.json"))

    def cache_snapshot(self, name: str, worker: int) -> Path:
        """What a process of a node had cached when it ended."""
        return self.root / "nodes" / name / f"cache-{worker}.snapshot"

    def access_log(self, name: str, worker: int, form: str) -> Path:
        """What a process of a node was asked."""
        return self.root / "nodes" / name / f"access-{worker}.{form}"

    def all_counters(self) -> list[Path]:
        """Those of all processes of all nodes."""
        return list((self.root / "nodes").glob("*/worker-*.counters"))

    def node_store(self, name: str) -> Path:
        """The record store of a node."""
        return self.root / "nodes" / name / "records.mdb"


@dataclass(frozen=True, slots=True)
class NodeSockets:
    """Bound sockets of one node, by door."""

    udp: "tuple[socket.socket, ...]"
    tcp: "tuple[socket.socket, ...]"
    http: "tuple[socket.socket, ...]"

    def all(self) -> "tuple[socket.socket, ...]":
        """Every socket of the node."""
        return (*self.udp, *self.tcp, *self.http)


@dataclass(frozen=True, slots=True)
class Links:
    """The sockets that join the processes of one node: between the first of them and each other
    one there is a pair, of which ``first`` and ``others`` are the ends, in the order of the others.
    """

    first: "tuple[socket.socket, ...]" = ()
    others: "tuple[socket.socket, ...]" = ()

    def of(self, worker: int) -> "tuple[socket.socket, ...]":
        """The ends that belong to a process."""
        return self.first if worker == 0 else self.others[worker - 1 : worker]

    def all(self) -> "tuple[socket.socket, ...]":
        """All ends."""
        return (*self.first, *self.others)


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What one process is to run.

    Attributes:
        sockets: of its nodes.
        ready: to be told the name of each node that answers.
        worker: which of the processes of its node it is, from 0 on.
        links: the ends that join it to the others of its node.
    """

    topology: Topology
    names: tuple[str, ...]
    sockets: Mapping[str, NodeSockets]
    data: DataPaths
    ready: Callable[[str], None]
    worker: int = 0
    links: "tuple[socket.socket, ...]" = ()
