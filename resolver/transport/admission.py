"""Who may ask how much: what a door looks at before it looks at a request.

Rules: a client is its address, an IPv6 client the network of 56 bits that somebody is given as a
whole. Rates are token buckets: so many a second on average, and as many at once as were saved up.
Time is an argument. The number of clients that are told apart is bounded; the one heard of longest
ago is forgotten first, which is to its advantage. Everything here is off unless it is configured.
"""

from collections import OrderedDict
from ipaddress import IPv6Address
from typing import Final

MAX_CLIENTS: Final = 100_000

KNOWN_S: Final = 3600.0
"""How long a client that was seen over TCP is known not to have lied about its address."""

AMPLIFICATION: Final = 3
"""Octets of an answer over UDP, for each octet of its request, that a client gets whose address
nobody has confirmed."""

_IPV6_PREFIX_BITS: Final = 56


def client_of(host: str) -> str:
    """What tells clients apart, by the text of an address: an IPv4 address, or an IPv6 network."""
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - _IPV6_PREFIX_BITS):x}/{_IPV6_PREFIX_BITS}"


class Buckets:
    """How much each client has left."""

    def __init__(self, rate: float, burst: float = 0.0, most: int = MAX_CLIENTS) -> None:
        """
        Args:
            rate: tokens that a client earns in a second.
            burst: tokens it can save up; else those of a second, one at least.
            most: clients that are told apart.
        """
        self._rate: Final = rate
        self._burst: Final = max(1.0, burst or rate)
        self._most: Final = most
        self._left: Final[OrderedDict[str, tuple[float, float]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, client: str, now: float, tokens: int = 1) -> bool:
        """Whether ``client`` has so many tokens, which are gone then."""
        left = self._earned(client, now)
        if left < tokens:
            self._note(client, left, now)
            return False
        self._note(client, left - tokens, now)
        return True

    def owe(self, client: str, now: float, tokens: int) -> float:
        """Take tokens from ``client`` whether it has them or not; the seconds until it is out of
        debt."""
        left = self._earned(client, now) - tokens
        self._note(client, left, now)
        return max(0.0, -left / self._rate)

    def _earned(self, client: str, now: float) -> float:
        left, since = self._left.get(client, (self._burst, now))
        return min(self._burst, left + (now - since) * self._rate)

    def _note(self, client: str, left: float, now: float) -> None:
        self._left[client] = (left, now)
        self._left.move_to_end(client)
        if len(self._left) > self._most:
            self._left.popitem(last=False)


class KnownClients:
    """Clients that were seen over TCP, so that their addresses are their own."""

    def __init__(self, most: int = MAX_CLIENTS) -> None:
        self._most: Final = most
        self._seen_at: Final[OrderedDict[str, float]] = OrderedDict()

    def seen(self, host: str, now: float) -> None:
        """A client has opened a connection."""
        client = client_of(host)
        self._seen_at[client] = now
        self._seen_at.move_to_end(client)
        if len(self._seen_at) > self._most:
            self._seen_at.popitem(last=False)

    def knows(self, host: str, now: float) -> bool:
        """Whether it has, not too long ago."""
        seen_at = self._seen_at.get(client_of(host))
        return seen_at is not None and now - seen_at < KNOWN_S


class Admission:
    """What one node asks of its clients.

    Attributes:
        requests: how much each may ask; None if as much as it likes.
        misses: how much of that may be asked of other nodes.
        known: clients with confirmed addresses; None if all are taken at their word.
    """

    def __init__(
        self,
        *,
        rate: float = 0.0,
        burst: float = 0.0,
        misses: float = 0.0,
        confirm: bool = False,
    ) -> None:
        """
        Args:
            rate: requests of one client in a second; 0 is no limit.
            burst: that it may send at once, if it saved them up.
            misses: those that other nodes have to be asked for; 0 is no limit.
            confirm: whether long answers over UDP are for clients only that were seen over TCP.
        """
        self.requests: Final = Buckets(rate, burst) if rate else None
        self.misses: Final = Buckets(misses) if misses else None
        self.known: Final = KnownClients() if confirm else None
