"""The Locust file: ``locust -f bench/locustfile.py``, with its web interface or ``--headless``.

The users are the client applications of the workload that WUHAN_WORKLOAD names (a name or a TOML
file; ``enterprise`` if it is not set), and ask the network that runs in the folder WUHAN_DATA
(``.wuhan``), or else, in other containers, the one that WUHAN_CONFIG names. Start one with
``wuhan up``. ``wuhan bench run`` runs this file by itself.
"""

import os
import sys
from typing import Any

from locust import events
from locust.env import Environment

from bench.target import load_target
from bench.users.build import user_classes
from bench.users.feed import feed_of
from bench.workloads.model import DEFAULT, VARIABLE, load_workload
from resolver.model.errors import ResolverError


def _begin(environment: Environment, **_: object) -> None:
    """Make the feed before there are users, so that it knows when the test starts."""
    feed_of(environment)


hooks: Any = events
hooks.init.add_listener(_begin)
try:
    classes = user_classes(load_workload(os.environ.get(VARIABLE) or DEFAULT), load_target())
except ResolverError as error:
    sys.exit(f"error: {error}")
globals().update(classes)
