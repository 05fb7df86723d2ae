"""What is so at this moment in a node or a process, in contrast to what was counted.

Rules: plain data, so that the processes of a node can tell each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resolver.telemetry.counters import Histogram


@dataclass(slots=True)
class UpstreamState:
    """Another node, as it is asked from here.

    Attributes:
        in_flight: requests without a reply.
        rtt_s: how long it usually takes; 0 if it never answered.
        breaker: 0 it is asked, 1 one request may try, 2 it is left alone.
    """

    in_flight: int = 0
    rtt_s: float = 0.0
    breaker: int = 0

    def join(self, other: "UpstreamState") -> None:
        """Take in what is known of the same, or of another that has the same name: the worst of
        both."""
        self.in_flight += other.in_flight
        self.rtt_s = max(self.rtt_s, other.rtt_s)
        self.breaker = max(self.breaker, other.breaker)


@dataclass(slots=True)
class NodeStates:
    """A node.

    Attributes:
        upstreams: by name.
        sessions: clients that are known now, by how they are.
        heard: child → seconds since it was heard; None if it never was.
        sync_lag_s: seconds since the prefixes changed and the parent was not told.
    """

    upstreams: dict[str, UpstreamState] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    heard: dict[str, float | None] = field(default_factory=dict)
    sync_lag_s: float | None = None

    def packed(self) -> dict[str, Any]:
        """As ``join_packed`` reads it."""
        upstreams = {
            name: (state.in_flight, state.rtt_s, state.breaker)
            for name, state in self.upstreams.items()
        }
        return {"upstreams": upstreams, "sessions": self.sessions, "heard": self.heard}

    def join_packed(self, packed: Mapping[str, Any]) -> None:
        """Take in what another process of the same node says."""
        for name, fields in packed["upstreams"].items():
            self.upstreams.setdefault(name, UpstreamState()).join(UpstreamState(*fields))
        for kind, number in packed["sessions"].items():
            self.sessions[kind] = self.sessions.get(kind, 0) + number
        for child, age in packed["heard"].items():
            known = self.heard.get(child)
            if known is None or (age is not None and age < known):
                self.heard[child] = age


@dataclass(slots=True)
class ProcessStates:
    """A process, as the kernel and Python account for it (seconds, bytes).

    Attributes:
        gc: collections, objects collected and objects that could not be, by generation.
        loop_lag: how late the event loop came to what was due.
    """

    cpu_s: float
    resident: int
    virtual: int
    open_files: int
    most_files: int
    threads: int
    started_at: float
    gc: list[tuple[int, int, int]]
    loop_lag: Histogram

    def packed(self) -> list[Any]:
        """As ``unpacked`` reads it."""
        lag = self.loop_lag
        return [
            self.cpu_s, self.resident, self.virtual, self.open_files, self.most_files,
            self.threads, self.started_at, self.gc, lag.counts, lag.total,
        ]  # fmt: skip

    @classmethod
    def unpacked(cls, packed: list[Any]) -> "ProcessStates":
        """What ``packed`` was made of."""
        cpu, resident, virtual, files, most, threads, started, gc, counts, total = packed
        lag = Histogram()
        lag.counts, lag.total = list(counts), total
        return cls(cpu, resident, virtual, files, most, threads, started, gc, lag)
