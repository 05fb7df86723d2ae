"""Questions with their right answers: octets to send, and the octets that must come back.

Rules: a right answer has the response code that is expected, repeats the identifier as it was asked
for, and holds exactly the values that ``secondary_nodes.population`` makes. It is compared as
octets. Only an answer that differs is taken apart, to say in words what is wrong with it; and
routes, which hold ports and keys that only the network knows: the first answer is decoded and
checked against the network's state, later ones must be the same octets.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.model.site import Protocol
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message, decode_message, encode_message
from resolver.wire.shapes import encode_body
from resolver.wire.typed import decode_site
from resolver.wire.values import ValueList
from secondary_nodes.population import ADMIN_INDEX, sample_records

REQUEST_LIFETIME_S: Final = 7 * 86_400
"""Requests are made once and sent again and again; no load of this kind runs for a week."""

ID_AT: Final = 8
HEAD_AT: Final = 20
"""Operation and response code, four octets each."""
BODY_AT: Final = 44

_BEHIND_ID: Final = 12
_BEFORE_VALUES: Final = 4
"""Octets of the identifier's length."""

_NO_CREDENTIAL: Final = b"\0\0\0\0"
_FLAGS: Final = OpFlag.RECU | OpFlag.CACR | OpFlag.PUBL
_EXPIRATION: Final = int(time.time()) + REQUEST_LIFETIME_S


class Question:
    """What is asked, and what is right.

    Attributes:
        handle: the identifier.
        code: the right response code.
        octets: the request behind its id (from octet 12 on).
        head: operation and code of the right reply.
        tail: its body and what follows; None if every body is right, or none is known yet.
    """

    __slots__ = ("code", "handle", "head", "octets", "tail")

    def __init__(
        self,
        handle: str,
        code: int = ResponseCode.SUCCESS,
        values: ValueList | None = None,
        *,
        request: bytes = b"",
        indexes: tuple[int, ...] = (),
        types: tuple[str, ...] = (),
    ) -> None:
        """``request``: the whole message, if it is not a plain resolution."""
        self.handle: Final = handle
        self.code: Final = int(code)
        octets = request or _resolution(handle, indexes, types)
        self.octets: Final = octets[_BEHIND_ID:]
        self.head: Final = octets[HEAD_AT : HEAD_AT + 4] + int(code).to_bytes(4, "big")
        self.tail: bytes | None = None
        if values is not None:
            self.tail = encode_body(RecordAnswer(handle, values)) + _NO_CREDENTIAL

    def is_right(self, reply: bytes) -> bool:
        """Whether the octets are those of the right reply; the quick way."""
        return reply[HEAD_AT:BODY_AT].startswith(self.head) and (
            self.tail is None or reply[BODY_AT:] == self.tail
        )

    @property
    def values(self) -> bytes:
        """The encoded values of an identifier that exists."""
        return (
            b"" if self.tail is None else self.tail[_BEFORE_VALUES + len(self.handle_octets) : -4]
        )

    @property
    def handle_octets(self) -> bytes:
        """The identifier in UTF-8."""
        return self.handle.encode()

    def trouble(self, reply: bytes) -> str:
        """What is wrong with a reply, in words; empty if nothing is."""
        try:
            message = decode_message(reply)
        except WireError as error:
            return f"an unreadable answer: {error}"
        if message.response_code != self.code:
            return code_text(message.response_code, message.body)
        if reply[HEAD_AT : HEAD_AT + 4] != self.head[:4]:
            return f"an answer to operation {message.op_code}"
        if not isinstance(message.body, RecordAnswer):
            return "" if self.code != ResponseCode.SUCCESS else "an answer without values"
        if message.body.handle != self.handle:
            return f"another identifier: {message.body.handle}"
        return self._trouble_with(message.body.values, reply)

    def _trouble_with(self, values: ValueList, reply: bytes) -> str:
        return "" if values.octets == self.values else "other values"


class Route(Question):
    """A bare prefix: its HS_SITE must name the port of its node."""

    __slots__ = ("_port",)

    def __init__(self, prefix: str, port: int) -> None:
        super().__init__(prefix, types=("HS_SITE",))
        self._port: Final = port

    def is_right(self, reply: bytes) -> bool:
        """See ``Question``; no octets are right before the first reply was taken apart."""
        return self.tail is not None and super().is_right(reply)

    def _trouble_with(self, values: ValueList, reply: bytes) -> str:
        if self.tail is not None:
            return "other values than before"
        try:
            sites = [decode_site(value.data) for value in values.of_type("HS_SITE")]
        except WireError as error:
            return f"no site: {error}"
        ports = {s.port(kind) for site in sites for s in site.servers for kind in Protocol}
        if self._port not in ports:
            return f"a site without port {self._port}"
        self.tail = reply[BODY_AT:]
        return ""


