"""What is asked for: streams of questions, each with the answer that is right.

Rules: a stream is a pure function of the population, the client's settings and a seed, and has no
end. The right answer comes from ``secondary_nodes.population``, never from the network that is
measured; only where the network alone can know it (ports and keys in routes) is the first answer
taken apart and checked (``bench.answers``).

What streams there are is the table ``KINDS``; the Zipf ranks are those of ``bench.traces``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from math import gcd
from random import Random
from typing import Final

from bench.answers import MALFORMED, Population, Question
from bench.traces import zipf_ranks
from bench.workloads.model import ClientModel

_AT_ONCE: Final = 1_000
_ENDLESS: Final = 1 << 62
_SCANNED_TOGETHER: Final = 24
"""Items of one carton whose codes are scanned one after another."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one client may ask for.

    Attributes:
        prefixes: of the enterprises within its scope.
        exponent: of Zipf laws.
        number: of the client among those of its kind; clients begin at different items.
    """

    population: Population
    prefixes: Sequence[str]
    exponent: float
    seed: str
    number: int = 0

    def draw(self, kind: str) -> Random:
        """Random numbers of a stream of its own."""
        return Random(f"{self.seed}/{kind}/{self.number}")


def questions(asked: Asked, client: ClientModel) -> Iterator[Question]:
    """The questions of one client, its kinds mixed."""
    streams = [KINDS[kind](asked) for kind in client.mix]
    if len(streams) == 1:
        return streams[0]
    return _mixed(streams, list(client.mix.values()), asked.draw("mix"))


def _mixed(
    streams: Sequence[Iterator[Question]], weights: Sequence[float], draw: Random
) -> Iterator[Question]:
    bounds = list(accumulate(weights))
    while True:
        for stream in draw.choices(streams, cum_weights=bounds, k=_AT_ONCE):
            yield next(stream)


def skewed(asked: Asked) -> Iterator[Question]:
    """Enterprises by a Zipf law; their items one after another in no order, each again only when
    all were asked for."""
    draw = asked.draw("skewed")
    items = asked.population.items
    step = next(n for n in range(max(1, int(items * 0.618)), 2 * items + 2) if gcd(n, items) == 1)
    places = [draw.randrange(items) for _ in asked.prefixes]
    for rank in zipf_ranks(draw, asked.exponent, len(asked.prefixes), _ENDLESS):
        place = places[rank] = (places[rank] + step) % items
        yield asked.population.product(asked.prefixes[rank], place + 1)


def zipf(asked: Asked) -> Iterator[Question]:
    """Identifiers by a Zipf law, the ranks spread over the enterprises."""
    draw, items = asked.draw("zipf"), asked.population.items
    size = len(asked.prefixes) * items
    for rank in zipf_ranks(draw, asked.exponent, size, _ENDLESS):
        item, enterprise = divmod(rank, len(asked.prefixes))
        yield asked.population.product(asked.prefixes[enterprise], item + 1)


def uniform(asked: Asked) -> Iterator[Question]:
    """All identifiers alike."""
    draw, items = asked.draw("uniform"), asked.population.items
    while True:
        for prefix in draw.choices(asked.prefixes, k=_AT_ONCE):
            yield asked.population.product(prefix, int(draw.random() * items) + 1)


def scan(asked: Asked) -> Iterator[Question]:
    """Codes of a carton scanned one after another, then of another carton."""
    draw, items = asked.draw("scan"), asked.population.items
    while True:
        prefix, first = draw.choice(asked.prefixes), draw.randrange(items)
        for item in range(first, first + _SCANNED_TOGETHER):
            yield asked.population.product(prefix, item % items + 1)


def missing(asked: Asked) -> Iterator[Question]:
    """Misspelt identifiers: of enterprises that exist, a few hundred each, so that "not found" is
    cached; one of eight is of an enterprise that does not exist."""
    draw = asked.draw("missing")
    while True:
        prefix = draw.choice(asked.prefixes)
        if draw.random() < 0.125:
            prefix = f"{prefix.rpartition('.')[0]}.{90_000 + draw.randrange(50)}"
        yield asked.population.absent(f"{prefix}/{900_000 + draw.randrange(300):07d}")


def flood(asked: Asked) -> Iterator[Question]:
    """Random suffixes under one prefix: an attack on caches, or a broken label printer."""
    draw = asked.draw("flood")
    prefix = asked.prefixes[0]
    while True:
        yield asked.population.unique(f"{prefix}/{draw.getrandbits(64):016x}")


def malformed(asked: Asked) -> Iterator[Question]:
    """Messages that no node can carry out; each has a reply that is right."""
    draw = asked.draw("malformed")
    while True:
        yield draw.choice(MALFORMED)


def keys(asked: Asked) -> Iterator[Question]:
    """Who administers an enterprise, asked from outside: the value that names the key, as a node
    looks it up that is to believe an administrator of another enterprise."""
    draw = asked.draw("keys")
    while True:
        yield asked.population.administrator(draw.choice(asked.prefixes))


def routes(asked: Asked) -> Iterator[Question]:
    """Where an enterprise is: the bare prefix, as the national SDK asks before each resolution."""
    draw = asked.draw("routes")
    while True:
        yield asked.population.route(draw.choice(asked.prefixes))


KINDS: Final[dict[str, Callable[[Asked], Iterator[Question]]]] = {
    "skewed": skewed,
    "zipf": zipf,
    "uniform": uniform,
    "scan": scan,
    "missing": missing,
    "malformed": malformed,
    "flood": flood,
    "keys": keys,
    "routes": routes,
}


def some(asked: Asked, client: ClientModel, number: int) -> list[Question]:
    """The first questions of a client."""
    return list(islice(questions(asked, client), number))
