"""Datagrams in batches, on real sockets, by each way to have them."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from resolver.transport import batches
from resolver.transport.batches import BATCH, STARTS, Batches, Datagrams, OneByOne

PATIENCE_S = 5.0
Open = Callable[[socket.socket], Datagrams]


class Hall:
    """A server socket, read in batches, and its clients."""

    def __init__(self, running: ExitStack, open_: Open, host: str) -> None:
        self._running, self._host = running, host
        self.server = self._socket()
        self.server.setblocking(False)
        self.through = open_(self.server)

    def clients(self, count: int) -> list[socket.socket]:
        opened = [self._socket() for _ in range(count)]
        for client in opened:
            client.settimeout(PATIENCE_S)
            client.connect(self.server.getsockname()[:2])
        return opened

    def received(self, count: int) -> list[bytes]:
        """The next datagrams, in one batch: on loopback they are there when they are sent."""
        assert self.through.receive() == count
        octets, sizes = self.through.octets, self.through.sizes
        return [octets[at : at + size] for at, size in zip(STARTS, sizes, strict=False)]

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        opened = self._running.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        opened.bind((self._host, 0))
        return opened


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def without_segments(sock: socket.socket) -> Batches:
    """On a kernel that does not know UDP_SEGMENT."""
    batches._arrays.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_SEGMENT", 0x7FFF)
        return Batches(sock)


@pytest.fixture(params=[Batches, without_segments, OneByOne])
def hall(request: pytest.FixtureRequest, host: str) -> Iterator[Hall]:
    batches._arrays.cache_clear()
    with ExitStack() as running:
        yield Hall(running, request.param, host)
    batches._arrays.cache_clear()


def answers(client: socket.socket, count: int) -> list[bytes]:
    return sorted(client.recv(2048) for _ in range(count))


def test_one_client_gets_many_answers_of_one_length(hall: Hall) -> None:
    (client,) = hall.clients(1)
    asked = [b"%03d" % number for number in range(BATCH)]
    for datagram in asked:
        client.send(datagram)
    assert hall.received(BATCH) == asked
    assert hall.through.reply([number * 40 for number in asked], ()) == 0
    assert answers(client, BATCH) == [number * 40 for number in asked]


def test_answers_of_several_lengths(hall: Hall) -> None:
    (client,) = hall.clients(1)
    for number in range(20):
        client.send(b"%d" % number)
    hall.received(20)
    replies = [b"%02d" % number + b"." * (number % 3) for number in range(20)]
    assert hall.through.reply(replies, ()) == 0
    assert answers(client, 20) == sorted(replies)


@pytest.mark.parametrize("clients", [2, 5, 32])
def test_several_clients_get_their_own_answers(hall: Hall, clients: int) -> None:
    """With and without as many answers to each as are worth sorting by client."""
    opened = hall.clients(clients)
    count = BATCH // clients
    for turn in range(count):
        for number, client in enumerate(opened):
            client.send(b"%02d-%02d" % (number, turn))
    asked = hall.received(count * clients)
    assert hall.through.reply([datagram + b"!" for datagram in asked], ()) == 0
    for number, client in enumerate(opened):
        assert answers(client, count) == [b"%02d-%02d!" % (number, n) for n in range(count)]


@pytest.mark.parametrize("clients", [1, 2, 30])
def test_those_that_are_answered_otherwise_are_left_out(hall: Hall, clients: int) -> None:
    opened = hall.clients(clients)
    for number in range(30):
        opened[number % clients].send(b"%02d" % number)
    asked = hall.received(30)
    missed = [0, 7, 8, 29]
    replies = [datagram for number, datagram in enumerate(asked) if number not in missed]
    assert hall.through.reply(replies, missed) == 0
    for place, client in enumerate(opened):
        own = [n for n in range(30) if n % clients == place and n not in missed]
        assert answers(client, len(own)) == [b"%02d" % n for n in own]
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(2048)
    again = opened[0]
    again.settimeout(PATIENCE_S)
    again.send(b"again")
    assert hall.received(1) == [b"again"]
    assert hall.through.reply([b"done"], ()) == 0
    assert answers(again, 1) == [b"done"]


def test_a_client_that_has_left_takes_nothing_from_others(hall: Hall) -> None:
    gone, stays = hall.clients(2)
    for _ in range(10):
        gone.send(b"gone")
        stays.send(b"stays")
    asked = hall.received(20)
    gone.close()
    for _ in range(3):
        hall.through.reply(asked, ())
        assert answers(stays, 10) == [b"stays"] * 10


def test_the_sender_of_each(hall: Hall) -> None:
    opened = hall.clients(3)
    for client in opened:
        client.send(b"?")
    hall.received(3)
    for number, client in enumerate(opened):
        assert hall.through.sender(number)[:2] == client.getsockname()[:2]
