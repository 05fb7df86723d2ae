"""The ready answers of a node, made for its doors (``resolver.transport.ready``)."""

from resolver.node.state import NodeState
from resolver.server.clock import Clock
from resolver.transport.access import AccessLog
from resolver.transport.at_hand import AtHand
from resolver.transport.http_ready import HttpReady
from resolver.transport.ready import Ready


def ready_answers(state: NodeState, access: AccessLog | None) -> dict[str, Ready]:
    """By transport; none where every request has to be counted by who asks."""
    if state.max_daily_requests:
        return {}
    return {
        transport: Ready(
            state.own,
            state.records.entries,
            record=state.public_record,
            refresh=state.refresh,
            prefixes=state.prefixes,
            counters=state.counters,
            transport=transport,
            access=access,
        )
        for transport in ("udp", "tcp")
    }


def ready_for_http(state: NodeState, clock: Clock, access: AccessLog | None) -> HttpReady | None:
    """The same for HTTP."""
    if state.max_daily_requests:
        return None
    at_hand = AtHand(
        state.own,
        state.records.entries,
        record=state.public_record,
        refresh=state.refresh,
        prefixes=state.prefixes,
        counters=state.counters,
    )
    return HttpReady(at_hand, state.bodies, now=clock.now, unix_now=clock.unix, access=access)
