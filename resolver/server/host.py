"""A process that runs some nodes of the network until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import uvloop

from resolver.model.handle import fold
from resolver.node.node import Node
from resolver.node.state import NodeState
from resolver.server.access import access_log
from resolver.server.caches import CacheControl, Caches
from resolver.server.certificate import certificate_files
from resolver.server.clock import SystemClock
from resolver.server.collector import Collector
from resolver.server.control import NodeControl
from resolver.server.crew import FirstProcess, Others, TakeConnection, TakeDatagram
from resolver.server.family import Family
from resolver.server.faults import METHODS, FaultControl, Faults
from resolver.server.figures import FsyncWatch, StatesOf, caches_of, figures_of
from resolver.server.keys import NetworkKey, load_or_make_key
from resolver.server.live_figures import FigureControl
from resolver.server.logs import set_level
from resolver.server.muster import Muster
from resolver.server.neighbours import allowed_networks, names_of
from resolver.server.progress import Progress
from resolver.server.provision import provision
from resolver.server.pulse import Pulse
from resolver.server.recent import Recent
from resolver.server.reporter import Reporter
from resolver.server.roles import ROLES
from resolver.server.scrape import NetworkScrape, ProcessScrape, Scrape
from resolver.server.service import NodeService
from resolver.server.state import state_of
from resolver.server.traces import ProcessTraces
from resolver.storage import open_store
from resolver.topology.plan import HostPlan, NodeSpec, Topology, process_name
from resolver.transport.admission import Admission
from resolver.transport.elsewhere import HTTP, TCP
from resolver.transport.http import Extend, HttpDoor, serve_http
from resolver.transport.http_sessions import HttpSessions
from resolver.transport.tcp import TcpDoor, serve_tcp
from resolver.transport.udp import serve_udp
from resolver.upstream.exchange import Upstream

TOP_LEVEL: Final = "top-level"
"""The role of the node that also tells of the whole network."""

_log: Final = logging.getLogger(__name__)


Pages = Callable[[HostPlan, NodeSpec, bytes], Extend | None]
"""What a node, of a plan and with the network's secret, shows over HTTP besides its own pages."""


def run_host(plan: HostPlan, pages: Pages | None = None) -> int:
    """Run the nodes of ``plan`` until SIGTERM or SIGINT, then drain them; the exit status.

    Calls ``plan.ready(name)`` for each node once its doors are open.

    Raises:
        StoreError, ConfigError: a node cannot start; the text says which and why.
    """
    uvloop.run(_run(plan, pages))
    return 0


