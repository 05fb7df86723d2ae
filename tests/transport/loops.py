"""For everything that lives on an event loop: which loops, and what a test leaves of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Nodes run on uvloop, clients and pytest's plugin on asyncio's own loop."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    """No callback of the loop raises, and no task stays behind."""
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    before = asyncio.all_tasks()
    yield
    assert troubles == []
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}
