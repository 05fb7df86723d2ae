"""What a resolution brings."""

from dataclasses import dataclass

from resolver.model.value import HandleValue
from resolver.wire.answer import Hop
from resolver.wire.values import ValueList


@dataclass(frozen=True, slots=True)
class Record:
    """The values of an identifier, or those that were asked for.

    Attributes:
        handle: whose values these are; after aliases the last name.
        values: in the order of the server.
        ttl: seconds for which they may be kept.
        code: the response code, 1.
        server: ``host:port`` that gave them.
        authoritative: they come from the primary's own store.
        hops: the exchanges it took, in order; a recursive server's own are not among them.
        seconds: from the question to the record.
        aliases: the names passed on the way, from the one asked for on; empty without aliases.
    """

    handle: str
    values: ValueList
    ttl: int
    code: int
    server: str
    authoritative: bool = False
    hops: tuple[Hop, ...] = ()
    seconds: float = 0.0
    aliases: tuple[str, ...] = ()

    def first(self, type_: str) -> HandleValue | None:
        """The first value of ``type_``, compared without ASCII case."""
        return next(self.values.of_type(type_), None)
