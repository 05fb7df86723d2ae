"""Kills a node again and again while clients register, and looks at what is left.

Two real nodes run in a process of their own, a secondary one and an enterprise below it. Four
clients create, modify and delete records over logged-in connections, many requests in flight. At a
random moment the process is killed with SIGKILL. Then, with the store opened as it was left:

- every acknowledged change is there;
- a change that was under way is there wholly or not at all;
- the journal has no gap, and its last entry on each record tells what the record is;
- the figures count as many records as there are.

Run by itself it prints what it saw as JSON: ``python -m tests.live.chaos --kills 1000``.
"""

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

from resolver.cluster.sockets import bind_all
from resolver.cluster.state import data_paths
from resolver.model.codes import OpCode, ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.server.host import run_host
from resolver.storage import Figures, NodeStore, open_store
from resolver.storage.ledger import checksum_of
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import HostPlan, NodeSockets, Topology
from resolver.wire.bodies import Body, HandleRequest, RecordRequest, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.stream import FrameReader
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList

NODE, PARENT = "88.901.1", "optics"
USER, INDEX, PASSWORD = "88.901.1/ADMIN", 301, "SAMPLE-NOT-SECRET-88.901.1"
CLIENTS: Final = 4
SLOTS: Final = 40
"""Records of each client."""

READY_S: Final = 20.0
ID_POINTER: Final = Envelope((2, 10), (2, 11))
_ADMIN: Final = [
    HandleValue(100, "HS_ADMIN", encode_admin(AdminRecord(AdminRight.ALL, USER, INDEX)))
]