def code_text(code: int, body: object = None) -> str:
    """A response code as failures name it."""
    text = body.message if isinstance(body, ErrorAnswer) else ""
    name = ResponseCode(code).name.lower().replace("_", " ")
    return f"response code {code} ({name})" + (f": {text}" if text else "")


class Population:
    """The sample records of a network, made when first asked for and kept."""

    def __init__(self, items: int, ports: Mapping[str, int]) -> None:
        """
        Args:
            items: products of each enterprise.
            ports: prefix → Handle port of its node.
        """
        self.items: Final = items
        self._ports: Final = ports
        self._products: Final[dict[str, list[Question]]] = {}
        self._administrators: Final[dict[str, Question]] = {}
        self._absent: Final[dict[str, Question]] = {}
        self._routes: Final[dict[str, Route]] = {}

    def make(self, prefixes: Iterable[str]) -> None:
        """Make all products of these prefixes now, so that nobody waits for it later."""
        for prefix in prefixes:
            self._of(prefix)

    def product(self, prefix: str, item: int) -> Question:
        """A product, numbered from 1 on."""
        return self._of(prefix)[item - 1]

    def administrator(self, prefix: str) -> Question:
        """Which key may administer the enterprise's identifiers."""
        self._of(prefix)
        return self._administrators[prefix]

    def absent(self, handle: str) -> Question:
        """An identifier that does not exist, kept as it is asked for again."""
        found = self._absent.get(handle)
        if found is None:
            found = self._absent[handle] = self.unique(handle)
        return found

    def unique(self, handle: str) -> Question:
        """An identifier that does not exist and is asked for once."""
        return Question(handle, ResponseCode.HANDLE_NOT_FOUND)

    def route(self, prefix: str) -> Question:
        """Where an enterprise is."""
        found = self._routes.get(prefix)
        if found is None:
            found = self._routes[prefix] = Route(prefix, self._ports[prefix])
        return found

    def _of(self, prefix: str) -> list[Question]:
        made = self._products.get(prefix)
        if made is None:
            made = self._products[prefix] = []
            for handle, values in sample_records(prefix, self.items):
                if len(made) < self.items:
                    made.append(Question(handle, values=values))
                elif handle.endswith("/ADMIN"):
                    chosen = ValueList.of(v for v in values if v.index == ADMIN_INDEX)
                    self._administrators[prefix] = Question(
                        handle, values=chosen, indexes=(ADMIN_INDEX,)
                    )
                    break
        return made


def _resolution(handle: str, indexes: tuple[int, ...], types: tuple[str, ...]) -> bytes:
    body = ResolveRequest(handle, indexes, types)
    envelope = Envelope()
    return encode_message(
        Message(envelope, OpCode.RESOLVE, flags=_FLAGS, expiration=_EXPIRATION, body=body)
    )


def _damaged() -> list[Question]:
    """Requests that are wrong in one way each, after the classes that name servers see most."""
    plain = _resolution("88.901.1/000001", (), ())
    at = plain.index(b"88.901.1")
    return [
        Question("", ResponseCode.INVALID_HANDLE),
        Question("/", ResponseCode.INVALID_HANDLE),
        Question("/000001", ResponseCode.INVALID_HANDLE),
        Question("no-such-prefix", ResponseCode.HANDLE_NOT_FOUND),
        Question("88.90１.1/000001", ResponseCode.HANDLE_NOT_FOUND),
        _octets(
            "an unknown operation", plain, ResponseCode.ERROR, HEAD_AT, (77).to_bytes(4, "big")
        ),
        _octets("a reply instead of a request", plain, ResponseCode.ERROR, HEAD_AT + 4, b"\0\0\0d"),
        _octets("a length that leads too far", plain, ResponseCode.ERROR, at - 4, b"\0\1\0\0"),
    ]


def _octets(what: str, plain: bytes, code: ResponseCode, at: int, change: bytes) -> Question:
    return Question(what, code, request=plain[:at] + change + plain[at + len(change) :])


MALFORMED: Final = _damaged()
