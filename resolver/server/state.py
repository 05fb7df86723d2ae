"""What a node keeps in memory, made from its part of the configuration."""

from resolver.cache import BudgetCache, EntryTable, Lifetimes, RecordCache, Route, RouteCache
from resolver.model.handle import fold
from resolver.node.state import NodeState
from resolver.resolution import Limits
from resolver.server.keys import NetworkKey
from resolver.server.provision import site_of
from resolver.server.roles import ROLES
from resolver.storage import NodeStore
from resolver.telemetry.counters import Counters
from resolver.topology.plan import NodeSpec, Topology


def state_of(spec: NodeSpec, topology: Topology, store: NodeStore, key: NetworkKey) -> NodeState:
    """The state of the node that ``spec`` describes, with caches that are empty yet."""
    cache, share = spec.cache, spec.workers  # each process has its part of the budgets
    hints = tuple(
        Route(fold(prefix), delegation=(site_of(topology.node(name), key.public_record),))
        for prefix, name in spec.hints
        if name != spec.name
    )
    return NodeState(
        name=spec.name,
        role=spec.role,
        site=site_of(spec, key.public_record),
        store=store,
        records=RecordCache(
            cache.leaves_bytes // share,
            Lifetimes(
                ttl_cap_s=cache.ttl_cap_s,
                negative_ttl_s=cache.negative_ttl_s,
                failure_ttl_s=cache.failure_ttl_s,
                stale_s=cache.serve_stale_s,
                prefetch=cache.prefetch,
            ),
            negative_budget=cache.negatives_bytes // share,
            policy=cache.policy,
        ),
        own=EntryTable(cache.own_bytes // share, cache.policy),
        bodies=BudgetCache(cache.bodies_bytes // share, cache.policy),
        routes=RouteCache(
            cache.routes_bytes // share,
            ttl_cap_s=cache.ttl_cap_s,
            negative_ttl_s=cache.negative_ttl_s,
            hints=hints,
            policy=cache.policy,
            stale_s=cache.serve_stale_s,
        ),
        homes=frozenset(map(fold, spec.homes)),
        delegates=frozenset(map(fold, spec.delegates)),
        recursion=spec.recursion,
        always_recurse=ROLES[spec.role].always_recurse,
        limits=Limits(
            deadline_s=spec.limits.deadline_s,
            ask_timeout_s=spec.limits.ask_timeout_s,
            max_asks=spec.limits.max_asks,
        ),
        counters=Counters(),
        administrators=spec.administrators,
        max_prefixes=spec.quotas.prefixes,
        max_registrations=spec.quotas.registrations,
        max_daily_requests=spec.quotas.daily_requests,
        is_shared=spec.workers > 1,
    )
