"""The stages that a node's pipeline is made of, in the order in which roles use them.

Rules: a stage looks at a request and either answers it or leaves it to the next; it keeps no state
of its own but what ``NodeState`` holds; it never waits. Which stages a node has is its role's
business (``resolver.roles``, ``secondary_nodes``).
"""

from collections.abc import Callable
from typing import Final

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.handle import (
    MAX_HANDLE_OCTETS,
    ancestors,
    canonical,
    described_prefix,
    fold,
    is_prefix_handle,
    prefix_handle,
    prefix_of,
)
from resolver.node.administer import Administer
from resolver.node.daily import DailyRequests
from resolver.node.forward import Forward
from resolver.node.outcome import Outcome, Stage, refusal
from resolver.node.selection import select, wants_public_only
from resolver.node.state import HEARTBEAT, NodeState
from resolver.resolution.routing import (
    DELEGATION_SERVICE_TYPE,
    DELEGATION_TYPES,
    SERVICE_TYPE,
    SITE_TYPES,
)
from resolver.wire.answer import OWN, Answer, Client
from resolver.wire.bodies import ReferralAnswer, ResolveRequest, SiteAnswer
from resolver.wire.cursor import encode_text
from resolver.wire.message import Message
from resolver.wire.typed import encode_site

NOT_RESPONSIBLE_TEXT: Final = "That prefix doesn't live here"


class Admission:
    """Turns away what no later stage may answer: impossible handles, clients beyond their quota."""

    def __init__(self, state: NodeState) -> None:
        self._daily = DailyRequests(state.max_daily_requests)

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """A refusal with its reason, or None."""
        operation = request.op_code
        if operation == OpCode.RESOLVE:
            handle = request.body.handle if isinstance(request.body, ResolveRequest) else ""
            if handle == HEARTBEAT:
                return refusal(ResponseCode.HANDLE_NOT_FOUND)
            if self._daily.exceeded(client.host, unix_now):
                return refusal(
                    ResponseCode.DAILY_REQUEST_LIMIT,
                    f"more than {self._daily.limit} requests of {client.host} today",
                )
            octets = len(encode_text(handle))
            if octets > MAX_HANDLE_OCTETS:
                return refusal(
                    ResponseCode.INVALID_HANDLE,
                    f"the handle has {octets} octets, at most {MAX_HANDLE_OCTETS} are allowed",
                )
            return None
        return None


class SiteInfo:
    """Answers operation 2: the node's own site."""

    def __init__(self, state: NodeState) -> None:
        self._octets = encode_site(state.site)

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """The HS_SITE record, whatever handle the request names."""
        if request.op_code != OpCode.GET_SITE:
            return None
        return Answer(ResponseCode.SUCCESS, SiteAnswer(self._octets), authoritative=True)


class Authority:
    """Answers from the node's own records."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """The values of a record held here, or that an identifier homed here does not exist."""
        asked = request.body
        if not isinstance(asked, ResolveRequest):
            return None
        handle = canonical(asked.handle)
        if not self._state.holds(handle):
            return None
        values = self._state.store.get(handle)
        if values is not None:
            answer = select(asked, values, public_only=wants_public_only(request))
            if not values.restricted:
                answer.ready = OWN
            return answer
        if is_prefix_handle(handle):
            return None
        return refusal(ResponseCode.HANDLE_NOT_FOUND)


class Delegation:
    """Says where else to ask (RFC 3652 §3.3, docs/protocol.md §12.3).

    * The record of a prefix that lies below one delegated from here: 303 with the delegation.
    * An identifier whose prefix is described here but served elsewhere: 302 with its site.

    A request with DNRF gets 100 or 301 instead. One with RECU is left to the forwarding stage if
    this node recurses.
    """

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def answer(self, request: Message, client: Client, now: float, unix_now: int) -> Outcome | None:
        """A referral, or that there is no such prefix."""
        asked = request.body
        if not isinstance(asked, ResolveRequest):
            return None
        refer = not request.flags & OpFlag.DNRF
        recurse = self._state.recursion and bool(request.flags & OpFlag.RECU)
        handle = canonical(asked.handle)
        if is_prefix_handle(handle):
            if not self._state.holds(handle):
                return None
            referral = self._prefix_referral(described_prefix(handle)) if refer else None
            if referral is not None and recurse:
                return None
            return referral or refusal(ResponseCode.HANDLE_NOT_FOUND)
        if not refer or recurse:
            return None
        return self._service_referral(prefix_of(handle))

    def _prefix_referral(self, prefix: str) -> Answer | None:
        for ancestor in ancestors(fold(prefix)):
            if not self._state.holds_prefix_record(ancestor):
                return None
            referral = self._referral(
                ResponseCode.PREFIX_REFERRAL, ancestor, DELEGATION_TYPES, DELEGATION_SERVICE_TYPE
            )
            if referral is not None:
                return referral
        return None

    def _service_referral(self, prefix: str) -> Answer | None:
        if not self._state.holds_prefix_record(fold(prefix)):
            return None
        return self._referral(ResponseCode.SERVICE_REFERRAL, prefix, SITE_TYPES, SERVICE_TYPE)

    def _referral(
        self, code: ResponseCode, prefix: str, site_types: tuple[str, ...], service_type: str
    ) -> Answer | None:
        values = self._state.store.get(prefix_handle(prefix))
        if values is None:
            return None
        public = values.public()
        sites = public.select((), site_types)
        if len(sites):
            return Answer(code, ReferralAnswer("", sites), authoritative=True)
        services = public.select((), (service_type,))
        if not len(services):
            return None
        if code == ResponseCode.SERVICE_REFERRAL:
            return Answer(code, ReferralAnswer(services[0].text, None), authoritative=True)
        return Answer(code, ReferralAnswer("", services), authoritative=True)


STAGES: Final[dict[str, Callable[[NodeState], Stage]]] = {
    "admission": Admission,
    "site-info": SiteInfo,
    "authority": Authority,
    "delegation": Delegation,
    "administer": Administer,
    "forward": Forward,
}
