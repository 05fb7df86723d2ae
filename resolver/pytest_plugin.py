"""The pytest plugin that comes with this package: real nodes for a user's tests.

The fixture ``wuhan_network`` starts a network once per test session, on free ports and in a folder
of its own, and stops it at the end. Which one: ``--wuhan-config``, else ``wuhan_config`` of the
ini file, else ``minimal``; a preset or a TOML file. It takes passwords over plain HTTP: it is on
this machine only, and clients under test should be able to change records.

Rules: pytest imports this module in every run of everybody who has installed the package, so it
imports nothing dear at the top; what the fixture needs is imported when it is used. The network
runs in an interpreter of its own: forking out of a process that runs other people's threads and
event loops is not safe.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from resolver.model.address import format_address

if TYPE_CHECKING:
    from resolver.client import Record
    from resolver.cluster.state import NetworkState

DEFAULT_CONFIG: Final = "minimal"

_IMPORT_TIMEOUT_S: Final = 60

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunningNode:
    """Where one node answers.

    Attributes:
        prefix: whose identifiers or sub-prefixes it holds; empty for root and recursive nodes.
        host, port: of the Handle protocol, over UDP and TCP.
        http_url: base of its HTTP API, without a slash at the end.
    """

    name: str
    role: str
    prefix: str
    host: str
    port: int
    http_url: str

    @property
    def server(self) -> str:
        """``host:port``, as clients and ``wuhan resolve --server`` take it."""
        return format_address(self.host, self.port)


class WuhanNetwork:
    """A running network of identifier nodes."""

    def __init__(self, data: Path) -> None:
        self.data: Final = data

    @property
    def nodes(self) -> dict[str, RunningNode]:
        """All nodes by name."""
        return {
            node.name: RunningNode(
                node.name,
                node.role,
                node.prefix,
                node.address,
                node.port,
                f"http://{format_address(node.address, node.http_port)}",
            )
            for node in self._state().nodes
        }

    def node(self, name: str) -> RunningNode:
        """The node called ``name``; raises KeyError if there is none."""
        return self.nodes[name]

    @property
    def recursive(self) -> RunningNode:
        """The node that resolves everything: where a client is pointed to."""
        return next(node for node in self.nodes.values() if node.role == "recursive")

    @property
    def environ(self) -> dict[str, str]:
        """The environment for a subprocess whose ``wuhan`` commands are to mean this network."""
        return {**os.environ, "WUHAN_DATA": str(self.data)}

    def resolve(
        self,
        handle: str,
        *,
        types: tuple[str, ...] = (),
        indexes: tuple[int, ...] = (),
        authoritative: bool = False,
        timeout: float = 5.0,
    ) -> "Record":
        """The record of ``handle``, resolved through the recursive node, from a test without an
        event loop or with one.

        Raises:
            resolver.client.NotFound: there is no such handle, or none of the values asked for.
            resolver.client.ResolutionError: the answer is another code.
            resolver.model.errors.UpstreamError: nobody answers within ``timeout`` seconds.
        """
        from resolver.client import Client

        async def ask() -> "Record":
            async with Client(self.recursive.server, timeout=timeout) as client:
                return await client.resolve(
                    handle, types=types, indexes=indexes, authoritative=authoritative
                )

        return _run(ask())

    def import_records(self, records: Iterable[str | Mapping[str, Any]]) -> None:
        """Put records into the nodes that hold their prefixes, replacing those that are there.

        What the recursive node has cached of them it keeps for its time; a name not asked for
        before, or ``resolve(…, authoritative=True)``, is answered anew.

        Args:
            records: as JSON text, or as what it would decode to:
                ``{"handle": "88.901.1/x", "values": [{"index": 1, "type": "URL", "data": …}]}``.

        Raises:
            ValueError: a record was not taken; the others were. The text has the reasons.
        """
        lines = [
            record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
            for record in records
        ]
        done = subprocess.run(
            [sys.executable, "-m", "resolver.cli.main", "import", "-"],
            input="\n".join(lines) + "\n",
            env=self.environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_IMPORT_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise ValueError(done.stderr.strip() or done.stdout.strip())

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Within it, the node called ``name`` answers nothing, and neither do the nodes that share
        its process; what is sent to them meanwhile is answered afterwards."""
        pids = self._state().node(name).pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def fault(
        self,
        name: str,
        *faults: str,
        match: str = "",
        after: int = 0,
        times: int = 0,
        seed: int = 0,
    ) -> Iterator["FaultInForce"]:
        """Within it, requests to the node called ``name`` meet a fault; how many did, the object
        tells. All as in ``wuhan fault add``.

        Args:
            faults: one or more of ``delay=50ms``, ``error=3``, ``drop=5%``, ``garbage``, ``hang``,
                ``stop``, ``disk=200ms``, ``chance=10%``.
            match: only requests for this identifier, or for this prefix and what is below it.
            after: so many of these are let through first.
            times: so many are affected then; 0 is no limit.
            seed: of what happens by chance: the same requests meet the same fate.

        Raises:
            resolver.model.errors.ConfigError: there is no such fault or node.
        """
        from resolver.server.fault_texts import fault_from, fault_to_document

        fault = fault_from(faults, match=match, after=after, times=times, seed=seed)
        number = self._call(name, "fault.add", fault_to_document(fault))
        try:
            yield FaultInForce(self, name, number)
        finally:
            self._call(name, "fault.clear", number)

    def _call(self, name: str, method: str, *params: object) -> Any:
        """The result of a call over the control plane of a node."""
        from resolver.cluster.calls import call, secret_of
        from resolver.cluster.state import data_paths

        secret = secret_of(data_paths(self.data))
        return _run(call(self._state().node(name), secret, method, *params))

    def _state(self) -> "NetworkState":
        from resolver.cluster.state import data_paths, running_network

        return running_network(data_paths(self.data))


