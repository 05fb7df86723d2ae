"""What a node does for other nodes and for operators, over the control plane.

    heartbeat [report]            a child lives, and what it has counted (``Report``)
    routes [rows]                 the prefixes below a child, which it delegates or hosts
    children []                   who reports here, and when they last did
    target []                     how many resolutions the tree has made so far (``progress``)
    prefix.list []                the prefixes below this node and the applications for more
    prefix.apply [application]    somebody wants one
    prefix.approve [prefix]
    prefix.reject [prefix, reason]
    log.level [level]             from now on, in all processes of the node; what it was before

and what ``resolver.server.caches`` and ``resolver.server.faults`` do.

Rules: who calls has proved that they belong to the network, and may do all of it. Parameters are
checked here; a refusal is a text that says what is wrong.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from resolver.model.errors import RefusedError
from resolver.node.state import NodeState
from resolver.registry import applications
from resolver.registry.applications import application_from
from resolver.server.clock import Clock
from resolver.server.family import Family, report_from, routes_from
from resolver.server.notes import Notes
from resolver.server.progress import Progress

Method = Callable[[str, list[Any]], Any | Awaitable[Any]]


class NodeControl:
    """The control plane of one node (``resolver.transport.rpc.Control``)."""

    def __init__(
        self,
        state: NodeState,
        family: Family,
        secret: bytes,
        clock: Clock,
        more: Mapping[str, Method] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """
        Args:
            family: the node's children.
            progress: how far the tree below the node is, if somebody has added that up already.
            secret: what all nodes of the network know.
            more: further methods.
        """
        self.name: Final = state.name
        self.secret: Final = secret
        self.private: Final = frozenset({"fault.add", "fault.list", "fault.clear"})
        self._state: Final = state
        self._family: Final = family
        self._progress: Final = progress or Progress(family, clock)
        self._clock: Final = clock
        self._notes: Final = Notes(state.name, logging.INFO)
        self._methods: Final[dict[str, Method]] = {
            "heartbeat": self._heartbeat,
            "routes": self._routes,
            "children": self._children,
            "target": self._target,
            "prefix.list": self._list,
            "prefix.apply": self._apply,
            "prefix.approve": self._approve,
            "prefix.reject": self._reject,
            **(more or {}),
        }

    def turned_away(self, kind: str, reason: str) -> None:
        """See ``Control``."""
        self._state.counters.rejected("control", kind)
        self._notes.note(f"closed a control connection: {reason}", self._clock.now())

    def call(self, peer: str, method: str, params: list[Any]) -> Any | Awaitable[Any]:
        """See ``Control``."""
        known = self._methods.get(method)
        if known is None:
            raise RefusedError(
                f"{method!r} is no method; known: {', '.join(sorted(self._methods))}"
            )
        return known(peer, params)

    def _heartbeat(self, peer: str, params: list[Any]) -> bool:
        report = report_from(_one(params))
        self._family.heard(peer, report, self._clock.now(), self._clock.unix())
        return True

    def _routes(self, peer: str, params: list[Any]) -> Awaitable[bool]:
        rows = routes_from(_one(params))
        return asyncio.to_thread(self._family.learn_routes, peer, rows, self._clock.unix())

    def _children(self, peer: str, params: list[Any]) -> list[dict[str, Any]]:
        return [asdict(child) for child in self._family.children(self._clock.now())]

    def _target(self, peer: str, params: list[Any]) -> Awaitable[dict[str, Any]]:
        return asyncio.to_thread(self._progress.told)

    def _list(self, peer: str, params: list[Any]) -> Awaitable[list[dict[str, Any]]]:
        return asyncio.to_thread(self._rows)

    def _rows(self) -> list[dict[str, Any]]:
        figures = self._progress.by_prefix()
        rows = []
        for row in applications.prefixes(self._state):
            counted = figures.get(row.prefix.upper())
            known = {} if counted is None else {"figures": asdict(counted)}
            rows.append({**asdict(row), "node": self.name, **known})
        rows += self._family.known_below()
        return rows

    def _apply(self, peer: str, params: list[Any]) -> Awaitable[bool]:
        application = application_from(_one(params))
        return asyncio.to_thread(self._applied, application)

    def _applied(self, application: applications.Application) -> bool:
        applications.applied(self._state, application, self._clock.unix())
        return True

    async def _approve(self, peer: str, params: list[Any]) -> dict[str, Any]:
        match params:
            case [str(prefix)]:
                unix = self._clock.unix()
                row = await asyncio.to_thread(
                    applications.approved, self._state, prefix, peer, unix
                )
                self._family.changed.set()
                return asdict(row)
        raise RefusedError("one prefix is expected")

    async def _reject(self, peer: str, params: list[Any]) -> bool:
        match params:
            case [str(prefix), str(reason)]:
                unix = self._clock.unix()
                await asyncio.to_thread(applications.rejected, self._state, prefix, reason, unix)
                return True
        raise RefusedError("a prefix and a reason are expected")


def _one(params: list[Any]) -> Any:
    if len(params) != 1:
        raise RefusedError(f"{len(params)} parameters, one is expected")
    return params[0]
