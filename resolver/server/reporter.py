"""Tells a node's parent, over the control plane, that it lives, what it counted, and which prefixes
it delegates.

Rules: a report goes out with every heartbeat; prefixes go out when they have changed, at once or
after the delay that is configured (a real network takes up to an hour). A parent that does not
answer within three heartbeats is tried again with the next one, and the log says so once.
"""

import asyncio
import logging
from typing import Final

from resolver.model.errors import StoreError, UpstreamError
from resolver.server.clock import Clock
from resolver.server.family import MISSED_HEARTBEATS, Family, routes_told
from resolver.topology.plan import NodeSpec
from resolver.upstream.control import CALL_S, ControlPeer

_LEAST_PATIENCE_S: Final = 1.0
"""That a parent has for an answer, however quick the heartbeats are."""

_log: Final = logging.getLogger(__name__)


class Reporter:
    """Reports of one node to its parent; or, without one, only the keeping of figures."""

    def __init__(
        self,
        family: Family,
        parent: NodeSpec | None,
        secret: bytes,
        clock: Clock,
        *,
        heartbeat_s: float,
        propagation_s: float,
    ) -> None:
        """
        Args:
            family: of the node that reports.
            parent: who is told; None for the top of the tree.
            secret: what all nodes of the network know.
            heartbeat_s: seconds between two reports.
            propagation_s: seconds after which the parent is told of a changed prefix.
        """
        self._family: Final = family
        self._parent: Final = parent
        self._secret: Final = secret
        self._clock: Final = clock
        self._heartbeat: Final = heartbeat_s
        self._propagation: Final = propagation_s
        self._patience: Final = min(CALL_S, max(_LEAST_PATIENCE_S, MISSED_HEARTBEATS * heartbeat_s))
        self._told: dict[str, bytes] = {}
        # What is there at the start is told at once; without a parent nobody is told anything.
        self._changed_at = None if parent is None else clock.now() - propagation_s
        self._is_silent = False
        self._task: Final = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Report no more, and write down what is known."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._save()

    async def _run(self) -> None:
        peer: ControlPeer | None = None
        try:
            while True:
                try:
                    if self._parent is not None:
                        peer = peer or await self._open(self._parent)
                        await self._report(peer)
                    self._is_silent = False
                except (UpstreamError, StoreError) as error:
                    if peer is not None:
                        await peer.close()
                    peer, self._told = None, {}
                    if not self._is_silent:
                        self._is_silent = True
                        _log.warning("%s: no report to the parent: %s", self._name, error)
                await self._save()
                await self._pause()
        finally:
            if peer is not None:
                await peer.close()

    def sync_lag_s(self) -> float | None:
        """Seconds since the prefixes have changed and the parent was not told; None without a
        parent."""
        if self._parent is None:
            return None
        return 0.0 if self._changed_at is None else max(0.0, self._clock.now() - self._changed_at)

    @property
    def _name(self) -> str:
        return self._family.state.name

    async def _open(self, parent: NodeSpec) -> ControlPeer:
        return await ControlPeer.open(
            parent.advertise,
            parent.port,
            name=self._name,
            secret=self._secret,
            timeout=self._patience,
        )

    async def _report(self, peer: ControlPeer) -> None:
        family = self._family
        report = family.report(self._told, self._clock.unix())
        await peer.call("heartbeat", report, timeout=self._patience)
        due_at = None if self._changed_at is None else self._changed_at + self._propagation
        if due_at is not None and self._clock.now() >= due_at:
            self._changed_at = None
            if family.state.delegates:
                rows = await asyncio.to_thread(family.own_routes)
                await peer.call("routes", routes_told(rows), timeout=self._patience)

    async def _pause(self) -> None:
        """Until the next heartbeat is due, or a changed prefix is."""
        wait = self._heartbeat
        if self._changed_at is not None and not self._is_silent:
            wait = min(wait, max(0.0, self._changed_at + self._propagation - self._clock.now()))
        try:
            async with asyncio.timeout(wait):
                await self._family.changed.wait()
                self._family.changed.clear()
                if self._parent is not None:
                    self._changed_at = self._clock.now()
        except TimeoutError:
            return

    async def _save(self) -> None:
        if not self._family.has_news:
            return  # a thread for nothing would cost each process some memory
        try:
            await asyncio.to_thread(self._family.save)
        except StoreError as error:
            _log.warning("%s: figures from below are not written down: %s", self._name, error)
