"""The network of a run: one that runs already, or one that is started for it and stopped after."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.workloads.model import Workload
from resolver.cluster.launch import launch
from resolver.cluster.state import NetworkState, data_paths, running_network
from resolver.topology.expand import expand
from resolver.topology.load import load_network


@contextmanager
def network_for(
    workload: Workload, data: str, *, start: bool, config: str | None
) -> Iterator[tuple[NetworkState, Path]]:
    """The network and its data folder.

    Args:
        data: folder of the network that runs, without ``start``.
        config: what to start instead of what the workload names.

    Raises:
        NetworkStateError: none runs there, or it does not start.
        ConfigError: there is no such network.
    """
    if not start:
        yield running_network(data_paths(data)), data_paths(data).root
        return
    source = config or workload.population.network
    settings = {"network.base_port": 0, "network.samples": workload.population.items}
    topology = expand(load_network(source, overrides=settings))
    folder = Path(tempfile.mkdtemp(prefix="wuhan-bench-"))
    launched = launch(topology, data_paths(folder), source, detach=True)
    try:
        state = launched.wait_ready(lambda event: None)
    except BaseException:
        launched.stop()  # the folder stays: the reason names a log in it
        raise
    try:
        yield state, folder
    finally:
        launched.stop()
        shutil.rmtree(folder)
