"""Where the figures of a node come from, and how its moments are counted that no part of it counts
by itself."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from resolver.cache import CacheStatistics
from resolver.model.codes import OpCode, ResponseCode
from resolver.model.errors import StoreError
from resolver.node.state import NodeState
from resolver.server.clock import Clock
from resolver.server.family import Family
from resolver.server.muster import Muster
from resolver.server.progress import Progress, totals_of
from resolver.server.reporter import Reporter
from resolver.storage import NodeStore
from resolver.telemetry.counters import Counters, Histogram
from resolver.telemetry.exemplars import Exemplars
from resolver.telemetry.exposition import NodeFigures, Sources, StoreFigures
from resolver.telemetry.states import NodeStates, UpstreamState
from resolver.upstream.exchange import Upstream
from resolver.wire.answer import Answer
from resolver.wire.bodies import ChallengeAnswerRequest
from resolver.wire.message import Message
from resolver.wire.proof import PUBLIC_KEY, SECRET_KEY

T = TypeVar("T")

PROOFS: Final = frozenset({OpCode.CHALLENGE_ANSWER, OpCode.LOGIN_KEY, OpCode.LOGIN_PASSWORD})
"""Operations by which somebody says who they are."""

_KINDS: Final = {SECRET_KEY: "secret_key", PUBLIC_KEY: "public_key"}

_RESULTS: Final[Mapping[int, str]] = {
    ResponseCode.AUTHENTICATION_FAILED: "failed",
    ResponseCode.INVALID_CREDENTIAL: "failed",
    ResponseCode.UNABLE_TO_AUTHENTICATE: "failed",
    ResponseCode.AUTHENTICATION_TIMEOUT: "timeout",
    ResponseCode.INVALID_ADMIN: "refused",
    ResponseCode.INSUFFICIENT_PERMISSION: "refused",
    ResponseCode.ERROR: "error",
    ResponseCode.SERVER_BUSY: "error",
    ResponseCode.NOT_SUPPORTED: "error",
    ResponseCode.PROTOCOL_ERROR: "error",
}
"""What an answer says of a proof; any other code speaks of the change, and the proof was good."""


def count_proof(counters: Counters, request: Message, answer: Answer) -> None:
    """Count the answer to a request of ``PROOFS``."""
    if answer.code == ResponseCode.AUTHENTICATION_NEEDED:
        return  # a login that begins: its proof is still to come
    kind, body = "key", request.body
    if request.op_code == OpCode.LOGIN_PASSWORD:
        kind = "password"
    elif isinstance(body, ChallengeAnswerRequest):
        kind = _KINDS.get(body.auth_type.upper(), "key")
    counters.proof(kind, _RESULTS.get(answer.code, "success"))


class FsyncWatch:
    """Counts how long the disk takes (``resolver.storage.base.CommitWatch``)."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram: Final = histogram
        self._began = 0.0

    def began(self) -> None:
        """See ``CommitWatch``."""
        self._began = time.perf_counter()

    def ended(self) -> None:
        """See ``CommitWatch``."""
        self._histogram.observe(time.perf_counter() - self._began)


class StatesOf:
    """How a node does, seen from one of its processes.

    Attributes:
        reporter: who tells its parent; None in all processes but the first.
    """

    def __init__(self, state: NodeState, upstream: Upstream, family: Family, clock: Clock) -> None:
        self._state: Final = state
        self._upstream: Final = upstream
        self._family: Final = family
        self._clock: Final = clock
        self.reporter: Reporter | None = None

    def __call__(self) -> NodeStates:
        """How it does now."""
        now = self._clock.now()
        upstreams: dict[str, UpstreamState] = {}
        for health in self._upstream.healths():
            state = UpstreamState(health.in_flight, health.rtt_s, health.breaker_at(now).value)
            upstreams.setdefault(health.label, UpstreamState()).join(state)
        return NodeStates(
            upstreams,
            {"session": len(self._state.sessions), "login": len(self._state.logins)},
            {child.name: child.age_s for child in self._family.children(now)},
            None if self.reporter is None else self.reporter.sync_lag_s(),
        )


def caches_of(state: NodeState) -> dict[str, CacheStatistics]:
    """What is in the caches of a node, by class."""
    return {
        "route": state.routes.statistics(),
        "leaf": state.records.statistics(),
        "negative": state.records.negative_statistics(),
        "own": state.own.statistics(),
        "http": state.bodies.statistics(),
    }


def alone(state: NodeState) -> Muster:
    """The counts of a node that has one process."""
    return Muster(state.counters, partial(caches_of, state), None, list)


def figures_of(
    state: NodeState,
    muster: Muster,
    clock: Clock,
    process: str = "",
    prefixes: frozenset[str] = frozenset(),
    data: Path | None = None,
    progress: Progress | None = None,
    exemplars: Exemplars | None = None,
) -> NodeFigures:
    """The figures of one node.

    Args:
        process: the name of the one it lives in.
        prefixes: of the topology; with those that live here they may be labels.
        data: the folder on whose disk its store is.
        progress: of the tree of nodes, if it is the one at its top.
        exemplars: of its requests, if these are recorded.
    """
    return NodeFigures(
        Sources(
            node=state.name,
            role=state.role,
            counters=muster.counters,
            caches=muster.caches,
            store=partial(_or_none, partial(_store_figures, state.store, data)),
            process=process,
            states=muster.states,
            figures=partial(_or_none, totals_of(state.store, clock).by_prefix),
            prefixes=lambda: prefixes | state.homes,
            exemplars=exemplars,
            target=partial(_or_none, (lambda: None) if progress is None else progress.target),
        )
    )


def _or_none(read: Callable[[], T]) -> T | None:
    """What ``read`` finds; None while the store cannot be read, which others say."""
    try:
        return read()
    except (StoreError, OSError):
        return None


def _store_figures(store: NodeStore, data: Path | None) -> StoreFigures:
    free = size = 0
    if data is not None:
        disk = os.statvfs(data)
        free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return StoreFigures(store.count(), store.size_bytes(), store.last_entry(), free, size)
