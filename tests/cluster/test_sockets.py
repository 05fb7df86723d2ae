"""All ports are bound, or none."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resolver.cluster.sockets import bind_all, close_all
from resolver.model.errors import NetworkStateError
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import NodeSockets, Topology

NODE = """
[[node]]
name = "{name}"
role = "root"
port = {port}
http_port = {http}
bind = {bind}
workers = {workers}
"""

Bound = tuple[Topology, dict[str, tuple[NodeSockets, ...]], list[str]]
Bind = Callable[..., Bound]


@pytest.fixture
def bind(tmp_path: Path) -> Iterator[Bind]:
    """Binds the nodes of a network file made of rows of ``NODE``."""
    bound: list[NodeSockets] = []

    def bind(*rows: dict) -> Bound:
        path = tmp_path / "network.toml"
        text = "".join(
            NODE.format(**{"bind": '["127.0.0.1"]', "workers": 1, **row}) for row in rows
        )
        path.write_text(text, encoding="utf-8")
        topology, sockets, notices = bind_all(expand(load_network(str(path), environ={})))
        bound.extend(worker for workers in sockets.values() for worker in workers)
        return topology, sockets, notices

    yield bind
    close_all(bound)


def test_a_free_port_is_the_same_for_udp_and_tcp_on_all_addresses(bind: Bind):
    topology, sockets, _ = bind(
        {"name": "root", "port": 0, "http": 0, "bind": '["127.0.0.1", "127.0.0.2"]'}
    )
    node = topology.node("root")
    assert node.port not in (0, node.http_port)
    found = [(sock.type, sock.getsockname()) for sock in sockets["root"][0].all()]
    assert sorted(found) == sorted(
        [
            (kind, (address, port))
            for address in ("127.0.0.1", "127.0.0.2")
            for kind, port in (
                (socket.SOCK_STREAM, node.port),
                (socket.SOCK_DGRAM, node.port),
                (socket.SOCK_STREAM, node.http_port),
            )
        ]
    )


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_is_taken(bind: Bind, kind: int):
    with socket.socket(socket.AF_INET, kind) as taken, socket.socket() as spare:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        spare.bind(("127.0.0.1", 0))
        port, free = taken.getsockname()[1], spare.getsockname()[1]
        spare.close()
        with pytest.raises(NetworkStateError, match=f"port {port} of node second is in use"):
            bind(
                {"name": "first", "port": 0, "http": free},
                {"name": "second", "port": port, "http": 0},
            )
        # What was bound before is free again.
        with socket.create_server(("127.0.0.1", free)):
            pass


def test_a_port_that_may_not_be_bound(bind: Bind):
    # No process may bind an address that is not its machine's.
    with pytest.raises(NetworkStateError, match="none of its addresses is available"):
        bind({"name": "root", "port": 0, "http": 0, "bind": '["192.0.2.1"]'})


def test_an_address_that_is_missing_is_left_out_with_a_notice(bind: Bind):
    _, sockets, notices = bind(
        {"name": "root", "port": 0, "http": 0, "bind": '["127.0.0.1", "192.0.2.1"]'}
    )
    assert notices == ["192.0.2.1 is not available on this machine and is left out"]
    assert len(sockets["root"][0].all()) == 3


def test_processes_of_a_node_share_its_ports(bind: Bind):
    topology, sockets, _ = bind({"name": "root", "port": 0, "http": 0, "workers": 3})
    node = topology.node("root")
    assert len(sockets["root"]) == 3
    for worker in sockets["root"]:
        assert [sock.getsockname()[1] for sock in worker.all()] == [node.port] * 2 + [
            node.http_port
        ]
        assert all(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for sock in worker.all())


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_others_share_is_taken(bind: Bind, kind: int):
    with socket.socket(socket.AF_INET, kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NetworkStateError, match=f"port {port} of node root is in use"):
            bind({"name": "root", "port": port, "http": 0, "workers": 2})
