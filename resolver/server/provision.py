"""What a node's store must hold before the node can answer: the records of the prefixes it
describes, and sample records if the store is new.

The records of prefixes follow from the topology (who serves a prefix, at which ports), so they are
brought up to date at every start; everything else in the store is its owner's.
"""

import logging
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from resolver.model.handle import fold, is_under, prefix_handle
from resolver.model.site import HashOption, Interface, Protocol, Purpose, Server, Site
from resolver.storage.base import RecordStore
from resolver.topology.plan import NodeSpec, Topology
from resolver.wire.values import ValueList
from secondary_nodes.population import prefix_records, sample_records

_log: Final = logging.getLogger(__name__)


def site_of(spec: NodeSpec, public_key: bytes) -> Site:
    """The HS_SITE of a node: one server; TCP first, as the ID-SDK takes the first interface
    (docs/protocol.md §15)."""
    interfaces = (
        Interface(Purpose.BOTH, Protocol.TCP, spec.port),
        Interface(Purpose.BOTH, Protocol.UDP, spec.port),
        Interface(Purpose.BOTH, Protocol.HTTP, spec.http_port),
    )
    server = Server(1, ip_address(spec.advertise), public_key, interfaces)
    return Site(
        (server,),
        hash_option=HashOption.WHOLE,
        attributes=(("name", spec.name), ("role", spec.role), ("desc", spec.title)),
    )


def provision(spec: NodeSpec, topology: Topology, store: RecordStore, public_key: bytes) -> None:
    """Bring the store of ``spec`` up to date.

    Raises:
        StoreError: the store cannot be written.
    """
    records = [
        (handle, values)
        for handle, values in described_prefixes(spec, topology, public_key)
        if (known := store.get(handle)) is None or known.octets != values.octets
    ]
    described = len(records)
    if store.count() == 0 and spec.samples:
        records += [
            record
            for prefix in spec.homes
            for record in sample_records(prefix, count=_sample_count(spec, prefix))
        ]
    # All in one transaction: a store that has anything has its samples.
    if records:
        store.put_many(records)
        _log.info(
            "%s: %d prefix records brought up to date, %d sample records made",
            spec.name, described, len(records) - described,
        )  # fmt: skip


def described_prefixes(
    spec: NodeSpec, topology: Topology, public_key: bytes
) -> Iterator[tuple[str, ValueList]]:
    """The records of the prefixes that ``spec`` is the one to describe, by handle.

    A prefix is described by the node whose delegation is the nearest above it.
    """
    for prefix in _all_prefixes(topology):
        if spec not in describers(prefix, topology):
            continue
        serving = [
            node for node in topology.nodes if prefix in map(fold, (*node.homes, *node.delegates))
        ]
        yield (
            prefix_handle(prefix),
            prefix_records(
                prefix,
                [site_of(node, public_key) for node in serving],
                title=serving[0].title,
                delegates=any(prefix in map(fold, node.delegates) for node in serving),
            ),
        )


def describers(prefix: str, topology: Topology) -> list[NodeSpec]:
    """The nodes that hold the record of ``prefix`` (folded): those with the nearest delegation."""
    zones = {zone for node in topology.nodes for zone in map(fold, node.delegates)}
    above = [zone for zone in zones if is_under(prefix, zone)]
    if not above:
        return []
    nearest = max(above, key=len)
    return [node for node in topology.nodes if nearest in map(fold, node.delegates)]


def _all_prefixes(topology: Topology) -> list[str]:
    return sorted(
        {fold(prefix) for node in topology.nodes for prefix in (*node.homes, *node.delegates)}
        - {""}
    )


def _sample_count(spec: NodeSpec, prefix: str) -> int:
    """Products are the enterprises'; a secondary node has them for those it hosts only."""
    return 0 if spec.role != "enterprise" and prefix == spec.prefix else spec.samples
