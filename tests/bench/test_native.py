"""The load generator in C against small servers that do right and wrong: it counts what they do."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.native import (
    DNS,
    ECHO,
    HTTP,
    Load,
    NativeError,
    Request,
    Requests,
    echo,
    program,
    run_load,
    started_load,
    why_not,
    write_numbered,
    write_requests,
)
from bench.speech import domain_question, handle_request
from resolver.wire.bodies import ResolveRequest
from resolver.wire.message import decode_request

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

Answer = Callable[[bytes], list[bytes]]


@contextmanager
def udp_server(answer: Answer) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """A server that sends what ``answer`` makes of each request; its address and what it heard."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                request, client = sock.recvfrom(4096)
                if not request:
                    return
                heard.append(request)
                for reply in answer(request):
                    sock.sendto(reply, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname(), heard
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", sock.getsockname())
            thread.join()


@contextmanager
def stream_server(handle: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """A server that does ``handle`` with each connection; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed
                    return
                with connection:
                    handle(connection)

        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield listening.getsockname()
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def replied(request: bytes, code: int = 1) -> bytes:
    """A request as if it were a reply with this response code."""
    return request[:24] + struct.pack(">I", code) + request[28:]


@pytest.fixture
def three(tmp_path: Path) -> Requests:
    names = ("88.901.1/a", "88.901.1/long-name", "88.901.1/c")
    return write_requests(tmp_path / "requests", map(handle_request, names))


def test_right_answers_are_counted_and_timed(three: Requests):
    with udp_server(lambda request: [replied(request)]) as (address, heard):
        figures = run_load("udp", address, three, Load(count=100, window=7))
    assert (figures.sent, figures.right, figures.wrong, figures.lost) == (100, 100, 0, 0)
    assert figures.codes == {"1": 100}
    assert not figures.trouble()
    assert (figures.shortest, figures.longest) == (min(map(len, heard)), max(map(len, heard)))
    assert figures.octets == sum(map(len, heard))
    assert 0 < figures.latency_us["p50"] <= figures.latency_us["p99"] <= figures.latency_us["max"]
    assert figures.rate == pytest.approx(100 / figures.elapsed, rel=0.01)
    asked = [decode_request(octets) for octets in heard]
    assert len({message.envelope.request_id for message in asked}) == 100
    assert [message.body for message in asked[:4]] == [
        ResolveRequest(name)
        for name in ("88.901.1/a", "88.901.1/long-name", "88.901.1/c", "88.901.1/a")
    ]


def test_what_is_wrong_is_told_apart(three: Requests):
    def answer(request: bytes) -> list[bytes]:
        return {
            b"88.901.1/a": [replied(request, 100)],
            b"88.901.1/c": [replied(request.replace(b"88.901.1/c", b"88.901.1/x"))],
        }.get(request[48:58], [])

    with udp_server(answer) as (address, _):
        figures = run_load("udp", address, three, Load(count=30, timeout=0.05))
    assert (figures.right, figures.wrong, figures.other_names, figures.lost) == (0, 20, 10, 10)
    assert figures.codes == {"1": 10, "100": 10}
    assert figures.trouble() == ("10 lost, 10 with another response code, 10 about another name")


def test_an_answer_to_nothing_is_not_counted_as_one(three: Requests):
    def answer(request: bytes) -> list[bytes]:
        other = request[:8] + bytes([request[8] ^ 1]) + request[9:]
        return [replied(other), replied(request), replied(request), b"short"]

    with udp_server(answer) as (address, _):
        figures = run_load("udp", address, three, Load(count=10, window=1))
    # The last request's superfluous answers may come when nobody listens any more.
    assert figures.right == 10
    assert figures.wrong == 0
    assert 28 <= figures.unknown_ids <= 30


def test_an_open_loop_keeps_its_times_without_answers(three: Requests):
    with udp_server(lambda request: []) as (address, heard):
        load = Load(count=50, rate=500, window=64, timeout=0.1)
        figures = run_load("udp", address, three, load)
    assert (figures.sent, figures.lost, len(heard)) == (50, 50, 50)


def test_an_open_loop_counts_from_when_a_request_was_due(three: Requests):
    held: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        held.append(replied(request))
        return held if len(held) == 20 else []

    with udp_server(answer) as (address, _):
        figures = run_load("udp", address, three, Load(count=20, rate=200, window=64))
    # The first was due 19 intervals of 5 ms before the last.
    assert figures.right == 20
    assert figures.latency_us["max"] >= 90_000
    assert figures.latency_us["p50"] >= 35_000


def test_numbers_are_written_and_each_is_asked_once(tmp_path: Path):
    request = handle_request("88.901.1/p-0000")
    numbered = write_numbered(tmp_path / "requests", request, b"0000", 30)
    with udp_server(lambda request: [replied(request)]) as (address, heard):
        load = Load(count=30, skip=4, stride=7, window=1)
        figures = run_load("udp", address, numbered, load)
    assert figures.right == 30
    names = [octets[48:63].decode() for octets in heard]
    assert names[:3] == ["88.901.1/p-0004", "88.901.1/p-0011", "88.901.1/p-0018"]
    assert sorted(names) == [f"88.901.1/p-{number:04d}" for number in range(30)]


def test_several_sockets_from_an_address_of_choice(three: Requests):
    clients = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)

        def serve() -> None:
            for _ in range(60):
                request, client = sock.recvfrom(4096)
                clients.add(client)
                sock.sendto(replied(request), client)

        thread = threading.Thread(target=serve)
        thread.start()
        load = Load(count=60, window=12, flows=4, source="127.0.0.9")
        figures = run_load("udp", sock.getsockname(), three, load)
        thread.join()
    assert figures.right == 60
    assert len(clients) == 4
    assert {host for host, _ in clients} == {"127.0.0.9"}


def test_dns_answers_need_a_record(tmp_path: Path):
    questions = write_requests(
        tmp_path / "questions", [domain_question(f"{label}.bench") for label in "abcd"]
    )
    headers = {  # flags with the response code, questions, answers
        b"a": (0x8180, 1, 1),
        b"b": (0x8183, 1, 0),
        b"c": (0x8180, 1, 0),
        b"d": (0x8500, 1, 1),
    }

    def answer(request: bytes) -> list[bytes]:
        return [request[:2] + struct.pack(">HHH", *headers[request[13:14]]) + request[8:]]

    with udp_server(answer) as (address, heard):
        figures = run_load("udp", address, questions, Load(DNS, count=40, window=4))
    assert (figures.right, figures.wrong) == (20, 20)
    assert len({octets[:2] for octets in heard}) == 40


def test_a_load_can_be_told_to_finish(three: Requests):
    with (
        udp_server(lambda request: [replied(request)]) as (address, heard),
        started_load("udp", address, three, Load(seconds=60, rate=2000)) as running,
    ):
        running.wait(0.3)
        assert running.is_running()
        running.finish()
        figures = running.figures()
    assert not running.is_running()
    assert figures.right == figures.sent == len(heard) > 0


def frames(connection: socket.socket) -> Iterator[bytes]:
    stream = connection.makefile("rb")
    while head := stream.read(20):
        yield head + stream.read(int.from_bytes(head[16:20], "big"))


def test_tcp_requests_are_pipelined(three: Requests):
    def serve(connection: socket.socket) -> None:
        waiting: list[bytes] = []
        for frame in frames(connection):
            waiting.append(replied(frame))
            if len(waiting) == 25:  # the window: nothing else would come
                connection.sendall(b"".join(waiting))
                waiting.clear()

    with stream_server(serve) as address:
        load = Load(count=100, window=25, flows=2, timeout=5)
        figures = run_load("tcp", address, three, load)
    assert (figures.sent, figures.right, figures.lost) == (100, 100, 0)


def test_tcp_answers_out_of_order_are_not_right(three: Requests):
    def serve(connection: socket.socket) -> None:
        got = frames(connection)
        for first, second in zip(got, got, strict=False):
            connection.sendall(replied(second) + replied(first))

    with stream_server(serve) as address:
        figures = run_load("tcp", address, three, Load(count=10, window=2, timeout=0.2))
    # Of the first two the later one comes early; after that the window holds one that never comes.
    assert figures.right == 1
    assert figures.unknown_ids == 1
    assert figures.lost == figures.sent - 1


def test_tcp_that_closes_loses_what_is_in_flight(three: Requests):
    def serve(connection: socket.socket) -> None:
        got = frames(connection)
        connection.sendall(replied(next(got)))
        for _ in range(7):
            next(got)

    with stream_server(serve) as address:
        figures = run_load("tcp", address, three, Load(seconds=5, window=8))
    assert figures.right == 1
    assert figures.lost == figures.sent - 1 >= 7


def http_requests(path: Path) -> Requests:
    return write_requests(
        path,
        [
            Request(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), name.encode())
            for name in ("fixed", "chunked", "missing", "other")
        ],
    )


def web(connection: socket.socket, *, requests: int = 1_000_000) -> None:
    """Answers by what is asked for, in pieces, and closes after so many."""
    stream = connection.makefile("rb")
    while requests and (line := stream.readline()):
        requests -= 1
        while stream.readline() != b"\r\n":
            pass
        reply = {
            b"/fixed": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<fixed>\r\n",
            b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"a\r\n<chunked>\n\r\n1;x=y\r\n!\r\n0\r\n\r\n",
            b"/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"/other": b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 4\r\n\r\nelse",
        }[line.split()[1]]
        for at in range(0, len(reply), 25):
            connection.sendall(reply[at : at + 25])


def test_http_answers_are_read_to_their_end(tmp_path: Path):
    with stream_server(web) as address:
        load = Load(HTTP, count=40, flows=3, timeout=5)
        figures = run_load("http", address, http_requests(tmp_path / "pages"), load)
    assert (figures.right, figures.wrong, figures.other_names) == (20, 20, 10)
    assert figures.codes == {"200": 30, "404": 10}
    assert (figures.lost, figures.unknown_ids) == (0, 0)
    assert (figures.shortest, figures.longest) == (9, 30)


def test_http_connections_that_close_are_opened_again(tmp_path: Path):
    with stream_server(lambda connection: web(connection, requests=4)) as address:
        load = Load(HTTP, count=40, timeout=5)
        figures = run_load("http", address, http_requests(tmp_path / "pages"), load)
    # A request that was sent into a connection about to close is lost; the others are not.
    assert figures.right + figures.wrong + figures.lost == 40
    assert figures.right >= 10


def test_the_echo_answers_in_so_many_octets(three: Requests):
    with echo(142) as running:
        figures = run_load("udp", running.address, three, Load(ECHO, count=1000))
    assert figures.right == 1000
    assert (figures.shortest, figures.longest) == (142, 142)


def test_why_a_load_cannot_run_is_told_in_a_sentence(three: Requests, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(NativeError, match=f"127.0.0.1 port {port}: Connection refused"):
        run_load("tcp", ("127.0.0.1", port), three, Load())
    with pytest.raises(NativeError, match="a window of 40000 is too large for ids of 2 octets"):
        run_load("udp", ("127.0.0.1", port), three, Load(DNS, window=40000))
    (tmp_path / "empty").touch()
    with pytest.raises(NativeError, match="there are no requests in"):
        run_load("udp", ("127.0.0.1", port), Requests(tmp_path / "empty", 0), Load())
    (tmp_path / "cut").write_bytes(three.path.read_bytes()[:-1])
    with pytest.raises(NativeError, match=r"request 2 in .* is not as long as it says"):
        run_load("udp", ("127.0.0.1", port), Requests(tmp_path / "cut", 3), Load())


def test_it_is_built_once():
    first = program().stat().st_ino
    assert program().stat().st_ino == first


def test_without_a_compiler_there_is_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NativeError, match="install gcc"):
        program()
