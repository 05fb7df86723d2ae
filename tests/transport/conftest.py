"""What the tests of the doors share: both event loops, a real node, and a service that echoes."""

from collections.abc import AsyncIterator

import pytest

from resolver.model.value import HandleValue
from resolver.node.node import Node
from resolver.node.state import NodeState
from resolver.server.clock import SystemClock
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.upstream.exchange import Upstream
from resolver.wire.values import ValueList
from tests.support.nodes import node_state
from tests.transport.echo import SITE, Echo
from tests.transport.loops import pytest_asyncio_loop_factories, tidy

__all__ = ["pytest_asyncio_loop_factories", "tidy"]


@pytest.fixture
def state() -> NodeState:
    """The state of an enterprise node with a small record and one longer than a datagram."""
    large = [HandleValue(n, "NOTE", b"x" * 1000, timestamp=1) for n in range(1, 4)]
    return node_state(
        "works",
        "enterprise",
        SITE,
        homes=["88.901.1"],
        records=[
            ("88.901.1/motor", ValueList.of([HandleValue(1, "URL", b"https://e.com/")])),
            ("88.901.1/large", ValueList.of(large)),
        ],
    )


@pytest.fixture
async def node(state: NodeState) -> AsyncIterator[NodeService]:
    """The node itself."""
    upstream = Upstream()
    service = NodeService(Node(state, ROLES["enterprise"].chain), upstream, SystemClock())
    yield service
    await service.close()
    await upstream.close()


@pytest.fixture
def echo() -> Echo:
    """A service that gives back what it gets."""
    return Echo()
