"""From a network file to its list of nodes, and the checks of how they fit together."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from resolver.cache.policies import POLICIES
from resolver.model.errors import ConfigError
from resolver.model.handle import fold, is_under
from resolver.model.value import Reference
from resolver.topology.load import Loaded
from resolver.topology.nearest import did_you_mean
from resolver.topology.plan import (
    SUPERVISOR,
    AccessSpec,
    AdmissionSpec,
    CacheSpec,
    ControlSpec,
    LimitSpec,
    LogSpec,
    NodeSpec,
    QuotaSpec,
    Topology,
    TraceSpec,
)
from resolver.topology.schema import (
    DEFAULT_BASE_PORT,
    MAX_PORT,
    PLACEHOLDER,
    AdmissionModel,
    CacheModel,
    LimitsModel,
    NetworkModel,
    NodeModel,
    QuotasModel,
    SecondaryModel,
)

M = TypeVar("M", AdmissionModel, CacheModel, LimitsModel, QuotasModel)

_PARENT_ROLES: Final = {
    "top-level": ("root",),
    "secondary": ("root", "top-level"),
    "enterprise": ("root", "top-level", "secondary"),
}


def expand(loaded: Loaded) -> Topology:
    """The network of ``loaded``.

    Raises:
        ConfigError: its parts do not fit together; the text has a line for each reason.
    """
    file = loaded.file
    network = file.network
    nodes: list[NodeModel] = list(file.node)
    tops = [node.name for node in nodes if node.role == "top-level"]
    for secondary in file.secondary:
        nodes += _expand_secondary(secondary, tops)
    roots = [node.name for node in nodes if node.role == "root"]
    hints = {node.prefix: node.name for node in nodes if node.role == "top-level" and node.prefix}
    if roots:
        hints[""] = roots[0]
    specs = []
    enterprises = 0
    for node in nodes:
        process = node.process
        if process is None and node.role == "enterprise":
            process = f"enterprises-{enterprises // network.nodes_per_process + 1}"
            enterprises += 1
        specs.append(
            NodeSpec(
                name=node.name,
                role=node.role,
                title=node.title or node.name,
                prefix=node.prefix,
                homes=_homes(node),
                delegates=_delegates(node),
                parent=node.parent,
                bind=node.bind or network.bind,
                port=_moved(node.port, network.base_port),
                http_port=_moved(node.http_port, network.base_port),
                advertise=(node.advertise or network.advertise).replace(
                    PLACEHOLDER, label_of(node.name)
                ),
                recursion=node.recursion,
                hints=tuple((hints if node.hints is None else node.hints).items()),
                process=process or node.name,
                samples=_samples(node, network.samples),
                cache=_cache(_merged(file.cache, node.cache)),
                limits=_limits(_merged(file.limits, node.limits)),
                administrators=tuple(map(_key_named, node.administrators)),
                plain_passwords=network.plain_passwords,
                quotas=_quotas(_merged(file.quotas, node.quotas)),
                admission=_admission(_merged(file.admission, node.admission)),
                control=ControlSpec(file.control.heartbeat, file.control.propagation_delay),
                workers=_workers(node, network),
                pin=network.pin,
            )
        )
    troubles = [f"{loaded.source}: {reason}" for reason in _troubles(specs, file.cache)]
    if bool(network.tls_certificate) != bool(network.tls_key):
        troubles.append(f"{loaded.source}: network: tls_certificate and tls_key belong together")
    if troubles:
        raise ConfigError("\n".join(troubles))
    access = AccessSpec(
        file.log.access, file.log.access_every, file.log.access_size, file.log.access_keep
    )
    log = LogSpec(file.log.format, file.log.level, file.log.slow, access)
    traces = TraceSpec(file.traces.endpoint, file.traces.sample)
    return Topology(
        network.name,
        tuple(specs),
        network.tls_certificate,
        network.tls_key,
        log,
        traces,
        network.key,
    )


def label_of(name: str) -> str:
    """The name of a node as a part of a name in DNS: ``88-901-1``."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def _expand_secondary(short: SecondaryModel, tops: list[str]) -> Iterator[NodeModel]:
    first_own = short.hosted_count + 1
    hosted = tuple(f"{short.prefix}.{number}" for number in range(1, first_own))
    yield NodeModel(
        name=short.name,
        role="secondary",
        title=short.title,
        prefix=short.prefix,
        parent=short.parent or (tops[0] if len(tops) == 1 else None),
        homes=(short.prefix, *hosted),
        delegates=(short.prefix,),
        recursion=short.recursion,
        port=short.port,
        http_port=short.http_port,
    )
    for number in range(short.own_count):
        prefix = f"{short.prefix}.{first_own + number}"
        yield NodeModel(
            name=prefix,
            role="enterprise",
            title=f"{short.title} {first_own + number}".strip(),
            prefix=prefix,
            parent=short.name,
            recursion=short.recursion,
            port=short.enterprise_port and short.enterprise_port + number,
            http_port=short.enterprise_http_port and short.enterprise_http_port + number,
        )


def _homes(node: NodeModel) -> tuple[str, ...]:
    if node.homes is not None:
        return node.homes
    return (node.prefix,) if node.role in ("secondary", "enterprise") and node.prefix else ()


def _delegates(node: NodeModel) -> tuple[str, ...]:
    if node.delegates is not None:
        return node.delegates
    if node.role == "root":
        return ("",)
    return (node.prefix,) if node.role in ("top-level", "secondary") and node.prefix else ()


