"""The stage that resolves for the client: from the cache, or by asking the tree.

Rules (docs/protocol.md §12, "Recursive service"): identifiers this node holds never come here.
Requests for authoritative answers, and those that want restricted values, bypass the cache. All
requests for public values of one identifier share one resolution, which fetches the whole public
record; each gets its own selection of it.
"""

from dataclasses import replace
from typing import Final

from resolver.cache.records import NEGATIVE_CODES, CachedRecord, State
from resolver.model.codes import OpFlag, ResponseCode
from resolver.model.handle import canonical, described_prefix, fold, is_prefix_handle, prefix_of
from resolver.node.outcome import Outcome, Pending, refusal
from resolver.node.selection import select, wants_public_only
from resolver.node.state import NodeRoutes, NodeState
from resolver.resolution import Question, Resolution
from resolver.wire.answer import CACHED, Answer, Client
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, ResolveRequest
from resolver.wire.message import Message

STALE_PATIENCE_S: Final = 1.8
"""How long somebody waits for a fresh answer before a stale one will do (RFC 8767 §5)."""

STALE_TTL_S: Final = 30
"""How long a stale answer may be kept by whoever gets it (RFC 8767 §4)."""

FAILURES: Final = frozenset(
    {ResponseCode.ERROR, ResponseCode.SERVER_BUSY, ResponseCode.RECURSION_TOO_HIGH}
)
"""Codes that say nothing about the identifier, but that it could not be found out."""

MAX_RECURSION: Final = 10
"""Relaying servers stop above this recursion count (docs/protocol.md §12.6)."""


class Forward:
    """Answers about identifiers that live elsewhere."""

    def __init__(self, state: NodeState) -> None:
        self._state = state
        self._routes = NodeRoutes(state)

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """A cached answer, a ``Pending``, or None where this node does not resolve for others."""
        state, asked = self._state, request.body
        if not isinstance(asked, ResolveRequest):
            return None
        asked_to = request.flags & OpFlag.RECU and (state.recursion or state.always_recurse)
        # A question without RECU that counts comes from another node's resolution: answering it by
        # a resolution of our own could multiply from node to node.
        if not asked_to and (not state.always_recurse or request.recursion_count):
            return None
        if request.recursion_count > MAX_RECURSION:
            return refusal(
                ResponseCode.RECURSION_TOO_HIGH,
                f"recursion count {request.recursion_count}, at most {MAX_RECURSION} are relayed",
            )
        handle = canonical(asked.handle)
        prefix = described_prefix(handle) if is_prefix_handle(handle) else prefix_of(handle)
        if not prefix:
            return refusal(ResponseCode.INVALID_HANDLE, "the prefix is empty")
        question = Question(
            asked.handle,
            recursion_count=request.recursion_count,
            public_only=wants_public_only(request),
            authoritative=bool(request.flags & OpFlag.AUTH),
        )
        if question.authoritative or not question.public_only:
            return self._bypass(asked, question)
        return self._lookup(asked, handle, question, now)

    def _resolution(self, question: Question) -> Resolution:
        state = self._state
        return Resolution(question, self._routes, state.limits, state.nearness)

    def _bypass(self, asked: ResolveRequest, question: Question) -> Outcome:
        exact = replace(question, indexes=asked.indexes, types=asked.types)

        def finish(answer: Answer) -> Answer:
            return replace(_respell(answer, asked), cache="bypass")

        return Pending(
            key=replace(exact, handle=fold(exact.handle)),
            process=lambda: self._resolution(exact),
            settle=lambda answer, now, unix_now: None,
            finish=finish,
        )

    def _lookup(
        self, asked: ResolveRequest, handle: str, question: Question, now: float
    ) -> Outcome:
        cached = self._state.records.get(handle, now)
        counters, known = self._state.counters, None
        if cached is None:
            counters.cache_lookup("leaf", "miss")
        else:
            class_ = "leaf" if cached.values is not None else "negative"
            counters.cache_lookup(class_, _RESULTS[cached.state])
            known = _from_cache(asked, cached, question.recursion_count + 1, now)
            if cached.state in (State.FRESH, State.HELD):
                return known

        def settle(answer: Answer, now: float, unix_now: int) -> None:
            body, records = answer.body, self._state.records
            if isinstance(body, RecordAnswer):
                records.put_values(handle, body.values, now=now, unix_now=unix_now)
                return
            text = body.message if isinstance(body, ErrorAnswer) else None
            if answer.code in NEGATIVE_CODES:
                records.put_negative(handle, answer.code, text or "", now=now)
            elif answer.code in FAILURES:
                records.put_failure(handle, answer.code, text or "", now=now)

        def finish(answer: Answer) -> Answer:
            body = answer.body
            if not isinstance(body, RecordAnswer):
                if known is not None and answer.code in FAILURES:
                    return known
                return replace(answer, cache="miss")
            chosen = select(asked, body.values, public_only=True)
            chosen.authoritative = answer.authoritative
            chosen.recursion_count = answer.recursion_count
            chosen.cache, chosen.ttl = "miss", answer.ttl
            chosen.hops, chosen.seconds = answer.hops, answer.seconds
            return chosen

        return Pending(
            key=(fold(handle), question.recursion_count),
            process=lambda: self._resolution(question),
            settle=settle,
            finish=finish,
            meanwhile=known,
            patience_s=0.0 if cached is None or cached.state is State.DUE else STALE_PATIENCE_S,
        )


_RESULTS: Final = {
    State.FRESH: "hit",
    State.DUE: "prefetch",
    State.STALE: "stale",
    State.HELD: "stale",
}
"""How a look into the cache is counted, by what it found."""


def _from_cache(
    asked: ResolveRequest, cached: CachedRecord, recursion_count: int, now: float
) -> Answer:
    ttl = max(0, int(cached.expires_at - now))
    if cached.values is None:
        return Answer(
            cached.code,
            ErrorAnswer(cached.message),
            recursion_count=recursion_count,
            cache="negative",
            ttl=ttl,
        )
    is_stale = cached.state in (State.STALE, State.HELD)
    return replace(
        select(asked, cached.values, public_only=True),
        authoritative=False,
        recursion_count=recursion_count,
        cache="stale" if is_stale else "hit",
        ttl=STALE_TTL_S if is_stale else ttl,
        ready="" if is_stale else CACHED,
        ready_until=cached.fresh_until,
    )


def _respell(answer: Answer, asked: ResolveRequest) -> Answer:
    """``answer`` with the handle spelt as this client asked it (answers are shared)."""
    body = answer.body
    if isinstance(body, RecordAnswer) and body.handle != asked.handle:
        return replace(answer, body=RecordAnswer(asked.handle, body.values))
    return answer
