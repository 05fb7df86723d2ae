"""Looks at all nodes of the network, as long as somebody watches.

Rules: nothing runs while nobody watches. Then each process is asked once a second, over the
control plane and on a connection that stays, how its nodes do; whoever does not answer in time is
called silent, whoever cannot be reached down. What all watchers get is made once.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from resolver.console import SHOWN_BY
from resolver.console.rates import Rates
from resolver.console.standing import ranking_of, topology_of
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.model.target import together
from resolver.server.recent import latest
from resolver.topology.plan import NodeSpec, Topology
from resolver.upstream.control import ControlPeer

EVERY_S: Final = 1.0
SILENT_S: Final = 1.2
"""After so long without an answer a node is silent."""

KEPT_EVERY_S: Final = 5.0
OPERATOR: Final = "console"
MAX_WATCHERS: Final = 32

UP, FAULTY, STOPPED, SILENT, DOWN, UNKNOWN = range(6)
"""How a node does, as watchers are told."""

_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Watched:
    """One node, as it was seen last."""

    spec: NodeSpec
    rates: Rates = field(default_factory=Rates)
    state: int = UNKNOWN
    records: int = 0
    faults: list[Any] = field(default_factory=list)

    def take(self, told: dict[str, Any]) -> None:
        """Take in what the node says of itself."""
        self.rates.take(told, time.monotonic())
        self.records, self.faults = told["records"], told["faults"]
        self.state = STOPPED if told["stopped"] else FAULTY if self.faults else UP

    def lose(self, state: int) -> None:
        """It says nothing."""
        self.state = state
        self.rates.stop()


@dataclass(slots=True)
class Group:
    """Nodes of one process, of which the first is asked for all."""

    nodes: list[Watched]
    peer: ControlPeer | None = None
    seen_at: float = 0.0
    """When the latest slow or failed resolution came that is known."""
    news: list[dict[str, Any]] = field(default_factory=list)

    async def look(self, secret: bytes) -> "list[Group]":
        """Ask how they do; groups of their own for those that are elsewhere."""
        spec = self.nodes[0].spec
        try:
            if self.peer is None:
                self.peer = await ControlPeer.open(
                    spec.advertise, spec.port, name=OPERATOR, secret=secret, timeout=SILENT_S
                )
            told = await self.peer.call("figures", timeout=SILENT_S)
            # Of other processes of a node its figures do not tell whether there is news.
            if any(told[name]["recent_at"] > self.seen_at for name in told) or spec.workers > 1:
                self.news += await self.peer.call("figures.recent", self.seen_at, timeout=SILENT_S)
        except UpstreamTimeout:
            # The connection stays: who was only busy answers the next question on it.
            for node in self.nodes:
                node.lose(SILENT)
            return []
        except UpstreamError:
            for node in self.nodes:
                node.lose(DOWN)
            await self.leave()
            return []
        elsewhere = [node for node in self.nodes if node.spec.name not in told]
        self.nodes = [node for node in self.nodes if node.spec.name in told]
        for node in self.nodes:
            node.take(told[node.spec.name])
        self.seen_at = max((row["at"] for row in self.news), default=self.seen_at)
        return [Group([node]) for node in elsewhere]

    async def leave(self) -> None:
        """Look no more."""
        if self.peer is not None:
            await self.peer.close()
            self.peer = None


class Watch:
    """The whole network, for any number of watchers."""

    def __init__(self, topology: Topology, secret: bytes, name: str) -> None:
        """
        Args:
            secret: what all nodes of the network know.
            name: of the node that shows the console.
        """
        self.topology: Final = topology
        self._secret: Final = secret
        self._name: Final = name
        self._nodes: Final = {spec.name: Watched(spec) for spec in topology.nodes}
        self._groups: list[Group] = [
            Group([self._nodes[spec.name] for spec in specs])
            for specs in topology.processes().values()
        ]
        self._watchers: Final[set[asyncio.Queue[bytes | None]]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._kept = b""
        self._recent: list[dict[str, Any]] = []

    @property
    def is_full(self) -> bool:
        """Whether as many watch already as may."""
        return len(self._watchers) >= MAX_WATCHERS

    async def events(self) -> AsyncGenerator[bytes, None]:
        """What a watcher is to be told, as server-sent events, until ``close``."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(8)
        queue.put_nowait(_event("topology", topology_of(self.topology, self._name)))
        if self._kept:
            queue.put_nowait(self._kept)
        if self._recent:
            queue.put_nowait(_event("recent", self._recent))
        self._watchers.add(queue)
        if not self._tasks:
            self._begin()
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._watchers.discard(queue)
            if not self._watchers:
                await self._end()

    async def look_at(self, name: str) -> None:
        """Something was done to a node: do not wait for the next look."""
        if self._tasks:
            node = self._nodes[name]
            await next(group for group in self._groups if node in group.nodes).look(self._secret)
            self._tell(self._tick())

    async def close(self) -> None:
        """Let all watchers go."""
        self._tell(None)
        await self._end()

    async def call(self, name: str, method: str, *params: Any) -> Any:
        """The result of a call at a node.

        Raises:
            ConfigError: there is no such node.
            UpstreamError: it does not answer, or refuses.
        """
        spec = self.topology.node(name)
        peer = await ControlPeer.open(
            spec.advertise, spec.port, name=OPERATOR, secret=self._secret, timeout=3.0
        )
        try:
            return await peer.call(method, *params, timeout=3.0)
        finally:
            await peer.close()

    def _begin(self) -> None:
        start = asyncio.get_running_loop().create_task
        self._tasks = [start(self._tick_on()), start(self._keep_on())]
        for number, group in enumerate(self._groups):
            # Spread over the second, so that the console itself is no burst of load.
            self._tasks.append(start(self._look_on(group, EVERY_S * number / len(self._groups))))

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(group.leave() for group in self._groups))

    async def _look_on(self, group: Group, after: float) -> None:
        await self._look_at(group)
        await asyncio.sleep(after)
        while True:
            began = time.monotonic()
            await self._look_at(group)
            await asyncio.sleep(max(0.05, EVERY_S - (time.monotonic() - began)))

    async def _look_at(self, group: Group) -> None:
        others = await group.look(self._secret)
        if group.news:
            news, group.news = group.news, []
            self._recent = latest([*self._recent, *news])
            self._tell(_event("recent", self._recent))
        for other in others:
            self._groups.append(other)
            task = asyncio.get_running_loop().create_task(self._look_on(other, 0.0))
            self._tasks.append(task)

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._tell(self._tick())

    async def _keep_on(self) -> None:
        while True:
            with suppress(UpstreamError):
                self._kept = _event("kept", await self._standing())
                self._tell(self._kept)
            await asyncio.sleep(KEPT_EVERY_S)

    async def _standing(self) -> dict[str, Any]:
        """What is written down at the top of the tree: of the target what ``wuhan target`` and the
        metrics say too."""
        top = await self.call(self._name, "figures.kept")
        tops = [spec.name for spec in self.topology.nodes if spec.role == SHOWN_BY]
        found = [await self.call(name, "target") for name in tops]
        records = {name: node.records for name, node in self._nodes.items()}
        return {
            "ranking": ranking_of(self.topology, top["below"], records),
            **together(found),
        }

    def _tick(self) -> bytes:
        tiers: dict[str, Rates] = {}
        nodes = {}
        for name, node in self._nodes.items():
            rates = node.rates
            nodes[name] = [node.state, *rates.told(), node.records]
            tiers.setdefault(node.spec.role, Rates()).add(rates)
        told = {
            "now": int(time.time()),
            "nodes": nodes,
            "tiers": {role: [*rates.told(), rates.hit_ratios()] for role, rates in tiers.items()},
            "faults": {name: node.faults for name, node in self._nodes.items() if node.faults},
        }
        return _event("tick", told)

    def _tell(self, event: bytes | None) -> None:
        for queue in list(self._watchers):
            if queue.full():
                queue.get_nowait()  # who does not keep up misses something
            queue.put_nowait(event)


def _event(name: str, data: object) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")
