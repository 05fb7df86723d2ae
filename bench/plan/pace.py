"""How fast the machine is just now.

On a machine that others use too, the same work takes 30 or 40 % more CPU in one minute than in
another: neighbours share caches, memory and the two halves of a core. So every measurement has a
fixed piece of work beside it, on the core of the node, which is like a node's own: a datagram to
itself, a request decoded and encoded. Costs are told at the calibration's pace, and predictions for
a run made at the pace of that run.
"""

import os
import socket
import time
from typing import Final

from bench.machine import client_core, keep_on, server_core
from bench.speech import handle_request
from resolver.wire.message import decode_request, encode_message

_TIMES: Final = 1_500
_ROOM: Final = 4096


def pace() -> float:
    """Microseconds of CPU for one piece of the work. The process is on the clients' core then."""
    octets = handle_request("88.901.1/000001").octets
    keep_on(os.getpid(), {server_core()})
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            other.bind(("127.0.0.1", 0))
            one.connect(other.getsockname())
            before = time.process_time()
            for _ in range(_TIMES):
                one.send(octets)
                encode_message(decode_request(other.recv(_ROOM)))
            return (time.process_time() - before) / _TIMES * 1e6
    finally:
        keep_on(os.getpid(), {client_core()})
