"""What all tests share: pytest's own test bench, the plugin that this package ships, and an end to
tests that do not end."""

import faulthandler
import os
import signal
from collections.abc import Generator
from importlib.metadata import entry_points

import pytest

# Installed, the plugin is there by itself; from a bare checkout it has to be named.
_INSTALLED = any(point.name == "wuhan" for point in entry_points(group="pytest11"))

pytest_plugins = ["pytester"] if _INSTALLED else ["pytester", "resolver.pytest_plugin"]

TEARDOWN_S = 60.0
"""pytest-timeout stops its clock when a test has failed. If what is torn down then waits for what
the test would have done, only the end of the whole run helps."""

_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep what is stderr before tests are captured, and take SIGINT even if a shell has started
    this in the background: what tests interrupt would else be told to ignore it, too."""
    config.stash[_STDERR] = os.dup(2)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_STDERR])


@pytest.fixture(autouse=True)
def all_cores() -> Generator[None, None, None]:
    """A benchmark that is tested here gives the cores back: the rest of the run would have one."""
    before = os.sched_getaffinity(0)
    yield
    after = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before)
    assert after == before


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Say where a teardown hangs, and end the run."""
    file = item.config.stash[_STDERR]
    faulthandler.dump_traceback_later(TEARDOWN_S, exit=True, file=file)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
