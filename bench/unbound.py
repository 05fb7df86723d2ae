"""The peer of the cold benchmark: the DNS doing the same work.

Three Unbound servers hold a tree of the same shape as the network's (``88.`` delegates
``901.88.`` … ``912.88.``, these delegate the enterprises, each with 100 TXT records of the size of
our sample records), and a fourth resolves through them. Its caches hold next to nothing and QNAME
minimisation is off, so that every question takes three queries, as a cold resolution takes here.

Delegations lead to port 53, so this needs the right to bind it.
"""

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from secondary_nodes.roster import ROSTER

TOP, SECONDARY, ENTERPRISE = "127.0.53.1", "127.0.53.2", "127.0.53.3"
DNS_PORT: Final = 53
START_S: Final = 10.0
RECORD_TEXT: Final = ("a" * 200, "b" * 150)

_HEADER: Final = struct.Struct(">HHHHHH")
_TXT, _IN, _OPT = 16, 1, 41
_RECURSION_DESIRED: Final = 0x0100
_MAX_ANSWER: Final = 1232

_CONFIGURATION: Final = """\
server:
  interface: {address}@{port}
  port: {port}
  do-ip6: no
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: "{name}.log"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "iterator"
  do-daemonize: no
  minimal-responses: yes
{server}remote-control:
  control-enable: no
"""

_RESOLVER: Final = """\
  cache-max-ttl: 0
  rrset-cache-size: 1
  rrset-cache-slabs: 1
  msg-cache-size: 1
  msg-cache-slabs: 1
  qname-minimisation: no
"""


@dataclass(frozen=True)
class DnsTree:
    """A running tree: where its resolver listens, and the processes that do the work."""

    address: tuple[str, int]
    pids: tuple[int, ...]


class Dns:
    """TXT questions and their answers (``bench.openloop.Speech``)."""

    def request(self, name: str, number: int) -> bytes:
        """A recursive question; EDNS, so that the answer comes in one datagram."""
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        return (
            _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 1)
            + labels
            + struct.pack(">BHH", 0, _TXT, _IN)
            + struct.pack(">BHHIH", 0, _OPT, _MAX_ANSWER, 0, 0)
        )

    def number_of(self, reply: bytes) -> int:
        """The id of the question that ``reply`` answers."""
        return int.from_bytes(reply[:2], "big")

    def trouble_with(self, reply: bytes, name: str) -> str:
        """What is wrong with ``reply``; empty if it is the record."""
        _, flags, _, answers, _, _ = _HEADER.unpack_from(reply)
        if flags & 0xF:
            return f"response code {flags & 0xF}"
        return "" if answers == 1 and RECORD_TEXT[1].encode() in reply else "another record"


def why_not() -> str:
    """Why the peer cannot be measured here; empty if it can."""
    if shutil.which("unbound") is None:
        return "unbound is not installed"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((TOP, DNS_PORT))
        except OSError as error:
            return f"port {DNS_PORT} of {TOP} cannot be bound: {error.strerror}"
    return ""


def domain_of(handle: str) -> str:
    """The name in the tree that stands for a handle: ``000001.1.901.88`` for 88.901.1/000001."""
    prefix, _, suffix = handle.partition("/")
    return ".".join((suffix, *reversed(prefix.split("."))))


@contextmanager
def dns_tree(folder: Path) -> Iterator[DnsTree]:
    """Run the tree below ``folder``.

    Raises:
        RuntimeError: it does not answer within ``START_S``.
    """
    secondaries = [row.prefix for row in ROSTER]
    enterprises = [prefix for row in ROSTER for prefix in row.enterprise_prefixes()]
    records = [
        f"{n:06d} IN TXT " + " ".join(f'"{text}"' for text in RECORD_TEXT) for n in range(1, 101)
    ]
    tiers = {
        "top": (TOP, {"88": _delegations(secondaries, SECONDARY)}),
        "secondary": (
            SECONDARY,
            {row.prefix: _delegations(row.enterprise_prefixes(), ENTERPRISE) for row in ROSTER},
        ),
        "enterprise": (ENTERPRISE, dict.fromkeys(enterprises, records)),
    }
    port = _free_port()
    with ExitStack() as running:
        pids = []
        for name, (address, zones) in tiers.items():
            text = _CONFIGURATION.format(
                name=name, address=address, port=DNS_PORT, folder=folder, server=""
            )
            text += "".join(_zone(folder, prefix, address, rows) for prefix, rows in zones.items())
            pids.append(running.enter_context(_server(folder, name, text)))
        text = _CONFIGURATION.format(
            name="resolver", address="127.0.0.1", port=port, folder=folder, server=_RESOLVER
        )
        text += f'stub-zone:\n  name: "88."\n  stub-addr: {TOP}\n'
        pids.append(running.enter_context(_server(folder, "resolver", text)))
        tree = DnsTree(("127.0.0.1", port), tuple(pids))
        _wait_for_answer(tree)
        yield tree


def _origin(prefix: str) -> str:
    return ".".join(reversed(prefix.split("."))) + "."


def _delegations(prefixes: Iterable[str], address: str) -> list[str]:
    rows = []
    for prefix in prefixes:
        label = prefix.rpartition(".")[2]
        rows += [f"{label} IN NS ns.{label}", f"ns.{label} IN A {address}"]
    return rows


def _zone(folder: Path, prefix: str, address: str, rows: Sequence[str]) -> str:
    """Write the zone file of ``prefix``; the part of the configuration that serves it."""
    origin = _origin(prefix)
    head = [
        f"$ORIGIN {origin}",
        "$TTL 86400",
        f"@ IN SOA ns.{origin} hostmaster.{origin} 1 86400 86400 86400 86400",
        f"@ IN NS ns.{origin}",
        f"ns IN A {address}",
    ]
    (folder / f"{prefix}.zone").write_text("\n".join((*head, *rows, "")), encoding="ascii")
    return (
        f'auth-zone:\n  name: "{origin}"\n  zonefile: "{prefix}.zone"\n'
        "  for-downstream: yes\n  for-upstream: no\n"
    )


@contextmanager
def _server(folder: Path, name: str, configuration: str) -> Iterator[int]:
    path = folder / f"{name}.conf"
    path.write_text(configuration, encoding="ascii")
    process = subprocess.Popen(["unbound", "-d", "-c", str(path)])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(START_S)


def _free_port() -> int:
    """A port that is free for UDP and TCP both."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


def _wait_for_answer(tree: DnsTree) -> None:
    question = Dns().request("000001.1.901.88", 1)
    until = time.monotonic() + START_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(tree.address)
        sock.settimeout(0.2)
        while time.monotonic() < until:
            try:
                sock.send(question)
                if not Dns().trouble_with(sock.recv(_MAX_ANSWER), "000001.1.901.88"):
                    return
            except (TimeoutError, ConnectionRefusedError):
                continue
    raise RuntimeError(f"the DNS tree did not answer at {tree.address} within {START_S:g} s")
