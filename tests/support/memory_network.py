"""A network of real nodes without sockets: octets go from one endpoint to the next in memory.

Time stands still until a test moves it. ``network.down`` names nodes that do not answer;
``network.asked`` records every exchange as ``(node, handle)``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from resolver.model.codes import OpCode, OpFlag
from resolver.model.errors import StoreError, UpstreamTimeout
from resolver.model.site import Interface, Protocol, Purpose, Server, Site
from resolver.model.value import HandleValue, Reference
from resolver.node.endpoint import Endpoint, Malformed, Replied, Waiting
from resolver.node.node import Node
from resolver.node.outcome import Pending
from resolver.node.state import NodeState
from resolver.resolution import Ask, Commit, Done, Limits, Outcome, Reply, Work
from resolver.server.roles import ROLES
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import Body, ResolveRequest, VerifyRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.typed import encode_site
from resolver.wire.values import ValueList
from tests.support.nodes import node_state

CLIENT = Client(transport="udp", host="127.0.0.1", port=40000)
NOW = 1_000_000.0
UNIX_NOW = 1_795_000_000


def site(name: str, port: int) -> Site:
    """A site with one server called ``name``."""
    interfaces = (Interface(Purpose.BOTH, Protocol.TCP, port),)
    server = Server(1, ip_address("127.0.0.1"), b"", interfaces)
    return Site((server,), attributes=(("name", name),))


def site_value(index: int, type_: str, where: Site, ttl: int = 86400) -> HandleValue:
    """A value of a prefix's record that names a site."""
    return HandleValue(index, type_, encode_site(where), ttl=ttl, timestamp=UNIX_NOW)


def text_value(index: int, type_: str, text: str, **fields: int) -> HandleValue:
    """A value that is text."""
    return HandleValue(index, type_, text.encode(), timestamp=UNIX_NOW, **fields)


@dataclass
class MemoryNetwork:
    """Nodes by name, and the way octets take between them."""

    now: float = NOW
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    states: dict[str, NodeState] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def unix_now(self) -> int:
        """Unix seconds that belong to ``now``."""
        return UNIX_NOW + int(self.now - NOW)

    def add(
        self,
        name: str,
        role: str,
        *,
        homes: Iterable[str] = (),
        delegates: Iterable[str] = (),
        records: Iterable[tuple[str, Iterable[HandleValue]]] = (),
        hints: Iterable[tuple[str, str]] = (),
        recursion: bool = False,
        limits: Limits | None = None,
        administrators: Iterable[Reference] = (),
        max_daily_requests: int = 0,
    ) -> NodeState:
        """Add a node; sites of all nodes are known by name through ``self.site``."""
        state = node_state(
            name,
            role,
            self.site(name),
            homes=homes,
            delegates=delegates,
            records=((handle, ValueList.of(values)) for handle, values in records),
            hints=((prefix, self.site(other)) for prefix, other in hints),
            recursion=recursion,
            limits=limits,
            administrators=administrators,
        )
        state.max_daily_requests = max_daily_requests
        self.states[name] = state
        self.endpoints[name] = Endpoint(Node(state, ROLES[role].chain))
        return state

    @staticmethod
    def site(name: str) -> Site:
        """The site of the node called ``name``, whether it exists yet or not."""
        return site(name, 2641)

    def exchange(self, ask: Ask) -> Reply:
        """Carry out one Ask; raises UpstreamTimeout if the node is down."""
        name = ask.site.attribute("name") or ""
        self.asked.append((name, ask.handle))
        if name in self.down:
            raise UpstreamTimeout(f"{name} did not answer")
        reply = self.send(
            name,
            ask.request,
            flags=ask.flags,
            recursion_count=ask.recursion_count,
            op_code=OpCode.VERIFY_CHALLENGE
            if isinstance(ask.request, VerifyRequest)
            else OpCode.RESOLVE,
        )
        return Reply(reply, f"{name}:2641", "tcp", 0.001)

    def send(
        self,
        name: str,
        request: Body,
        *,
        flags: int = OpFlag.PUBL | OpFlag.RECU | OpFlag.CACR,
        recursion_count: int = 0,
        suggested: tuple[int, int] = (2, 11),
        op_code: int = OpCode.RESOLVE,
    ) -> Message:
        """The decoded reply of node ``name`` to a request sent as octets."""
        message = Message(
            envelope=Envelope(suggested=suggested, request_id=7),
            op_code=op_code,
            flags=flags,
            recursion_count=recursion_count,
            expiration=self.unix_now + 43200,
            body=request,
        )
        return decode_message(self.send_octets(name, encode_message(message)))

    def send_octets(self, name: str, octets: bytes, client: Client = CLIENT) -> bytes:
        """The reply octets of node ``name``, of the first message."""
        return self.send_all(name, octets, client)[0]

    def send_all(self, name: str, octets: bytes, client: Client = CLIENT) -> list[bytes]:
        """The reply octets of node ``name``, message by message."""
        handled = self.endpoints[name].receive(octets, client, self.now, self.unix_now)
        match handled:
            case Replied() | Malformed():
                return handled.messages
            case Waiting():
                return handled.encode(self.settle(name, handled.pending), self.unix_now)

    def ask(self, name: str, handle: str, *, flags: int = OpFlag.PUBL, **body: tuple) -> Answer:
        """The answer of node ``name`` as an object, with cache state and hops."""
        request = Message(
            envelope=Envelope(),
            op_code=OpCode.RESOLVE,
            flags=flags,
            body=ResolveRequest(handle, **body),
        )
        outcome = self.endpoints[name].ask(request, CLIENT, self.now, self.unix_now)
        return outcome if isinstance(outcome, Answer) else self.settle(name, outcome)

    def settle(self, name: str, pending: Pending) -> Answer:
        """Drive a pending answer of node ``name`` to its end."""
        process = pending.process()
        step = process.start(self.now, self.unix_now)
        while not isinstance(step, Done):
            step = process.resume(self._outcome(name, step), self.now)
        pending.settle(step.answer, self.now, self.unix_now)
        return pending.finish(step.answer)

    def _outcome(self, name: str, step: Ask | Work | Commit) -> Outcome:
        match step:
            case Work():
                try:
                    return step.run()
                except StoreError as error:
                    return error
            case Commit():
                return self.states[name].store.apply([step.change], self.unix_now)[0]
            case Ask():
                try:
                    return self.exchange(step)
                except UpstreamTimeout as error:
                    self.now += step.timeout
                    return error


