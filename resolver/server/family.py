"""A node's children, as they report over the control plane, and what the node reports itself.

Rules: a child that has been silent for three heartbeats is down. What it counted is kept in the
store, by node, day and prefix, so that the figures of a whole tree add up at its top; the same row
comes again as long as it grows, and the latest counts. Figures that came in are written down every
few seconds, together.

A resolution counts once, where it was answered: where the identifiers live, or at a recursive node
that had the answer already. What a recursive node asked others for counts there; what a node only
referred to another counts nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgpack

from resolver.model.errors import RefusedError
from resolver.model.handle import fold
from resolver.node.state import NodeState
from resolver.registry.applications import PrefixRow, prefixes
from resolver.server.pace import Pace, Row
from resolver.storage import day_of

MAX_CHILDREN: Final = 2000
MAX_ROUTES: Final = 20_000
MISSED_HEARTBEATS: Final = 3

_FIGURES: Final = "figures-below"
_ROUTES: Final = "routes-below"


@dataclass(frozen=True, slots=True)
class Report:
    """What a child says of itself.

    Attributes:
        role: its tier.
        records: in its store.
        rows: figures that have changed since the last report, its own and those from below it.
    """

    role: str
    records: int
    rows: tuple[Row, ...]


@dataclass(slots=True)
class Child:
    """What is known of a child.

    Attributes:
        age_s: seconds since it was heard; None if it never was.
        is_up: heard within the last heartbeats.
    """

    name: str
    role: str = ""
    records: int = 0
    age_s: float | None = None
    is_up: bool = False

    def told(self) -> dict[str, object]:
        """How the child does, for ``/health``."""
        age = None if self.age_s is None else round(self.age_s, 1)
        return {"state": "up" if self.is_up else "down", "heard_s_ago": age}


@dataclass(slots=True)
class Family:
    """The children of one node.

    Attributes:
        expected: names of the children it should have.
        heartbeat_s: seconds between two reports of a child.
        changed: set when the node's own prefixes have changed.
        pace: how quickly the figures from below grow.
    """

    state: NodeState
    expected: tuple[str, ...]
    heartbeat_s: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pace: Pace = field(default_factory=Pace)
    _heard: dict[str, tuple[Report, float]] = field(default_factory=dict)
    _unsaved: dict[str, bytes] = field(default_factory=dict)

    def heard(self, name: str, report: Report, now: float, unix_now: int) -> None:
        """Take a report in."""
        if name not in self._heard and len(self._heard) >= MAX_CHILDREN:
            raise RefusedError(f"{len(self._heard)} nodes report here already")
        self._heard[name] = (report, now)
        for row in report.rows:
            self._unsaved[_key(row)] = msgpack.packb(row[3:])
        self.pace.heard(report.rows, now)

    def children(self, now: float) -> list[Child]:
        """All children, those that never reported too."""
        names = dict.fromkeys((*self.expected, *self._heard))
        return [self._child(name, now) for name in names]

    def learn_routes(self, name: str, rows: list[dict[str, Any]], unix_now: int) -> bool:
        """Keep what ``name`` says of the prefixes below it, in place of what it said before.

        Raises:
            StoreError: it cannot be written.
        """
        known = {row["prefix"]: row["known_since"] for row in self._routes_of(name)}
        kept = [
            {**row, "node": name, "known_since": known.get(row["prefix"], unix_now)} for row in rows
        ]
        self.state.store.put_documents(_ROUTES, {name: msgpack.packb(kept)})
        return True

    def known_below(self) -> list[dict[str, Any]]:
        """The prefixes that children have told of."""
        documents = self.state.store.documents(_ROUTES)
        return [row for document in documents.values() for row in msgpack.unpackb(document)]

    def own_routes(self) -> list[PrefixRow]:
        """The prefixes this node delegates or hosts itself."""
        return [row for row in prefixes(self.state) if not row.applied_at]

    @property
    def has_news(self) -> bool:
        """Whether there is anything to save."""
        return bool(self._unsaved)

    def save(self) -> None:
        """Write down the figures that came in.

        Raises:
            StoreError: they cannot be written, and are kept for the next time.
        """
        rows = dict(self._unsaved)
        if rows:
            self.state.store.put_documents(_FIGURES, rows)
            for key, row in rows.items():
                if self._unsaved.get(key) is row:
                    del self._unsaved[key]

    def rows(self, since: int = 0) -> Iterator[Row]:
        """All figures from the day ``since`` on: this node's own, and what came from below."""
        state = self.state
        for day, prefix, own in state.store.figures(since):
            if state.always_recurse:
                requests = own.requests - own.forwarded
                successes = own.successes - own.forwarded_successes
                if requests:
                    yield state.name, day, prefix, requests, successes, 0, 0
            elif prefix in state.homes:
                numbers = (own.requests, own.successes, own.created, own.deleted)
                yield (state.name, day, prefix, *numbers)
        stored = state.store.documents(_FIGURES, f"{since:08d}") | self._unsaved
        for key, document in stored.items():
            written_day, node, prefix = key.split("\t")
            if int(written_day) >= since:
                requests, successes, created, deleted = msgpack.unpackb(document)
                yield node, int(written_day), prefix, requests, successes, created, deleted

    def report(self, told: dict[str, bytes], unix_now: int) -> dict[str, Any]:
        """What to tell the parent: the figures of the last two days that differ from ``told``,
        which is brought up to date."""
        rows = []
        for row in self.rows(day_of(unix_now) - 1):
            key, numbers = _key(row), msgpack.packb(row[3:])
            if told.get(key) != numbers:
                told[key] = numbers
                rows.append(row)
        return {
            "role": self.state.role,
            "records": self.state.store.count(),
            "rows": rows[:MAX_ROUTES],
        }

    def _child(self, name: str, now: float) -> Child:
        known = self._heard.get(name)
        if known is None:
            return Child(name)
        report, heard_at = known
        age = now - heard_at
        is_up = age < MISSED_HEARTBEATS * self.heartbeat_s
        return Child(name, report.role, report.records, age, is_up)

    def _routes_of(self, name: str) -> list[dict[str, Any]]:
        document = self.state.store.documents(_ROUTES).get(name)
        rows: list[dict[str, Any]] = [] if document is None else msgpack.unpackb(document)
        return rows


