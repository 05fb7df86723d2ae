"""What the benchmarks that have a DNS server beside us share: starting one, and asking it once."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.speech import MAX_ANSWER, domain_question
from resolver.model.errors import ResolverError

START_S: Final = 10.0


class PeerError(ResolverError):
    """A server to be compared with does not run as it should."""


UNBOUND: Final = """\
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
"""The configuration of an Unbound that needs no rights and leaves nothing outside its folder."""


def program(name: str) -> str | None:
    """Where a server's program is; Debian keeps them where users do not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def why_no_unbound() -> str:
    """Why Unbound cannot run here; empty if it can."""
    return "" if program("unbound") else "unbound is not installed (apt-get install unbound)"


@contextmanager
def unbound(folder: Path, name: str, configuration: str) -> Iterator[int]:
    """Run Unbound below ``folder``; its process id."""
    path = folder / f"{name}.conf"
    path.write_text(configuration, encoding="ascii")
    with running([program("unbound") or "unbound", "-d", "-c", str(path)]) as pid:
        yield pid


@contextmanager
def running(command: Sequence[str]) -> Iterator[int]:
    """Run a server in the foreground until the end of the block; its process id."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(START_S)


def zone_text(origin: str, address: str, rows: Iterable[str]) -> str:
    """A zone file: the start of authority, its name server, and ``rows``."""
    head = [
        f"$ORIGIN {origin}",
        "$TTL 86400",
        f"@ IN SOA ns.{origin} hostmaster.{origin} 1 86400 86400 86400 86400",
        f"@ IN NS ns.{origin}",
        f"ns IN A {address}",
    ]
    return "\n".join((*head, *rows, ""))


def free_port() -> int:
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


def wait_for_answer(address: tuple[str, int], domain: str) -> None:
    """Ask for ``domain`` until there is an answer with a record in it.

    Raises:
        PeerError: there is none within ``START_S``.
    """
    question = domain_question(domain, edns=True).octets
    until = time.monotonic() + START_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(0.2)
        while time.monotonic() < until:
            try:
                sock.send(question)
                reply = sock.recv(MAX_ANSWER)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if not reply[3] & 0xF and reply[6:8] != b"\0\0":
                return
    raise PeerError(f"the DNS did not answer at {address[0]} port {address[1]} in {START_S:g} s")
