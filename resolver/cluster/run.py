"""The supervisor's own program: ``python -m resolver.cluster.run``.

Started by ``wuhan up`` with a pickled ``Order`` on its standard input, in an interpreter that has
imported nothing but what nodes need; says what happens as JSON lines on its standard output.
"""

import logging
import os
import pickle
import signal
import sys
from functools import partial
from typing import Final

from resolver.cluster.order import Order
from resolver.cluster.sockets import bind_all
from resolver.cluster.state import hold, new_state, write_state, write_targets
from resolver.cluster.supervisor import Supervisor, emit_to
from resolver.console.pages import console_of
from resolver.model.errors import NetworkStateError, ResolverError
from resolver.server.host import run_host
from resolver.server.keys import load_or_make_key
from resolver.server.traces import check_packages
from resolver.topology.plan import DataPaths

_log: Final = logging.getLogger(__name__)


def main() -> int:
    """Run the network ordered on standard input; the exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    order: Order = pickle.load(sys.stdin.buffer)
    emit = emit_to(os.dup(sys.stdout.fileno()))
    try:
        check_packages(order.topology.traces)
        order.data.log("").parent.mkdir(parents=True, exist_ok=True)
        lock = hold(order.data)
        logging.basicConfig(
            filename=order.data.log("supervisor"),
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(message)s",
        )
        _make_key(order.data)
        for counters in order.data.all_counters():
            # A network that starts counts anew; a process of it that is started again goes on.
            counters.unlink(missing_ok=True)
        for faults in order.data.all_faults():
            faults.unlink(missing_ok=True)
        topology, sockets, notices = bind_all(order.topology)
    except ResolverError as error:
        emit({"event": "refused", "reason": str(error)})
        return 1
    except OSError as error:
        reason = f"the data folder cannot be used: {error.filename}: {error.strerror}"
        emit({"event": "refused", "reason": reason})
        return 1
    for notice in notices:
        emit({"event": "notice", "text": notice})
    state = new_state(topology, order.source)
    write_state(order.data, state)
    write_targets(order.data, topology)
    host = partial(run_host, pages=console_of)
    Supervisor(topology, sockets, order.data, state, host, emit).run()
    os.close(lock)
    return 0


def _make_key(data: DataPaths) -> None:
    """Make the network's key if there is none: here and not by a dozen processes at a time, but in
    a child, so that the library it takes is not part of every node's memory.

    Raises:
        NetworkStateError: it cannot be made or read.
    """
    child = os.fork()
    if child == 0:
        try:
            load_or_make_key(data.network_key)
        except (ResolverError, OSError):
            _log.exception("the network's key")
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise NetworkStateError(
            f"the key {data.network_key} can neither be read nor made; see {data.log('supervisor')}"
        )


if __name__ == "__main__":
    sys.exit(main())