@dataclass(frozen=True, slots=True)
class FaultInForce:
    """A fault at a node, as long as it is in force."""

    network: WuhanNetwork
    node: str
    number: int

    @property
    def matched(self) -> int:
        """Requests that it was meant for, so far."""
        return int(self._row()["asked"])

    @property
    def affected(self) -> int:
        """Requests that it has affected."""
        return int(self._row()["met"])

    def _row(self) -> dict[str, Any]:
        rows = self.network._call(self.node, "fault.list")
        return next(row for row in rows if row["number"] == self.number)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, whether an event loop runs here or not."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which network ``wuhan_network`` is to be."""
    meaning = f"network that wuhan_network starts: {DEFAULT_CONFIG}, wuhan or a TOML file"
    group = parser.getgroup("wuhan", "a local network of identifier nodes")
    group.addoption("--wuhan-config", metavar="NAME|FILE", help=meaning)
    parser.addini("wuhan_config", help=meaning, default=DEFAULT_CONFIG)


@pytest.fixture(scope="session")
def wuhan_network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WuhanNetwork]:
    """A running network of identifier nodes (WuhanNetwork), the same for the whole session."""
    from resolver.cluster.launch import launch
    from resolver.cluster.state import data_paths
    from resolver.model.errors import ResolverError
    from resolver.topology.expand import expand
    from resolver.topology.load import load_network

    source = request.config.getoption("--wuhan-config") or request.config.getini("wuhan_config")
    from_root = request.config.rootpath / source
    if from_root.is_file():
        source = str(from_root)
    launched = None
    try:
        overrides = {"network.base_port": 0, "network.plain_passwords": True}
        topology = expand(load_network(source, overrides=overrides))
        data = data_paths(tmp_path_factory.mktemp("wuhan"))
        launched = launch(topology, data, source, detach=True)
        launched.wait_ready(lambda event: None)
        launched.let_go()
        yield WuhanNetwork(data.root)
    except ResolverError as error:
        pytest.fail(f"wuhan_network: {error}", pytrace=False)
    finally:
        if launched is not None:
            launched.stop()