async def _run(plan: HostPlan, pages: Pages | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    shared = _Shared(load_or_make_key(plan.data.network_key), pages)
    async with AsyncExitStack() as running:
        pulse = Pulse(process_name(plan.topology.node(plan.names[0]).process, plan.worker))
        running.callback(pulse.close)
        process = ProcessScrape(pulse)
        if plan.topology.traces.endpoint:
            shared.traces = ProcessTraces(
                plan.topology.traces, plan.topology.name, shared.key.control_secret()
            )
            running.push_async_callback(shared.traces.close)
        for name in plan.names:
            spec = plan.topology.node(name)
            if spec.pin and spec.workers > 1:
                _keep_on_a_core(plan.worker)
            await _start_node(plan, spec, shared, process, running)
            plan.ready(name)
        running.callback(Collector().close)
        await stop.wait()
        _log.info("stopping %d nodes", len(plan.names))


async def _start_node(
    plan: HostPlan,
    spec: NodeSpec,
    shared: "_Shared",
    process: ProcessScrape,
    running: AsyncExitStack,
) -> None:
    """Open the store and the doors of one node; ``running`` closes them in reverse order."""
    key = shared.key
    store = open_store("lmdb", plan.data.node_store(spec.name))
    running.callback(store.close)
    provision(spec, plan.topology, store, key.public_record)
    state = state_of(spec, plan.topology, store, key)
    upstream = Upstream(
        prefer=spec.limits.transports,
        allowed=allowed_networks(spec, plan.topology),
        counters=state.counters,
        names=names_of(plan.topology),
        secret=key.control_secret(),
    )
    state.nearness = upstream.expected_s
    running.push_async_callback(upstream.close)
    clock = SystemClock()
    topology = plan.topology
    children = tuple(node.name for node in topology.nodes if topology.told_by(node) == spec)
    family = Family(state, children, spec.control.heartbeat_s)
    store.watch(FsyncWatch(state.counters.fsyncs))
    states = StatesOf(state, upstream, family, clock)
    muster = _muster(plan, spec, state, states, process.pulse)
    running.callback(muster.close)
    tells_of_all, progress = spec.role == TOP_LEVEL, Progress(family, clock)
    traces = None if shared.traces is None else shared.traces.of(spec, plan.worker)
    figures = figures_of(
        state,
        muster,
        clock,
        process.pulse.name,
        _prefixes(plan.topology),
        plan.data.node_store(spec.name).parent,
        progress if tells_of_all else None,
        None if traces is None else traces.exemplars,
    )
    process.add(figures, muster.other_processes)
    network = None
    if tells_of_all:
        network = NetworkScrape(process, spec.process, plan.topology, clock)
        running.push_async_callback(network.close)
    caches, crew = Caches(state, clock, plan.topology.fingerprint(), plan.worker), _Crew()
    recent = Recent(spec.name, clock, plan.topology.log.slow_s)
    faults = Faults(clock, plan.data.faults(spec.name), plan.worker)
    faults.wake()
    control = NodeControl(
        state,
        family,
        key.control_secret(),
        clock,
        {
            **CacheControl(caches, muster, crew.call, spec.name).methods,
            **FaultControl(faults, crew.call, spec.name).methods,
            **FigureControl(
                muster, family, progress, faults, recent, crew.call, shared.figures
            ).methods,
            "log.level": partial(_set_level, crew),
        },
        progress,
    )
    if spec.cache.snapshot:
        path = plan.data.cache_snapshot(spec.name, plan.worker)
        caches.wake(path)
        running.callback(caches.rest, path)
    service = NodeService(
        Node(state, ROLES[spec.role].chain),
        upstream,
        clock,
        key,
        control,
        family,
        Admission(
            rate=spec.admission.rate,
            burst=spec.admission.burst,
            misses=spec.admission.misses,
            confirm=spec.admission.confirm,
        ),
        access_log(plan, spec, running),
        Scrape(figures, process, network),
        recent,
        faults,
        traces,
    )
    running.push_async_callback(service.close)
    extend = shared.pages and shared.pages(plan, spec, key.control_secret())
    doors = await _open_doors(plan, spec, service, running, extend)
    running.callback(faults.close)
    if plan.worker:
        call = partial(_carry_out, caches, faults, recent)
        running.callback(FirstProcess(plan.links[0]).serve(call))
        return
    if plan.links:
        crew.others = Others(plan.links, doors.connections, doors.datagrams)
        running.callback(crew.others.close)
    parent = topology.told_by(spec)
    reporter = Reporter(
        family,
        parent,
        key.control_secret(),
        clock,
        heartbeat_s=spec.control.heartbeat_s,
        propagation_s=spec.control.propagation_s,
    )
    running.push_async_callback(reporter.close)
    states.reporter = reporter


async def _set_level(crew: "_Crew", peer: str, params: list[Any]) -> str:
    """Log what is of a level or worse, in all processes of a node; what it was before."""
    (level,) = params if len(params) == 1 else (None,)
    before = set_level(level)
    await crew.call("level", params)
    _log.warning("%s has set the level of what is logged from %s to %s", peer, before, level)
    return before


def _carry_out(
    caches: Caches, faults: Faults, recent: Recent, method: str, params: list[Any]
) -> Any:
    """What the first process asks of another one."""
    if method == "level":
        return set_level(*params)
    if method == "recent":
        return recent.since(*params)
    return (faults if method in METHODS else caches).call(method, params)


@dataclass(slots=True)
class _Shared:
    """What the nodes of a process have in common.

    Attributes:
        figures: of all of them, by name.
        traces: where they are recorded, if they are.
    """

    key: NetworkKey
    pages: Pages | None
    figures: dict[str, FigureControl] = field(default_factory=dict)
    traces: ProcessTraces | None = None


@dataclass(slots=True)
class _Crew:
    """The other processes of a node, once the doors are open to which they hand over."""

    others: Others | None = None

    async def call(self, method: str, params: list[Any]) -> list[Any]:
        """See ``Others``."""
        return [] if self.others is None else await self.others.call(method, params)


@dataclass(frozen=True, slots=True)
class _Doors:
    """The doors of a node, as other processes of it know them."""

    connections: dict[str, TakeConnection]
    datagrams: tuple[TakeDatagram, ...]


async def _open_doors(
    plan: HostPlan,
    spec: NodeSpec,
    service: NodeService,
    running: AsyncExitStack,
    extend: Extend | None,
) -> _Doors:
    sockets, sessions = plan.sockets[spec.name], HttpSessions()
    elsewhere = FirstProcess(plan.links[0]) if plan.worker else None
    tls = certificate_files(plan.topology, plan.data)
    udp, tcp, http = [], [], []
    for number, sock in enumerate(sockets.udp):
        udp.append(await serve_udp(service, sock, None, elsewhere, number))
        running.push_async_callback(udp[-1].close)
    for sock in sockets.tcp:
        tcp.append(await serve_tcp(service, sock, None, elsewhere))
        running.push_async_callback(tcp[-1].close)
    for sock in sockets.http:
        http.append(
            await serve_http(
                service,
                sock,
                passwords=spec.plain_passwords,
                tls=tls,
                sessions=sessions,
                elsewhere=elsewhere,
                extend=extend,
            )
        )
        running.push_async_callback(http[-1].close)
    tasks: set[asyncio.Task[None]] = set()

    def adopt(door: TcpDoor | HttpDoor, sock: socket.socket, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(door.adopt(sock, data))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return _Doors(
        {TCP: partial(adopt, tcp[0]), HTTP: partial(adopt, http[0])},
        tuple(door.answer for door in udp),
    )


def _muster(
    plan: HostPlan, spec: NodeSpec, state: NodeState, states: StatesOf, pulse: Pulse
) -> Muster:
    caches = partial(caches_of, state)
    if spec.workers == 1:
        return Muster(state.counters, caches, None, list, states)
    own = plan.data.counters(spec.name, plan.worker)
    others = [
        plan.data.counters(spec.name, worker)
        for worker in range(spec.workers)
        if worker != plan.worker
    ]
    process = (pulse.name, pulse.states)
    return Muster(state.counters, caches, own, lambda: others, states, process)


def _prefixes(topology: Topology) -> frozenset[str]:
    """Those that somebody was made to hold (folded)."""
    return frozenset(fold(prefix) for node in topology.nodes for prefix in node.homes)


def _keep_on_a_core(worker: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[worker % len(cores)]})
