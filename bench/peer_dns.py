"""The peers of the peers benchmark: Unbound with everything in its cache, and Knot with everything
in its zone. Both hold TXT records below ``bench.``, padded so that an answer has exactly as many
octets as the one it is compared with. Neither needs special rights.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.dns import (
    UNBOUND,
    PeerError,
    free_port,
    program,
    running,
    unbound,
    wait_for_answer,
    zone_text,
)
from bench.network import DIGITS
from bench.speech import domain_question

ORIGIN: Final = "bench."
_HEADER: Final = 12
_RECORD: Final = 13
"""Octets of a TXT record besides its text: name, type, class, TTL, two lengths."""
_LONGEST_TEXT: Final = 255

_CACHE: Final = """\
  msg-cache-size: 256m
  msg-cache-slabs: 1
  rrset-cache-size: 256m
  rrset-cache-slabs: 1
  so-reuseport: no
"""

_KNOT: Final = """\
server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}"
log:
  - target: "{folder}/knot.log"
    any: warning
zone:
  - domain: {origin}
    storage: "{folder}"
    file: bench.zone
"""


@dataclass(frozen=True, slots=True)
class DnsPeer:
    """A running server."""

    address: tuple[str, int]
    pid: int


def domain(number: str) -> str:
    """The name that stands for a handle with this number."""
    return f"p-{number}.{ORIGIN}".rstrip(".")


def smallest_answer() -> int:
    """Octets of an answer with an empty text."""
    return len(domain_question(domain(DIGITS)).octets) + _RECORD


def write_zone(folder: Path, names: int, octets: int) -> None:
    """Write the zone: so many names, each answered in so many octets.

    Raises:
        PeerError: a TXT record of one string cannot have that size.
    """
    text = octets - smallest_answer()
    if not 0 <= text <= _LONGEST_TEXT:
        raise PeerError(f"no TXT record of one string makes an answer of {octets} octets")
    rows = (f'p-{number:08d} IN TXT "{"x" * text}"' for number in range(names))
    (folder / "bench.zone").write_text(zone_text(ORIGIN, "127.0.0.1", rows), encoding="ascii")


@contextmanager
def cached_unbound(folder: Path) -> Iterator[DnsPeer]:
    """An Unbound that resolves through another one, which holds the zone."""
    port, behind = free_port(), free_port()
    with ExitStack() as servers:
        text = UNBOUND.format(
            name="holder", address="127.0.0.1", port=behind, folder=folder, server=""
        )
        text += (
            f'auth-zone:\n  name: "{ORIGIN}"\n  zonefile: "bench.zone"\n'
            "  for-downstream: yes\n  for-upstream: no\n"
        )
        servers.enter_context(unbound(folder, "holder", text))
        text = UNBOUND.format(
            name="cache", address="127.0.0.1", port=port, folder=folder, server=_CACHE
        )
        text += f'stub-zone:\n  name: "{ORIGIN}"\n  stub-addr: 127.0.0.1@{behind}\n'
        pid = servers.enter_context(unbound(folder, "cache", text))
        wait_for_answer(("127.0.0.1", behind), domain(DIGITS))
        wait_for_answer(("127.0.0.1", port), domain(DIGITS))
        yield DnsPeer(("127.0.0.1", port), pid)


def why_no_knot() -> str:
    """Why Knot cannot run here; empty if it can."""
    return "" if program("knotd") else "knotd is not installed (apt-get install knot)"


@contextmanager
def knot(folder: Path) -> Iterator[DnsPeer]:
    """A Knot that holds the zone."""
    port = free_port()
    path = folder / "knot.conf"
    path.write_text(_KNOT.format(folder=folder, port=port, origin=ORIGIN), encoding="ascii")
    with running([program("knotd") or "knotd", "-c", str(path)]) as pid:
        wait_for_answer(("127.0.0.1", port), domain(DIGITS))
        yield DnsPeer(("127.0.0.1", port), pid)