def four_tiers(**limits: float) -> MemoryNetwork:
    """root → wuhan (88) → optics (88.901) → works (88.901.1), and a recursive node in front."""
    network = MemoryNetwork()
    network.add(
        "root",
        "root",
        delegates=[""],
        records=[("0.NA/88", [site_value(2, "HS_SITE.PREFIX", network.site("wuhan"))])],
    )
    network.add(
        "wuhan",
        "top-level",
        delegates=["88"],
        recursion=True,
        hints=[("", "root")],
        records=[
            (
                "0.NA/88.901",
                [
                    site_value(1, "HS_SITE", network.site("optics")),
                    site_value(2, "HS_SITE.PREFIX", network.site("optics")),
                ],
            ),
            ("0.NA/88.902", [text_value(1, "HS_SERV", "88.901/SERVICE")]),
        ],
    )
    network.add(
        "optics",
        "secondary",
        homes=["88.901", "88.901.9", "88.902"],
        delegates=["88.901"],
        recursion=True,
        hints=[("", "root"), ("88", "wuhan")],
        records=[
            ("0.NA/88.901.1", [site_value(1, "HS_SITE", network.site("works"))]),
            ("0.NA/88.901.9", [site_value(1, "HS_SITE", network.site("optics"))]),
            ("88.901/SERVICE", [site_value(1, "HS_SITE", network.site("optics"))]),
            ("88.901.9/hosted", [text_value(1, "URL", "https://example.com/hosted")]),
            ("88.902/x", [text_value(1, "URL", "https://example.com/x")]),
        ],
    )
    network.add(
        "works",
        "enterprise",
        homes=["88.901.1"],
        recursion=True,
        hints=[("", "root"), ("88", "wuhan")],
        records=[
            (
                "88.901.1/motor",
                [
                    text_value(1, "URL", "https://example.com/motor"),
                    text_value(2, "DESC", "motor", ttl=600),
                    text_value(3, "url.mirror", "https://example.org/motor"),
                ],
            ),
            (
                "88.901.1/secret",
                [
                    text_value(1, "URL", "https://example.com/secret"),
                    text_value(2, "HS_SECKEY", "pass", permissions=0x0C),
                    text_value(3, "NOTE", "nobody", permissions=0x04),
                ],
            ),
        ],
    )
    network.add(
        "recursive",
        "recursive",
        hints=[("", "root"), ("88", "wuhan")],
        limits=Limits(**limits) if limits else None,
    )
    return network
