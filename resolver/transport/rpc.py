"""The control plane's door: MessagePack-RPC on the node's TCP port.

The first octet of a connection tells it from the Handle protocol (``resolver.wire.rpc``); then the
connection is taken over from ``resolver.transport.tcp``.

Rules: whoever calls proves first, within a few seconds, that they know the network's secret; until
then next to nothing is read from them. Calls of one connection are carried out one after the other
as they come in, and may overlap while they wait.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Collection
from ipaddress import ip_address
from typing import Any, Final, Protocol

from resolver.model.errors import ResolverError, WireError
from resolver.security.handshake import CALLED, CALLER, NONCE_OCTETS, proof_of, proved
from resolver.wire.rpc import MAX_FRAME, Call, Result, RpcReader, encode_result

AUTHENTICATION_S: Final = 5.0
MAX_UNKNOWN_FRAME: Final = 1024
"""Octets read from somebody who has not proved anything."""

MAX_WAITING: Final = 100
"""Calls of one connection that are not answered yet."""


class Control(Protocol):
    """What a node does when another one, or an operator, calls."""

    @property
    def name(self) -> str:
        """The node's name."""

    @property
    def secret(self) -> bytes:
        """What all nodes of the network know."""

    @property
    def private(self) -> Collection[str]:
        """The methods that only callers on this machine may use."""

    def turned_away(self, kind: str, reason: str) -> None:
        """Count and log a connection that is closed for what came over it, ``malformed`` or
        ``unproved``."""

    def call(self, peer: str, method: str, params: list[Any]) -> Any | Awaitable[Any]:
        """The result of ``method``; raises ResolverError if there is none, with the reason."""


class ControlConnection(asyncio.Protocol):
    """One caller's connection."""

    def __init__(self, control: Control) -> None:
        self._control: Final = control
        self._reader = RpcReader(MAX_UNKNOWN_FRAME)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer = ""
        self._nonces = (b"", b"")
        self._is_known = False
        self._is_near = False
        self._waiting: Final[set[asyncio.Task[None]]] = set()

    def take_over(self, transport: asyncio.Transport, data: bytes) -> None:
        """Go on with a connection of which ``data`` has been read."""
        self._transport = transport
        self._is_near = is_near(transport)
        self._timer = asyncio.get_running_loop().call_later(AUTHENTICATION_S, self._too_late)
        transport.set_protocol(self)
        self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the connection is gone."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        for task in self._waiting:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Called by the loop with whatever has arrived."""
        try:
            for frame in self._reader.feed(data):
                if isinstance(frame, Result):
                    raise WireError("a result that nobody asked for")
                self._answer(frame)
        except WireError as error:
            self._control.turned_away("malformed", str(error))
            self.close()

    def close(self) -> None:
        """Close the connection; whoever waits for a result gets none."""
        if self._transport is not None:
            self._transport.close()

    def _answer(self, call: Call) -> None:
        if not self._is_known:
            self._send(self._introduced(call))
            return
        if len(self._waiting) >= MAX_WAITING:
            self._send(Result(call.number, "too many calls wait for their results"))
            return
        if call.method in self._control.private and not self._is_near:
            self._send(Result(call.number, f"{call.method} can be called on this machine only"))
            return
        try:
            value = self._control.call(self._peer, call.method, call.params)
        except ResolverError as error:
            self._send(Result(call.number, str(error)))
            return
        if isinstance(value, Awaitable):
            task = asyncio.get_running_loop().create_task(self._wait(call, value))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            self._send(Result(call.number, None, value))

    def _introduced(self, call: Call) -> Result:
        """One step of the handshake (``resolver.security.handshake``)."""
        control = self._control
        match call.method, call.params:
            case "hello", [str(name), bytes(nonce)] if len(nonce) == NONCE_OCTETS:
                ours = secrets.token_bytes(NONCE_OCTETS)
                self._peer, self._nonces = name, (nonce, ours)
                proof = proof_of(control.secret, CALLED, control.name, nonce, ours)
                return Result(call.number, None, [control.name, ours, proof])
            case "prove", [proof] if self._peer:
                expected = proof_of(control.secret, CALLER, self._peer, *self._nonces)
                if proved(expected, proof):
                    self._is_known = True
                    self._reader = RpcReader(MAX_FRAME)
                    if self._timer is not None:
                        self._timer.cancel()
                    return Result(call.number, None, True)
        control.turned_away("unproved", "no proof of the network's secret")
        asyncio.get_running_loop().call_soon(self.close)
        return Result(call.number, "prove first that you know the network's secret")

    async def _wait(self, call: Call, value: Awaitable[Any]) -> None:
        try:
            self._send(Result(call.number, None, await value))
        except ResolverError as error:
            self._send(Result(call.number, str(error)))

    def _send(self, result: Result) -> None:
        if self._transport is not None:
            self._transport.write(encode_result(result))

    def _too_late(self) -> None:
        self._control.turned_away("unproved", "no proof within a few seconds")
        self.close()


def is_near(transport: asyncio.BaseTransport) -> bool:
    """Whether who is connected is on this machine: at a loopback address, or at the one that it
    has called."""
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if not peer or not own:
        return False
    return bool(peer[0] == own[0]) or ip_address(peer[0]).is_loopback
