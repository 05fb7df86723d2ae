"""What Prometheus gets: the page of a node, of all nodes of a process, of the whole network.

Rules: in a process that many nodes share, a page of all of them is made piece by piece, and the
loop goes on between. The page of the network is gathered from all processes at once, over HTTP as
everybody gets it, and kept for a second; a process that does not answer in time is told as down,
and holds nobody up for longer than ``PATIENCE_S``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from resolver.model.address import format_address
from resolver.server.clock import Clock
from resolver.server.pulse import Pulse
from resolver.telemetry.exposition import NodeFigures, write_process
from resolver.telemetry.families import GATHER, NODE_UP
from resolver.telemetry.page import Page, merged
from resolver.telemetry.states import ProcessStates
from resolver.topology.plan import NodeSpec, Topology

if TYPE_CHECKING:
    import aiohttp

PATIENCE_S: Final = 1.0
KEPT_S: Final = 1.0
_BURST: Final = 4
"""Nodes whose rows are made in one go, some milliseconds."""


class Scrape:
    """What one node has to tell to those who scrape."""

    def __init__(
        self,
        figures: NodeFigures,
        process: "ProcessScrape | None" = None,
        network: "NetworkScrape | None" = None,
    ) -> None:
        """
        Args:
            process: the one that the node lives in.
            network: of the node that tells of all.
        """
        self._figures: Final = figures
        self._process: Final = process
        self._network: Final = network

    def page(self, scope: str) -> bytes | Awaitable[bytes] | None:
        """The page of the ``node``, its ``process`` or the ``network``; None if it is not told
        here. ``open`` is that of the node in the format of OpenMetrics, with exemplars."""
        if scope == "network":
            return None if self._network is None else self._network.page()
        is_open = scope == "open"
        if self._process is None:
            page = Page(is_open=is_open)
            self._figures.write(page)
            return page.octets()
        if scope == "process":
            return self._process.all_nodes()
        return self._process.node(self._figures, is_open=is_open)


class ProcessScrape:
    """The nodes of one process, in the order in which they were started."""

    def __init__(self, pulse: Pulse) -> None:
        self.pulse: Final = pulse
        self._nodes: Final[list[NodeFigures]] = []
        self._others: Callable[[], dict[str, ProcessStates]] = dict

    def add(
        self, node: NodeFigures, others: Callable[[], dict[str, ProcessStates]] | None = None
    ) -> None:
        """A node lives here.

        Args:
            others: the other processes that answer for it.
        """
        self._nodes.append(node)
        if others is not None:
            self._others = others

    def node(self, figures: NodeFigures, *, is_open: bool = False) -> bytes:
        """The page of one node; the first also tells of the process."""
        page = Page(is_open=is_open)
        figures.write(page)
        if self._nodes and self._nodes[0] is figures:
            self._write_processes(page)
        return page.octets()

    async def all_nodes(self) -> bytes:
        """The page of the process."""
        page = Page()
        for number, figures in enumerate(self._nodes, 1):
            figures.write(page)
            if not number % _BURST:
                await asyncio.sleep(0)
        self._write_processes(page)
        return page.octets()

    def _write_processes(self, page: Page) -> None:
        write_process(page, self.pulse.name, self.pulse.states())
        for name, states in self._others().items():
            write_process(page, name, states)


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """Another process: its nodes, and where its page is."""

    nodes: tuple[NodeSpec, ...]
    url: str


class NetworkScrape:
    """The whole network, seen from one node."""

    def __init__(self, own: ProcessScrape, process: str, topology: Topology, clock: Clock) -> None:
        """
        Args:
            own: the process this is in.
            process: which of the topology's that is.
        """
        self._own: Final = own
        self._clock: Final = clock
        self._here: Final = topology.processes()[process]
        self._neighbours: Final = [
            _Neighbour(nodes, _url(nodes[0]))
            for name, nodes in topology.processes().items()
            if name != process
        ]
        self._session: aiohttp.ClientSession | None = None
        self._gathering: asyncio.Task[bytes] | None = None
        self._kept = b""
        self._kept_until = 0.0

    async def page(self) -> bytes:
        """The page of the network; whoever asks meanwhile gets the same."""
        if self._clock.now() < self._kept_until:
            return self._kept
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._gather())
        return await asyncio.shield(self._gathering)

    async def close(self) -> None:
        """Gather no more."""
        if self._gathering is not None:
            self._gathering.cancel()
            await asyncio.gather(self._gathering, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _gather(self) -> bytes:
        try:
            began = self._clock.now()
            asked = [self._page_of(neighbour) for neighbour in self._neighbours]
            pages = await asyncio.gather(*asked)
            mine = await self._own.all_nodes()
            told = Page()
            _tell(told, self._here, is_up=True)
            for neighbour, page in zip(self._neighbours, pages, strict=True):
                _tell(told, neighbour.nodes, is_up=page is not None)
            told.add(GATHER, {"process": self._own.pulse.name}, (), self._clock.now() - began)
            self._kept = merged([told.octets(), mine, *(page or b"" for page in pages)])
            self._kept_until = self._clock.now() + KEPT_S
            return self._kept
        finally:
            self._gathering = None

    async def _page_of(self, neighbour: _Neighbour) -> bytes | None:
        """What another process tells; None if it does not."""
        # Imported here: one process of the network asks others.
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(PATIENCE_S), self._session.get(neighbour.url) as response:
                return await response.read() if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None


def _url(node: NodeSpec) -> str:
    return f"http://{format_address(node.advertise, node.http_port)}/metrics/process"


def _tell(page: Page, nodes: Sequence[NodeSpec], *, is_up: bool) -> None:
    for node in nodes:
        page.add(NODE_UP, {"node": node.name, "role": node.role}, (), int(is_up))
