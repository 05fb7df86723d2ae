"""What the tests of the upstreams share: both event loops, and servers of foreign make."""

from collections.abc import AsyncIterator

import pytest

from tests.transport.loops import pytest_asyncio_loop_factories, tidy
from tests.upstream.foreign import Foreign

__all__ = ["pytest_asyncio_loop_factories", "tidy"]


@pytest.fixture
async def foreign() -> AsyncIterator[Foreign]:
    """Somebody else's servers, closed at the end."""
    servers = Foreign()
    yield servers
    await servers.close()
