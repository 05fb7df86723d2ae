"""Calls to the nodes of a running network over the control plane, as its operator."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from resolver.cluster.state import NetworkState, NodeState
from resolver.model.errors import RefusedError, ResolverError
from resolver.server.keys import load_or_make_key
from resolver.topology.plan import DataPaths
from resolver.upstream.control import CALL_S, CallError, ControlPeer

OPERATOR: Final = "operator"
"""What the journal calls who uses a command."""


def secret_of(paths: DataPaths) -> bytes:
    """What callers have to know."""
    return load_or_make_key(paths.network_key).control_secret()


async def call(
    node: NodeState, secret: bytes, method: str, *params: Any, timeout: float = CALL_S
) -> Any:
    """The result of ``method`` at ``node``, within ``timeout`` seconds.

    Raises:
        RefusedError: the node says no.
        UpstreamError: it does not answer.
    """
    peer = await ControlPeer.open(
        node.address, node.port, name=OPERATOR, secret=secret, timeout=timeout
    )
    try:
        return await peer.call(method, *params, timeout=timeout)
    except CallError as error:
        raise RefusedError(f"{node.name}: {error}") from None
    finally:
        await peer.close()


async def call_all(
    nodes: Sequence[NodeState], secret: bytes, method: str, *params: Any, timeout: float = CALL_S
) -> list[Any]:
    """The results at all ``nodes``, asked at once: in their order, with an error in the place of
    the result where a node did not answer."""

    async def one(node: NodeState) -> Any:
        try:
            return await call(node, secret, method, *params, timeout=timeout)
        except ResolverError as error:
            return error

    return list(await asyncio.gather(*map(one, nodes)))


def running_nodes(state: NetworkState, names: Sequence[str]) -> list[NodeState]:
    """The nodes of these names; all, if there are none.

    Raises:
        ConfigError: there is no such node.
    """
    return [state.node(name) for name in names] if names else list(state.nodes)
