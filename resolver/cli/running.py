"""A running network as commands see it that call its nodes over the control plane."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from resolver.cluster.calls import call, call_all, running_nodes, secret_of
from resolver.cluster.state import NetworkState, NodeState, data_paths, running_network
from resolver.upstream.control import CALL_S


class RunningNetwork:
    """The network that runs in a data folder."""

    def __init__(self, data: str) -> None:
        """
        Raises:
            NetworkStateError: none does.
        """
        paths = data_paths(data)
        self.state: Final[NetworkState] = running_network(paths)
        self._secret: Final = secret_of(paths)

    def of_role(self, role: str) -> list[NodeState]:
        """The nodes of a tier."""
        return [node for node in self.state.nodes if node.role == role]

    def named(self, names: Sequence[str]) -> list[NodeState]:
        """The nodes of these names; all, if there are none.

        Raises:
            ConfigError: there is no such node.
        """
        return running_nodes(self.state, names)

    def call(self, node: NodeState, method: str, *params: Any, timeout: float = CALL_S) -> Any:
        """The result of ``method`` at ``node``, within ``timeout`` seconds.

        Raises:
            RefusedError: the node says no.
            UpstreamError: it does not answer.
        """
        return asyncio.run(call(node, self._secret, method, *params, timeout=timeout))

    def call_all(
        self, nodes: Sequence[NodeState], method: str, *params: Any, timeout: float = CALL_S
    ) -> list[Any]:
        """The results at all ``nodes``; an error in the place of one that did not come."""
        return asyncio.run(call_all(nodes, self._secret, method, *params, timeout=timeout))
