"""The recorded nodes, once for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.recorded_network import RecordedNetwork


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RecordedNetwork]:
    network = RecordedNetwork()
    async with network.running:
        await network.start(tmp_path_factory.mktemp("recorded"))
        yield network


@pytest.fixture
def nodes(started: RecordedNetwork) -> RecordedNetwork:
    started.forget()
    return started
