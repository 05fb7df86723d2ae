"""The peer of the cold benchmark: the DNS doing the same work.

Three Unbound servers hold a tree of the same shape as the network's (``88.`` delegates
``901.88.`` … ``912.88.``, these delegate the enterprises, each with 100 TXT records of the size of
our sample records), and a fourth resolves through them. Its caches hold next to nothing and QNAME
minimisation is off, so that every question takes three queries, as a cold resolution takes here.

Delegations lead to port 53, so this needs the right to bind it.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.dns import UNBOUND, free_port, unbound, wait_for_answer, why_no_unbound, zone_text
from secondary_nodes.roster import ROSTER

TOP, SECONDARY, ENTERPRISE = "127.0.53.1", "127.0.53.2", "127.0.53.3"
DNS_PORT: Final = 53
RECORD_TEXT: Final = ("a" * 200, "b" * 150)

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


def why_not() -> str:
    """Why the peer cannot be measured here; empty if it can."""
    reason = why_no_unbound()
    if reason:
        return reason
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
        PeerError: it does not answer.
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
    port = free_port()
    with ExitStack() as running:
        pids = []
        for name, (address, zones) in tiers.items():
            text = UNBOUND.format(
                name=name, address=address, port=DNS_PORT, folder=folder, server=""
            )
            text += "".join(_zone(folder, prefix, address, rows) for prefix, rows in zones.items())
            pids.append(running.enter_context(unbound(folder, name, text)))
        text = UNBOUND.format(
            name="resolver", address="127.0.0.1", port=port, folder=folder, server=_RESOLVER
        )
        text += f'stub-zone:\n  name: "88."\n  stub-addr: {TOP}\n'
        pids.append(running.enter_context(unbound(folder, "resolver", text)))
        tree = DnsTree(("127.0.0.1", port), tuple(pids))
        wait_for_answer(tree.address, "000001.1.901.88")
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
    (folder / f"{prefix}.zone").write_text(zone_text(origin, address, rows), encoding="ascii")
    return (
        f'auth-zone:\n  name: "{origin}"\n  zonefile: "{prefix}.zone"\n'
        "  for-downstream: yes\n  for-upstream: no\n"
    )
