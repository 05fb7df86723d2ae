"""The state of a node for tests: records in memory unless told otherwise, caches of one MiB."""

from collections.abc import Iterable

from resolver.cache import Lifetimes, RecordCache, Route, RouteCache
from resolver.model.handle import fold
from resolver.model.site import Site
from resolver.model.value import Reference
from resolver.node.state import NodeState
from resolver.resolution import Limits
from resolver.server.roles import ROLES
from resolver.storage import NodeStore
from resolver.storage.memory import MemoryStore
from resolver.wire.values import ValueList

CACHE_OCTETS = 1 << 20


def node_state(
    name: str,
    role: str,
    site: Site,
    *,
    homes: Iterable[str] = (),
    delegates: Iterable[str] = (),
    records: Iterable[tuple[str, ValueList]] = (),
    hints: Iterable[tuple[str, Site]] = (),
    recursion: bool = False,
    limits: Limits | None = None,
    administrators: Iterable[Reference] = (),
    store: NodeStore | None = None,
) -> NodeState:
    """A node with these ``records``; ``hints`` are prefixes and where to ask about them."""
    store = MemoryStore() if store is None else store
    store.put_many(records)
    return NodeState(
        name=name,
        role=role,
        site=site,
        store=store,
        records=RecordCache(CACHE_OCTETS, Lifetimes(ttl_cap_s=3600, negative_ttl_s=60)),
        routes=RouteCache(
            CACHE_OCTETS,
            ttl_cap_s=3600,
            negative_ttl_s=60,
            hints=tuple(Route(prefix, delegation=(other,)) for prefix, other in hints),
        ),
        homes=frozenset(map(fold, homes)),
        delegates=frozenset(map(fold, delegates)),
        recursion=recursion,
        always_recurse=ROLES[role].always_recurse,
        limits=limits or Limits(),
        administrators=tuple(administrators),
    )