def _key_named(text: str) -> Reference:
    """The key called ``300:88.901.1/ADMIN``."""
    index, _, handle = text.partition(":")
    return Reference(handle, int(index))


def _samples(node: NodeModel, samples: int) -> int:
    if node.samples is not None:
        return node.samples
    return samples if _homes(node) else 0


def _workers(node: NodeModel, network: NetworkModel) -> int:
    workers = node.workers
    if workers is None:
        workers = network.workers if node.role in ("top-level", "recursive") else 1
    return len(os.sched_getaffinity(0)) if workers == "auto" else workers


def _moved(port: int, base_port: int) -> int:
    """``port`` moved by as much as the base is; 0, for a free one, if either is 0."""
    return port + base_port - DEFAULT_BASE_PORT if port and base_port else 0


def _admission(model: AdmissionModel) -> AdmissionSpec:
    return AdmissionSpec(model.rate, model.burst, model.misses, model.confirm)


def _quotas(model: QuotasModel) -> QuotaSpec:
    return QuotaSpec(model.daily_requests, model.registrations, model.prefixes)


def _merged(general: M, own: M | None) -> M:
    """``general`` with what a node says itself in place."""
    if own is None:
        return general
    return general.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})


def _cache(model: CacheModel) -> CacheSpec:
    return CacheSpec(
        routes_bytes=model.routes,
        leaves_bytes=model.leaves,
        negatives_bytes=model.negatives,
        own_bytes=model.own,
        bodies_bytes=model.bodies,
        ttl_cap_s=model.ttl_cap,
        negative_ttl_s=model.negative_ttl,
        failure_ttl_s=model.failure_ttl,
        serve_stale_s=model.serve_stale,
        prefetch=model.prefetch,
        snapshot=model.snapshot,
        policy=model.policy,
    )


def _limits(model: LimitsModel) -> LimitSpec:
    return LimitSpec(
        model.deadline, model.ask_timeout, model.max_asks, model.transports, model.networks
    )


def _troubles(specs: list[NodeSpec], cache: CacheModel) -> Iterator[str]:
    if not specs:
        yield "node: the network has no nodes"
    by_name = {spec.name: spec for spec in specs}
    sharing = Counter(spec.process for spec in specs)
    for spec in specs:
        if spec.workers > 1 and sharing[spec.process] > 1:
            yield f"node {spec.name}: workers: it shares the process {spec.process} with others"
        if spec.workers > 1 and spec.quotas.daily_requests:
            yield (
                f"node {spec.name}: workers: with quotas.daily_requests it can have one only, "
                "as each would count for itself"
            )
    yield from _repeated((spec.name for spec in specs), "nodes have this name")
    yield from _repeated((spec.prefix for spec in specs if spec.prefix), "nodes have this prefix")
    yield from _repeated(
        (home for spec in specs for home in spec.homes),
        "nodes hold the identifiers of this prefix",
    )
    for policy in sorted({cache.policy, *(spec.cache.policy for spec in specs)}):
        if policy not in POLICIES:
            known = ", ".join(sorted(POLICIES))
            yield (
                f"cache.policy: there is no policy {policy!r}, only {known}"
                f"{did_you_mean(policy, POLICIES)}"
            )
    yield from _port_troubles(specs)
    for spec in specs:
        if SUPERVISOR in (spec.name, spec.process):
            yield f"{spec.name}: the name {SUPERVISOR!r} is taken by the supervisor"
        yield from _place_troubles(spec, by_name)


def _repeated(names: Iterable[str], what: str) -> Iterator[str]:
    """Names that occur more than once; nodes have folders of their names, so case is ignored."""
    for name, count in Counter(map(fold, names)).items():
        if count > 1:
            yield f"{name.lower()}: {count} {what}"


def _port_troubles(specs: list[NodeSpec]) -> Iterator[str]:
    taken: dict[tuple[str, int], str] = {}
    for spec in specs:
        for key, port in (("port", spec.port), ("http_port", spec.http_port)):
            owner = f"{spec.name}.{key}"
            if not 0 <= port <= MAX_PORT:
                yield f"{owner}: {port} is not a port (1 to {MAX_PORT}); choose another base_port"
            elif port:
                others = {taken.setdefault((address, port), owner) for address in spec.bind}
                for other in sorted(others - {owner}):
                    yield f"{owner}: {port} is the port of {other} already"


def _place_troubles(spec: NodeSpec, by_name: dict[str, NodeSpec]) -> Iterator[str]:
    if spec.parent is not None:
        parent = by_name.get(spec.parent)
        allowed = _PARENT_ROLES.get(spec.role, ())
        if parent is None:
            near = did_you_mean(spec.parent, by_name)
            yield f"{spec.name}.parent: there is no node {spec.parent!r}{near}"
        elif parent.role not in allowed:
            yield (
                f"{spec.name}.parent: a {spec.role} node cannot stand below {parent.name}, a "
                f"{parent.role} node; it stands below {' or '.join(allowed) or 'none'}"
            )
        elif spec.prefix and not any(is_under(spec.prefix, zone) for zone in parent.delegates):
            yield (
                f"{spec.name}.prefix: {spec.prefix} is not below what {parent.name} delegates "
                f"({', '.join(zone or 'everything' for zone in parent.delegates) or 'nothing'})"
            )
    for prefix, name in spec.hints:
        if name not in by_name:
            near = did_you_mean(name, by_name)
            yield f"{spec.name}.hints: there is no node {name!r} (for {prefix or 'the root'}){near}"
