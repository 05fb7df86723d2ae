"""A running network as commands see it that call its nodes over the control plane."""

import asyncio
from typing import Any, Final

from resolver.cluster.state import NetworkState, NodeState, data_paths, running_network
from resolver.model.errors import RefusedError
from resolver.server.keys import load_or_make_key
from resolver.upstream.control import CALL_S, CallError, ControlPeer

OPERATOR: Final = "operator"
"""What the journal calls who uses a command."""


class RunningNetwork:
    """The network that runs in a data folder."""

    def __init__(self, data: str) -> None:
        """
        Raises:
            NetworkStateError: none does.
        """
        paths = data_paths(data)
        self.state: Final[NetworkState] = running_network(paths)
        self._secret: Final = load_or_make_key(paths.network_key).control_secret()

    def of_role(self, role: str) -> list[NodeState]:
        """The nodes of a tier."""
        return [node for node in self.state.nodes if node.role == role]

    def call(self, node: NodeState, method: str, *params: Any, timeout: float = CALL_S) -> Any:
        """The result of ``method`` at ``node``, within ``timeout`` seconds.

        Raises:
            RefusedError: the node says no.
            UpstreamError: it does not answer.
        """
        return asyncio.run(self._call(node, method, params, timeout))

    async def _call(
        self, node: NodeState, method: str, params: tuple[Any, ...], timeout: float
    ) -> Any:
        peer = await ControlPeer.open(node.address, node.port, name=OPERATOR, secret=self._secret)
        try:
            return await peer.call(method, *params, timeout=timeout)
        except CallError as error:
            raise RefusedError(f"{node.name}: {error}") from None
        finally:
            await peer.close()
