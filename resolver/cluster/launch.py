"""Starting and stopping a network from another process: what ``wuhan up`` and ``down`` do, and what
the pytest fixture does."""

import json
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from resolver.cluster.names import with_addresses
from resolver.cluster.order import Order
from resolver.cluster.state import NetworkState, read_state
from resolver.model.errors import NetworkStateError
from resolver.server.keys import take_key
from resolver.topology.plan import DataPaths, Topology

STOP_TIMEOUT_S: Final = 15.0
"""Longer than the supervisor's own grace and kill together."""


class Launched:
    """A supervisor that was started here."""

    def __init__(self, process: "subprocess.Popen[bytes]", data: DataPaths) -> None:
        self._process: Final = process
        self._data: Final = data

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def events(self) -> Iterator[Mapping[str, Any]]:
        """What the supervisor tells, until it ends or this end is closed."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def wait_ready(self, on_event: Callable[[Mapping[str, Any]], None]) -> NetworkState:
        """Wait until every node is ready.

        Raises:
            NetworkStateError: the network cannot start; the text says why.
        """
        last_death: Mapping[str, Any] | None = None
        for event in self.events():
            on_event(event)
            match event["event"]:
                case "refused":
                    self._process.wait()
                    raise NetworkStateError(event["reason"])
                case "died":
                    last_death = event
                    if event["deaths"] >= _HOPELESS_AFTER:
                        self.stop()
                        raise NetworkStateError(_why(event))
                case "all-ready":
                    state = read_state(self._data)
                    if state is not None:
                        return state
        status = self._process.wait()
        raise NetworkStateError(
            _why(last_death) if last_death else f"the supervisor ended with status {status}"
        )

    def let_go(self) -> None:
        """Listen no more; the network goes on."""
        if self._process.stdout is not None:
            self._process.stdout.close()

    def stop(self) -> None:
        """Stop the network and wait until it has ended.

        Raises:
            NetworkStateError: it does not end.
        """
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        self.let_go()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise _does_not_end(self.pid) from None


_HOPELESS_AFTER: Final = 3
"""Deaths in a row, before everything was ready at all, after which a start is given up."""


def launch(topology: Topology, data: DataPaths, source: str, *, detach: bool) -> Launched:
    """Start the supervisor of ``topology`` in an interpreter of its own.

    Args:
        source: the configuration's name, for messages.
        detach: in a session of its own, so that it outlives this terminal.

    Raises:
        ConfigError: a node's name has no address, or the network's key cannot be read.
    """
    topology = with_addresses(topology)
    if topology.key:
        take_key(Path(topology.key), data.network_key)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "resolver.cluster.run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if not detach else subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        pickle.dump(Order(topology, data, source), process.stdin)
        process.stdin.close()
    return Launched(process, data)


def stop_network(state: NetworkState) -> None:
    """Stop a running network and wait until its supervisor has ended.

    Raises:
        NetworkStateError: it does not end.
    """
    try:
        supervisor = os.pidfd_open(state.pid)
    except ProcessLookupError:
        return
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(supervisor, signal.SIGTERM)
        # It has ended when it is a zombie: in a container nobody may ever take note of that.
        if not select.select([supervisor], [], [], STOP_TIMEOUT_S)[0]:
            raise _does_not_end(state.pid)
    finally:
        os.close(supervisor)


def _does_not_end(pid: int) -> NetworkStateError:
    return NetworkStateError(
        f"the supervisor (process {pid}) does not end; see its log, or kill it"
    )


def _why(death: Mapping[str, Any]) -> str:
    return (
        f"the process of {', '.join(death['nodes'][:3])} {death['how']} while starting; "
        f"see {death['log']}"
    )