@dataclass
class Client:
    """One client's records, as far as it was told: the text of each, or None if there is none."""

    number: int
    random: Random
    told: dict[str, str | None] = field(default_factory=dict)
    under_way: dict[str, str | None] = field(default_factory=dict)
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.told = {f"{NODE}/chaos-{self.number}-{slot}": None for slot in range(SLOTS)}

    def work(self, port: int, at_work: threading.Barrier) -> None:
        """Change records until the connection breaks."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=READY_S) as connection:
                replies = _replies(connection)
                login = ResolveRequest(USER, (INDEX,), (PASSWORD,))
                connection.sendall(_message(OpCode.LOGIN_PASSWORD, login))
                if next(replies).response_code != ResponseCode.SUCCESS:
                    self.refused.append("login")
                at_work.wait(READY_S)
                while not self.refused:
                    self._window(connection, replies)
        except (OSError, StopIteration):
            return  # killed

    def _window(self, connection: socket.socket, replies: Iterator[Message]) -> None:
        chosen = self.random.sample(sorted(self.told), self.random.randint(1, 16))
        self.under_way = {handle: self._next(self.told[handle]) for handle in chosen}
        requests = [self._request(handle, after) for handle, after in self.under_way.items()]
        connection.sendall(b"".join(requests))
        for handle, after in list(self.under_way.items()):
            reply = next(replies)
            if reply.response_code != ResponseCode.SUCCESS:
                self.refused.append(f"{handle}: {reply.response_code} {reply.body}")
                continue
            self.told[handle] = after
            del self.under_way[handle]
            self.acknowledged += 1

    def _next(self, before: str | None) -> str | None:
        if before is not None and self.random.random() < 0.4:
            return None
        return f"{self.random.getrandbits(64):x} " * self.random.randint(1, 100)

    def _request(self, handle: str, after: str | None) -> bytes:
        if after is None:
            return _message(OpCode.DELETE_HANDLE, HandleRequest(handle))
        operation = OpCode.CREATE_HANDLE if self.told[handle] is None else OpCode.MODIFY_VALUE
        admin = _ADMIN if operation == OpCode.CREATE_HANDLE else []
        value = HandleValue(1, "DESC", after.encode())
        return _message(operation, RecordRequest(handle, ValueList.of([value, *admin])))


@dataclass
class Journal:
    """What the journal has said so far."""

    last: int = 0
    checksums: dict[str, int | None] = field(default_factory=dict)

    def read_on(self, store: NodeStore) -> list[str]:
        """Take the new entries in; what is wrong with them."""
        wrong = []
        for entry in store.entries(self.last):
            if entry.number != self.last + 1:
                wrong.append(f"after entry {self.last} comes {entry.number}")
            self.last = entry.number
            self.checksums[entry.handle] = entry.checksum
        return wrong


def torment(kills: int, seed: int, folder: Path) -> dict[str, object]:
    """Kill the nodes so many times; what happened, and under ``wrong`` what must not."""
    random = Random(seed)
    topology, sockets = _bound()
    clients = [Client(number, Random(seed * 1000 + number)) for number in range(CLIENTS)]
    journal, wrong, in_flight = Journal(), [], 0
    paths = data_paths(folder)
    before = 0
    for kill in range(kills):
        pid = _fork(HostPlan(topology, (PARENT, NODE), sockets, paths, _told))
        if kill == 0:
            before = _count(paths.node_store(NODE))
        port = topology.node(NODE).port
        at_work = threading.Barrier(CLIENTS + 1)
        threads = [threading.Thread(target=each.work, args=(port, at_work)) for each in clients]
        for thread in threads:
            thread.start()
        at_work.wait(READY_S)
        time.sleep(random.uniform(0.005, 0.12))  # the moment of the blow
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for thread in threads:
            thread.join()
        store = open_store("lmdb", paths.node_store(NODE), create=False)
        wrong += journal.read_on(store)
        for client in clients:
            in_flight += len(client.under_way)
            wrong += client.refused + _compared(client, store, journal)
            client.refused, client.under_way = [], {}
        counted = sum((figures for _, _, figures in store.figures()), Figures())
        if counted.created - counted.deleted != store.count() - before:
            wrong.append(f"{counted} with {store.count() - before} records more than at first")
        store.close()
    return {
        "kills": kills,
        "acknowledged": sum(client.acknowledged for client in clients),
        "in_flight_when_killed": in_flight,
        "journal_entries": journal.last,
        "wrong": wrong[:20],
    }


def _compared(client: Client, store: NodeStore, journal: Journal) -> list[str]:
    wrong = []
    for handle, told in client.told.items():
        values = store.get(handle)
        found = None if values is None else values[0].text
        possible = {told, client.under_way.get(handle, told)}
        if found not in possible:
            wrong.append(f"{handle} is {found!r:.40}, not one of {possible!r:.80}")
        if journal.checksums.get(handle) != checksum_of(values):
            wrong.append(f"{handle}: the journal tells another story")
        client.told[handle] = found
    return wrong


def _bound() -> tuple[Topology, dict[str, NodeSockets]]:
    """The minimal network with sockets for the two nodes on free ports, kept over all restarts."""
    whole = expand(load_network("minimal"))
    free = whole.with_ports({node.name: (0, 0) for node in whole.nodes})
    some, sockets, _ = bind_all(
        replace(free, nodes=tuple(node for node in free.nodes if node.name in (NODE, PARENT)))
    )
    ports = {node.name: (node.port, node.http_port) for node in (*whole.nodes, *some.nodes)}
    hints = (("88.901", PARENT),)
    topology = whole.with_ports(ports)
    nodes = tuple(replace(node, hints=hints) for node in topology.nodes)
    return replace(topology, nodes=nodes), {name: own[0] for name, own in sockets.items()}


def _fork(plan: HostPlan) -> int:
    """Run ``plan`` in a child; its process id, once its nodes answer."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        run_host(replace(plan, ready=lambda name: _report(writing)))
        os._exit(0)
    os.close(writing)
    for _ in plan.names:
        if os.read(reading, 1) != b".":
            raise SystemExit("the nodes did not start")
    os.close(reading)
    return pid


def _report(writing: int) -> None:
    os.write(writing, b".")


def _told(name: str) -> None:
    """Nobody has to be told."""


def _count(path: Path) -> int:
    store = open_store("lmdb", path, create=False)
    count = store.count()
    store.close()
    return count


def _message(op_code: int, body: Body) -> bytes:
    return encode_message(Message(ID_POINTER, op_code, flags=0x19000000, body=body))


def _replies(connection: socket.socket) -> Iterator[Message]:
    frames = FrameReader()
    while octets := connection.recv(1 << 16):
        yield from map(decode_message, frames.feed(octets))


def main() -> int:
    """Torment, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = torment(chosen.kills, chosen.seed, Path(folder))
    json.dump(found, sys.stdout, indent=2)
    print()
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