def report_from(document: object) -> Report:
    """The report in what came over the control plane.

    Raises:
        RefusedError: it is none.
    """
    match document:
        case {"role": str(role), "records": int(records), "rows": list(rows)}:
            return Report(role, records, tuple(map(_row_from, rows)))
    raise RefusedError("a report has a role, a number of records, and rows of figures")


def routes_from(document: object) -> list[dict[str, Any]]:
    """The prefixes in what came over the control plane.

    Raises:
        RefusedError: there are none.
    """
    if not isinstance(document, list) or len(document) > MAX_ROUTES:
        raise RefusedError(f"a list of at most {MAX_ROUTES} prefixes is expected")
    return list(map(_route_from, document))


def routes_told(rows: Iterable[PrefixRow]) -> list[dict[str, Any]]:
    """The prefixes as ``routes_from`` reads them."""
    return [asdict(row) for row in rows]


def _route_from(document: object) -> dict[str, Any]:
    match document:
        case {"prefix": str(prefix), "stage": str(stage), "title": str(title), "address": str(at)}:
            return {"prefix": prefix, "stage": stage, "title": title, "address": at}
    raise RefusedError("a route has a prefix, a stage, a title and an address")


def _row_from(document: object) -> Row:
    match document:
        case [str(node), int(day), str(prefix), int(a), int(b), int(c), int(d)]:
            if "\t" not in node + prefix and len(node) + len(prefix) < 400:
                return node, day, fold(prefix), a, b, c, d
    raise RefusedError("a row of figures has a node, a day, a prefix and four numbers")


def _key(row: Row) -> str:
    node, day, prefix = row[:3]
    return f"{day:08d}\t{node}\t{prefix}"
